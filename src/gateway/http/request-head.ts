import {CreoError} from '../../core/errors.ts'
import {isTraceparent} from '../trace-context.ts'
import {type Headers, readHeaderLines, tokensOf} from './header-lines.ts'

const HEADERS_COUNT_MAX = 100
const REQUEST_LINE = /^([A-Z][A-Z-]{0,23}) ([\x21-\x7e\x80-\xff]+) HTTP\/1\.([01])$/
const METHOD_REFUSED = /^(?:TRACE|CONNECT)$/
/** Larger ones are no numbers any more. */
const LENGTH = /^\d{1,15}$/
const CRLF = '\r\n'
const SLASH = 0x2f
const CONNECTION_USUAL = /^(?:keep-alive|close)$/i

export const PLAIN_HINT = 'Send one plain HTTP/1.1 request.'

/** How the end of a request's body is told: not at all when there is none. */
export type BodyFraming = 'none' | 'length' | 'chunked'

/** A request that means the same to everybody on the way. */
export interface RequestHead {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly isHttp10: boolean
  readonly headers: Headers
  readonly host: string
  readonly body: BodyFraming
  /** As announced; 0 for chunks. */
  readonly bodyBytes: number
  /** The client's own, if it sent exactly one that is well formed. */
  readonly traceparent: string | undefined
  readonly expectsContinue: boolean
  /** The client wants to go on with this connection after the answer. */
  readonly keepAlive: boolean
  /** The protocol that the client would rather speak, in lower case. */
  readonly upgrade: string | undefined
}

/** What decides how a request is read, gathered from its headers. */
interface Framing {
  host: string | undefined
  length: string | undefined
  encoding: string | undefined
  expectation: string | undefined
  connection: string | undefined
  upgrade: string | undefined
  traces: number
  trace: string | undefined
}

/**
 * Reads request line and headers, without the empty line behind them.
 * @throws {CreoError} `invalid_input` for anything that two parsers could read in two ways.
 */
export function readRequestHead(text: string): RequestHead {
  const lineEnd = text.indexOf(CRLF)
  const line = REQUEST_LINE.exec(lineEnd === -1 ? text : text.slice(0, lineEnd))
  if (line === null) throw refused('This is not an HTTP/1.1 request.')
  const [, method = '', target = '', minor] = line
  const headers = readHeaderLines(text, lineEnd)
  if (headers === undefined) throw refused('A header line cannot be read.')
  if (headers.length > 2 * HEADERS_COUNT_MAX) throw refused(`There are more than ${HEADERS_COUNT_MAX} headers.`)
  if (METHOD_REFUSED.test(method)) throw refused(`${method} is not taken.`)
  if (target.charCodeAt(0) !== SLASH) throw refused('The request target must be a path.')
  const found = framingOf(headers)
  if (found.host === undefined || found.host === '') throw refused('There is no Host header.')
  const isHttp10 = minor === '0'
  const {body, bodyBytes} = bodyOf(found, isHttp10)
  const {wish, upgrades} = connectionOf(found.connection)
  return {
    method,
    target,
    isHttp10,
    headers,
    host: found.host,
    body,
    bodyBytes,
    traceparent: found.traces === 1 && isTraceparent(found.trace ?? '') ? found.trace : undefined,
    // Nobody who speaks HTTP/1.0 waits for an interim answer.
    expectsContinue: found.expectation !== undefined && !isHttp10,
    keepAlive: isHttp10 ? wish === 'keep-alive' : wish !== 'close',
    upgrade: upgrades && !isHttp10 ? found.upgrade?.toLowerCase() : undefined
  }
}

function framingOf(headers: Headers): Framing {
  const found: Framing = {
    host: undefined,
    length: undefined,
    encoding: undefined,
    expectation: undefined,
    connection: undefined,
    upgrade: undefined,
    traces: 0,
    trace: undefined
  }
  for (let at = 0; at < headers.length; at += 2) take(found, headers[at] ?? '', headers[at + 1] ?? '')
  return found
}

function take(found: Framing, name: string, value: string): void {
  if (name === 'host') {
    if (found.host !== undefined) throw refused('There is more than one Host header.')
    found.host = value
  } else if (name === 'content-length') {
    if (found.length !== undefined) throw refused('The length of the body is given twice.')
    found.length = value
  } else if (name === 'transfer-encoding') {
    if (found.encoding !== undefined) throw refused('The length of the body is given twice.')
    found.encoding = value
  } else if (name === 'expect') {
    if (found.expectation !== undefined || value.toLowerCase() !== '100-continue') throw refused('Only 100-continue can be expected.')
    found.expectation = value
  } else if (name === 'connection') found.connection = found.connection === undefined ? value : `${found.connection},${value}`
  else if (name === 'upgrade') found.upgrade = value
  else if (name === 'traceparent') {
    found.traces += 1
    found.trace = value
  }
}

function bodyOf({length, encoding}: Framing, isHttp10: boolean): {readonly body: BodyFraming; readonly bodyBytes: number} {
  if (encoding === undefined) {
    if (length === undefined) return {body: 'none', bodyBytes: 0}
    if (!LENGTH.test(length)) throw refused('The length of the body is not one number.')
    const bodyBytes = Number(length)
    return {body: bodyBytes > 0 ? 'length' : 'none', bodyBytes}
  }
  if (length !== undefined) throw refused('The length of the body is given twice.')
  if (encoding.toLowerCase() !== 'chunked') throw refused('The transfer encoding of a body can only be chunked.')
  if (isHttp10) throw refused('HTTP/1.0 has no chunks.')
  return {body: 'chunked', bodyBytes: 0}
}

function connectionOf(value: string | undefined): {readonly wish: 'keep-alive' | 'close' | undefined; readonly upgrades: boolean} {
  if (value === undefined) return {wish: undefined, upgrades: false}
  if (CONNECTION_USUAL.test(value)) return {wish: value.length === 'close'.length ? 'close' : 'keep-alive', upgrades: false}
  const tokens = tokensOf(value)
  const stays = tokens.includes('keep-alive') ? 'keep-alive' : undefined
  return {wish: tokens.includes('close') ? 'close' : stays, upgrades: tokens.includes('upgrade')}
}

export function refused(message: string): CreoError {
  return new CreoError('invalid_input', message, {hint: PLAIN_HINT})
}
