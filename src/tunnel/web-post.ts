import {request as requestPlain} from 'node:http'
import {request as requestTls} from 'node:https'
import {connect as connectTcp, isIP, type Socket} from 'node:net'
import {connect as connectTls} from 'node:tls'
import {classifyAddress, MAIL_PORTS} from '../core/egress.ts'
import {CreoError} from '../core/errors.ts'
import {publicAddressOf, type ResolveOptions} from './public-address.ts'

const HTTPS_PORT = 443
const HTTP_PORT = 80

export interface WebOptions extends ResolveOptions {
  readonly connect?: (address: string, port: number) => Socket
  /** Certificates that are trusted instead of the usual ones, PEM. */
  readonly ca?: string
}

export interface WebPost {
  readonly url: URL
  /** `host` is added. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

export interface WebAnswer {
  readonly status: number
  readonly retryAfterMs: number | undefined
}

/**
 * What can be said of an address outside before its name is resolved: the same as of a function's ways out (core/egress.ts).
 * @param what a word for what is sent, for the error
 * @throws {CreoError} `forbidden`
 */
export function checkWebAddress(url: URL, what: string): void {
  const {host, port} = endOf(url)
  if (url.protocol !== 'https:') throw refusedAddress(what, `${url.protocol}// is not https`)
  if (MAIL_PORTS.has(port)) throw refusedAddress(what, `port ${port} is for mail`)
  if (isIP(host) !== 0 && classifyAddress(host) !== 'public') throw refusedAddress(what, `${host} is not a public address`)
}

/**
 * Posts to an https address outside, once. Only public addresses are reached, the one that was looked at, and no redirection is followed. Nobody reads
 * what the answer says beyond its status.
 * @throws {CreoError} `forbidden`, `not_found` without an address, `timeout` when the signal fires while a name is resolved; or what the socket says.
 */
export async function postOutside(post: WebPost, options: WebOptions, signal: AbortSignal): Promise<WebAnswer> {
  const {host, port} = endOf(post.url)
  const address = await inTime(publicAddressOf(host, options), signal)
  const {connect = (to: string, at: number) => connectTcp({host: to, port: at})} = options
  return await send(post, connect(address, port), options, signal)
}

/** The same to any http address, also of this machine: for networks that are tried out. */
export async function postAnywhere(post: WebPost, options: Pick<WebOptions, 'ca'>, signal: AbortSignal): Promise<WebAnswer> {
  const {host, port} = endOf(post.url)
  return await send(post, connectTcp({host, port}), options, signal)
}

function send({url, headers, body}: WebPost, socket: Socket, {ca}: Pick<WebOptions, 'ca'>, signal: AbortSignal): Promise<WebAnswer> {
  const {promise, resolve, reject} = Promise.withResolvers<WebAnswer>()
  const {host, port} = endOf(url)
  const all = {...headers, host: url.host, 'content-length': String(body.length)}
  const isTls = url.protocol === 'https:'
  const secured = () => connectTls({socket, ...(isIP(host) === 0 && {servername: host}), host, ...(ca !== undefined && {ca})})
  const createConnection = (): Socket => (isTls ? secured() : socket)
  const request = isTls ? requestTls : requestPlain
  const outgoing = request({createConnection, method: 'POST', host, port, path: url.pathname + url.search, headers: all, signal})
  outgoing.on('response', (answer) => {
    resolve({status: answer.statusCode ?? 0, retryAfterMs: retryAfter(answer.headers['retry-after'])})
    outgoing.destroy()
  })
  outgoing.on('error', reject).on('close', () => {
    socket.destroy()
    // Also where no answer and no error came, as after a 101 that nobody asked for: who waits would wait for ever.
    reject(new CreoError('bad_gateway', 'It ended the connection without an answer.'))
  })
  socket.on('error', (error) => outgoing.destroy(error))
  outgoing.end(body)
  return promise
}

/** Seconds, as most say it; a date is taken for none. */
export function retryAfter(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,6}$/.test(value) ? Number(value) * 1000 : undefined
}

function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const late = Promise.withResolvers<never>()
  const stop = (): void => late.reject(new CreoError('timeout', 'It took too long.', {cause: signal.reason}))
  signal.addEventListener('abort', stop, {once: true})
  if (signal.aborted) stop()
  return Promise.race([work, late.promise]).finally(() => signal.removeEventListener('abort', stop))
}

function endOf({hostname, port, protocol}: URL): {readonly host: string; readonly port: number} {
  const usual = protocol === 'https:' ? HTTPS_PORT : HTTP_PORT
  return {host: hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, ''), port: port === '' ? usual : Number(port)}
}

function refusedAddress(what: string, why: string): CreoError {
  return new CreoError('forbidden', `A ${what} can't go there: ${why}.`, {hint: 'Give an https address in the public internet.'})
}
