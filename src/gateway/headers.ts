import {CreoError} from '../core/errors.ts'

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
  'x-forwarded-prefix'
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
const COOKIE_DOMAIN = /;\s*domain=[^;]*/gi
const METHOD_REFUSED = /^(TRACE|CONNECT)$/

/** The parts of a request that are looked at before it is believed. */
export interface ReceivedHead {
  readonly method: string
  readonly target: string
  readonly httpVersion: string
  /** Name, value, name, value, … as received. */
  readonly rawHeaders: readonly string[]
}

/**
 * The one Host of a request that means the same to everybody on the way.
 * @throws {CreoError} `invalid_input` for anything that two parsers could read in two ways.
 */
export function checkHead({method, target, httpVersion, rawHeaders}: ReceivedHead): string {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') throw refused(`HTTP/${httpVersion} is not spoken here.`)
  if (METHOD_REFUSED.test(method)) throw refused(`${method} is not taken.`)
  if (!target.startsWith('/')) throw refused('The request target must be a path.')
  let host: string | undefined
  let lengths = 0
  let encodings = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host') {
      if (host !== undefined) throw refused('There is more than one Host header.')
      host = rawHeaders[at + 1]
    } else if (name.length === 14 && name.toLowerCase() === 'content-length') lengths += 1
    else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') encodings += 1
  }
  if (host === undefined || host === '') throw refused('There is no Host header.')
  if (lengths > 1 || encodings > 1 || lengths + encodings > 1) throw refused('The length of the body is given twice.')
  return host
}

/** What the function is told, without what belongs to the client's connection. */
export function forwardedHeaders(
  rawHeaders: readonly string[],
  client: {readonly address: string; readonly host: string; readonly secure: boolean; readonly prefix: string}
): string[] {
  const named = connectionNamed(rawHeaders)
  const headers: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase()
    if (NOT_FORWARDED.has(name) || named?.has(name)) continue
    headers.push(name, rawHeaders[at + 1] ?? '')
  }
  headers.push('x-forwarded-for', client.address, 'x-forwarded-host', client.host, 'x-forwarded-proto', client.secure ? 'https' : 'http')
  if (client.prefix !== '') headers.push('x-forwarded-prefix', client.prefix)
  return headers
}

/** What the client is told: which revision answers; cookies stay with this host, whatever domain the function wished for. */
export function answeredHeaders(headers: Readonly<Record<string, string | readonly string[] | undefined>>, revision: string): string[] {
  const connection = headers.connection
  const named = typeof connection === 'string' && connection !== 'keep-alive' && connection !== 'close' ? tokensOf(connection) : undefined
  const answered: string[] = [REVISION_HEADER, revision]
  for (const name in headers) {
    const value = headers[name]
    if (value === undefined || NOT_ANSWERED.has(name) || name.startsWith(OWN_PREFIX) || named?.has(name)) continue
    if (typeof value === 'string') answered.push(name, name === 'set-cookie' ? value.replace(COOKIE_DOMAIN, '') : value)
    else for (const one of value) answered.push(name, name === 'set-cookie' ? one.replace(COOKIE_DOMAIN, '') : one)
  }
  return answered
}

function connectionNamed(rawHeaders: readonly string[]): ReadonlySet<string> | undefined {
  let named: Set<string> | undefined
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() !== 'connection') continue
    named ??= new Set()
    for (const token of tokensOf(rawHeaders[at + 1] ?? '')) named.add(token)
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
  return new CreoError('invalid_input', message, {hint: 'Send one plain HTTP/1.1 request.'})
}
