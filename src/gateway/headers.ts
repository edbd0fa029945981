import {CreoError} from '../core/errors.ts'
import {isTraceparent} from './trace-context.ts'

/** Headers that speak of one connection and never pass a proxy (RFC 9110, 7.6.1), with those that this gateway sets itself. */
const NOT_FORWARDED = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'http2-settings',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-prefix',
  'traceparent'
])
const NOT_ANSWERED = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade'
])
/** Headers with which the gateway itself speaks: a function's own would be taken for its. */
const OWN_PREFIX = 'creo-'
const REVISION_HEADER = 'creo-revision'
const CONNECTION = 'connection'
const COOKIE_DOMAIN = /;\s*domain=[^;]*/gi
const METHOD_REFUSED = /^(TRACE|CONNECT)$/
const METHOD_WITH_BODY = /^(POST|PUT|PATCH)$/
/** The only values of Connection that most requests and answers have: they name no header. */
const NAMES_NONE = /^(keep-alive|close|upgrade)$/i

export const PLAIN_HINT = 'Send one plain HTTP/1.1 request.'

/** The parts of a request that are looked at before it is believed. */
export interface ReceivedHead {
  readonly method: string
  readonly target: string
  readonly httpVersion: string
  /** Name, value, name, value, … as received. */
  readonly rawHeaders: readonly string[]
}

export interface CheckedHead {
  readonly host: string
  readonly body: BodyFraming
  /** As announced; 0 for chunks. */
  readonly bodyBytes: number
  /** The client's own, if it sent exactly one that is well formed. */
  readonly traceparent: string | undefined
}

/**
 * The one Host of a request that means the same to everybody on the way, and how its body ends.
 * @throws {CreoError} `invalid_input` for anything that two parsers could read in two ways.
 */
export function checkHead({method, target, httpVersion, rawHeaders}: ReceivedHead): CheckedHead {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') throw refused(`HTTP/${httpVersion} is not spoken here.`)
  if (METHOD_REFUSED.test(method)) throw refused(`${method} is not taken.`)
  if (!target.startsWith('/')) throw refused('The request target must be a path.')
  let host: string | undefined
  let length: string | undefined
  let encoding: string | undefined
  const traces: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host') {
      if (host !== undefined) throw refused('There is more than one Host header.')
      host = rawHeaders[at + 1]
    } else if (name.length === 14 && name.toLowerCase() === 'content-length') {
      if (length !== undefined) throw refused('The length of the body is given twice.')
      length = rawHeaders[at + 1] ?? ''
    } else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      if (encoding !== undefined) throw refused('The length of the body is given twice.')
      encoding = (rawHeaders[at + 1] ?? '').toLowerCase()
    } else if (name.length === 11 && name.toLowerCase() === 'traceparent') traces.push(rawHeaders[at + 1] ?? '')
  }
  if (host === undefined || host === '') throw refused('There is no Host header.')
  const traceparent = traces.length === 1 && isTraceparent(traces[0] ?? '') ? traces[0] : undefined
  const bodyBytes = Number(length ?? 0)
  if (encoding === undefined) return {host, body: bodyBytes > 0 ? 'length' : 'none', bodyBytes, traceparent}
  if (length !== undefined) throw refused('The length of the body is given twice.')
  if (encoding !== 'chunked') throw refused('The transfer encoding of a body can only be chunked.')
  return {host, body: 'chunked', bodyBytes: 0, traceparent}
}

/** How the end of a request's body is told: not at all when there is none. */
export type BodyFraming = 'none' | 'length' | 'chunked'

/** What is sent to the function, as text: the same for every instance that is tried. */
export interface ForwardedHead {
  readonly method: string
  readonly target: string
  /** Name, value, name, value, … as received. */
  readonly rawHeaders: readonly string[]
  readonly body: BodyFraming
  readonly expectsContinue: boolean
  readonly upgrades: boolean
  readonly trace: {readonly parent: string; readonly isNew: boolean}
  readonly client: {readonly address: string; readonly host: string; readonly secure: boolean; readonly prefix: string}
}

/** Request line and headers for the function, without what belongs to the client's connection. */
export function forwardedHead({method, target, rawHeaders, body, expectsContinue, upgrades, trace, client}: ForwardedHead): string {
  const named = connectionNamed(rawHeaders)
  let head = `${method} ${target} HTTP/1.1\r\n`
  let hasLength = false
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase()
    if (NOT_FORWARDED.has(name) || named?.has(name)) continue
    // A state without its trace means nothing.
    if (name === 'tracestate' && trace.isNew) continue
    if (name === 'content-length') hasLength = true
    head += `${name}: ${rawHeaders[at + 1]}\r\n`
  }
  head += `x-forwarded-for: ${client.address}\r\nx-forwarded-host: ${client.host}\r\nx-forwarded-proto: ${client.secure ? 'https' : 'http'}\r\n`
  head += `traceparent: ${trace.parent}\r\n`
  if (client.prefix !== '') head += `x-forwarded-prefix: ${client.prefix}\r\n`
  if (body === 'chunked') head += 'transfer-encoding: chunked\r\n'
  else if (!hasLength && METHOD_WITH_BODY.test(method)) head += 'content-length: 0\r\n'
  if (expectsContinue && body !== 'none') head += 'expect: 100-continue\r\n'
  return `${head}${upgrades ? 'connection: upgrade\r\nupgrade: websocket' : 'connection: keep-alive'}\r\n\r\n`
}

/** What the client is told: which revision answers; cookies stay with this host, whatever domain the function wished for. */
export function answeredHeaders(headers: readonly string[], revision: string): string[] {
  const named = connectionNamed(headers)
  const answered: string[] = [REVISION_HEADER, revision]
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const value = headers[at + 1] ?? ''
    if (NOT_ANSWERED.has(name) || name.startsWith(OWN_PREFIX) || named?.has(name)) continue
    answered.push(name, name === 'set-cookie' ? value.replace(COOKIE_DOMAIN, '') : value)
  }
  return answered
}

function connectionNamed(rawHeaders: readonly string[]): ReadonlySet<string> | undefined {
  let named: Set<string> | undefined
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length !== CONNECTION.length || name.toLowerCase() !== CONNECTION) continue
    const value = rawHeaders[at + 1] ?? ''
    if (NAMES_NONE.test(value)) continue
    named ??= new Set()
    for (const token of tokensOf(value)) named.add(token)
  }
  // Both are needed to find the function and its body's end, whatever a client calls them.
  named?.delete('host')
  named?.delete('content-length')
  return named
}

function tokensOf(value: string): Set<string> {
  return new Set(
    value
      .toLowerCase()
      .split(',')
      .map((token) => token.trim())
  )
}

function refused(message: string): CreoError {
  return new CreoError('invalid_input', message, {hint: PLAIN_HINT})
}
