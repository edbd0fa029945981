import {ATTEMPT_HEADER, CALL_ID_HEADER, CALLBACK_HEADER, SCHEDULED_HEADER} from '../core/protocol/async.ts'
import type {Delivery} from './http/client-call.ts'
import {type Headers, tokensOf} from './http/header-lines.ts'
import type {RequestHead} from './http/request-head.ts'

/** How many calls a request is away from the one from outside that it follows from; only a call has it. */
export const HOPS_HEADER = 'creo-hops'
/** Headers that speak of one connection and never pass a proxy (RFC 9110, 7.6.1), with those that this gateway sets itself. */
const NOT_FORWARDED = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'transfer-encoding',
  'upgrade',
  'expect',
  'http2-settings',
  'traceparent',
  HOPS_HEADER,
  CALL_ID_HEADER,
  ATTEMPT_HEADER,
  SCHEDULED_HEADER
])
/** What of a call's headers is not kept for its attempts: it is told anew, or speaks of the request that posted it. */
const NOT_STORED = new Set([...NOT_FORWARDED, 'host', 'content-length', 'trailer', CALLBACK_HEADER])
NOT_STORED.delete('traceparent')
/** What tells of the client. A function that calls another one may pass on what it was told; nobody else is believed. */
const OF_THE_CLIENT = new Set(['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-prefix'])
const NOT_ANSWERED = new Set(['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'te', 'transfer-encoding', 'upgrade'])
/** Headers with which the gateway itself speaks: a function's own would be taken for its. */
const OWN_PREFIX = 'creo-'
export const REVISION_HEADER = 'creo-revision'
const CONNECTION = 'connection'
const COOKIE_DOMAIN = /;\s*domain=[^;]*/gi
const METHOD_WITH_BODY = /^(POST|PUT|PATCH)$/
/** The only values of Connection that most requests and answers have: they name no header. */
const NAMES_NONE = /^(keep-alive|close|upgrade)$/i

export interface ForwardedHead {
  readonly head: RequestHead
  /** Path and query as the function sees them. */
  readonly target: string
  readonly upgrades: boolean
  readonly trace: {readonly parent: string; readonly isNew: boolean}
  /** A client, or a function so many calls away from one. */
  readonly from: Outside | {readonly depth: number}
}

interface Outside {
  readonly address: string
  readonly secure: boolean
  readonly prefix: string
  readonly delivery?: Delivery | undefined
}

/** Request line and headers for the function, without what belongs to the client's connection: the same for every instance that is tried. */
export function forwardedHead({head: asked, target, upgrades, trace, from}: ForwardedHead): string {
  const {method, headers, body, host} = asked
  const named = connectionNamed(headers)
  let head = `${method} ${target} HTTP/1.1\r\n`
  let hasLength = false
  const isCall = 'depth' in from
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    if (NOT_FORWARDED.has(name) || named?.has(name) || (!isCall && OF_THE_CLIENT.has(name))) continue
    // A state without its trace means nothing.
    if (name === 'tracestate' && trace.isNew) continue
    if (name === 'content-length') hasLength = true
    head += `${name}: ${headers[at + 1]}\r\n`
  }
  head += isCall ? `${HOPS_HEADER}: ${from.depth}\r\n` : clientLines(from, host)
  head += `traceparent: ${trace.parent}\r\n`
  if (body === 'chunked') head += 'transfer-encoding: chunked\r\n'
  else if (!hasLength && METHOD_WITH_BODY.test(method)) head += 'content-length: 0\r\n'
  if (asked.expectsContinue && body !== 'none') head += 'expect: 100-continue\r\n'
  return `${head}${upgrades ? 'connection: upgrade\r\nupgrade: websocket' : 'connection: keep-alive'}\r\n\r\n`
}

function clientLines({address, secure, prefix, delivery}: Outside, host: string): string {
  let lines = `x-forwarded-host: ${host}\r\nx-forwarded-proto: ${secure ? 'https' : 'http'}\r\n`
  if (address !== '') lines = `x-forwarded-for: ${address}\r\n${lines}`
  if (prefix !== '') lines += `x-forwarded-prefix: ${prefix}\r\n`
  return delivery === undefined ? lines : lines + deliveryLines(delivery)
}

function deliveryLines({id, attempt, scheduledAtMs}: Delivery): string {
  const lines = `${CALL_ID_HEADER}: ${id}\r\n${ATTEMPT_HEADER}: ${attempt}\r\n`
  return scheduledAtMs === undefined ? lines : `${lines}${SCHEDULED_HEADER}: ${new Date(scheduledAtMs).toISOString()}\r\n`
}

/** The headers of a call that are kept until its attempts, without what belongs to the connection that it came on. */
export function storableHeaders(headers: Headers): string[] {
  const named = connectionNamed(headers)
  const stored: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    if (!NOT_STORED.has(name) && !named?.has(name)) stored.push(name, headers[at + 1] ?? '')
  }
  return stored
}

/** What the client is told: which revision answers; cookies stay with this host, whatever domain the function wished for. */
export function answeredHeaders(headers: Headers, revision: string): string[] {
  const answered: string[] = [REVISION_HEADER, revision]
  passOn(headers, answered)
  return answered
}

/** What of an answer before the answer goes on: it has no body, and so no length. */
export function interimHeaders(headers: Headers): string[] {
  const answered: string[] = []
  passOn(headers, answered, 'content-length')
  return answered
}

function passOn(headers: Headers, answered: string[], without?: string): void {
  const named = connectionNamed(headers)
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const value = headers[at + 1] ?? ''
    if (NOT_ANSWERED.has(name) || name.startsWith(OWN_PREFIX) || name === without || named?.has(name)) continue
    answered.push(name, name === 'set-cookie' ? value.replace(COOKIE_DOMAIN, '') : value)
  }
}

function connectionNamed(headers: Headers): ReadonlySet<string> | undefined {
  let named: Set<string> | undefined
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at] !== CONNECTION) continue
    const value = headers[at + 1] ?? ''
    if (NAMES_NONE.test(value)) continue
    named ??= new Set()
    for (const token of tokensOf(value)) named.add(token)
  }
  // Both are needed to find the function and its body's end, whatever a client calls them.
  named?.delete('host')
  named?.delete('content-length')
  return named
}
