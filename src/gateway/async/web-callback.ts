import {request} from 'node:https'
import {connect as connectTcp, isIP, type Socket} from 'node:net'
import {connect as connectTls} from 'node:tls'
import {classifyAddress, MAIL_PORTS} from '../../core/egress.ts'
import {CreoError, isCreoError} from '../../core/errors.ts'
import {ATTEMPT_HEADER, CALL_ID_HEADER} from '../../core/protocol/async.ts'
import {publicAddressOf, type ResolveOptions} from '../../tunnel/public-address.ts'
import {type Delivered, refusedBy, retryAfter} from './call-delivery.ts'
import type {TakenCall} from './stored-call.ts'

/** From the name to the end of the answer's headers. */
const CALLBACK_MAX_MS = 30_000
const HTTPS_PORT = 443

export interface WebOptions extends ResolveOptions {
  readonly connect?: (address: string, port: number) => Socket
  /** Certificates that are trusted instead of the usual ones, PEM. */
  readonly ca?: string
}

/**
 * What can be said of an address outside before its name is resolved: the same as of a function's ways out (core/egress.ts).
 * @throws {CreoError} `forbidden`
 */
export function checkWebAddress(text: string): void {
  const {host, port} = endOf(new URL(text))
  if (MAIL_PORTS.has(port)) throw refusedAddress(`port ${port} is for mail`)
  if (isIP(host) !== 0 && classifyAddress(host) !== 'public') throw refusedAddress(`${host} is not a public address`)
}

/** Posts a result to an https address outside, once. Only public addresses are reached, and no redirection is followed. Never rejects. */
export async function postOutside(
  {request: asked, body, id, attempts}: TakenCall,
  options: WebOptions,
  signal: AbortSignal
): Promise<Delivered> {
  const ending = AbortSignal.any([signal, AbortSignal.timeout(CALLBACK_MAX_MS)])
  try {
    checkWebAddress(asked.target)
    const url = new URL(asked.target)
    const address = await inTime(publicAddressOf(endOf(url).host, options), ending)
    const own = {host: url.host, 'content-length': String(body.length), [CALL_ID_HEADER]: id, [ATTEMPT_HEADER]: String(attempts)}
    const headers = {...pairs(asked.headers), ...own}
    const {status, retryAfterMs} = await post({url, address, headers, body}, options, ending)
    const error = {code: 'failed', message: `The callback's address answered ${status}.`}
    if (status >= 300 && status < 400) return {attempted: {kind: 'refused', code: 'invalid_input'}, error}
    const answer = {result: {status, headers: {}, truncated: false}, body: Buffer.alloc(0)}
    return {
      attempted: {kind: 'answered', status, ...(retryAfterMs !== undefined && {retryAfterMs})},
      answer,
      ...(status >= 400 && {error})
    }
  } catch (error) {
    if (isCreoError(error)) return refusedBy(error.code, error.message)
    return refusedBy('unavailable', `The callback's address does not answer: ${error instanceof Error ? error.message : String(error)}`)
  }
}

interface Post {
  readonly url: URL
  readonly address: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

function post({url, address, headers, body}: Post, options: WebOptions, signal: AbortSignal) {
  const {host, port} = endOf(url)
  const {connect = (to: string, at: number) => connectTcp({host: to, port: at}), ca} = options
  const {promise, resolve, reject} = Promise.withResolvers<{readonly status: number; readonly retryAfterMs: number | undefined}>()
  const socket = connect(address, port)
  const outgoing = request({
    createConnection: () => connectTls({socket, ...(isIP(host) === 0 && {servername: host}), host, ...(ca !== undefined && {ca})}),
    method: 'POST',
    host,
    port,
    path: url.pathname + url.search,
    headers,
    signal
  })
  outgoing.on('response', (answer) => {
    resolve({status: answer.statusCode ?? 0, retryAfterMs: retryAfter(answer.headers['retry-after'])})
    // Nobody reads what it says.
    outgoing.destroy()
  })
  outgoing.on('error', reject).on('close', () => socket.destroy())
  socket.on('error', (error) => outgoing.destroy(error))
  outgoing.end(body)
  return promise
}

function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const late = Promise.withResolvers<never>()
  const stop = (): void => late.reject(new CreoError('timeout', 'The callback took too long.', {cause: signal.reason}))
  signal.addEventListener('abort', stop, {once: true})
  return Promise.race([work, late.promise]).finally(() => signal.removeEventListener('abort', stop))
}

function endOf({hostname, port}: URL): {readonly host: string; readonly port: number} {
  return {host: hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, ''), port: port === '' ? HTTPS_PORT : Number(port)}
}

function pairs(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (let at = 0; at < lines.length; at += 2) headers[lines[at] ?? ''] = lines[at + 1] ?? ''
  return headers
}

function refusedAddress(why: string): CreoError {
  return new CreoError('forbidden', `A callback can't go there: ${why}.`, {
    hint: 'Give an https address in the public internet, or a path of the same app.'
  })
}
