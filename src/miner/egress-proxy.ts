import {chmod, mkdir, rm} from 'node:fs/promises'
import {
  type ClientRequest,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse
} from 'node:http'
import {connect as connectTcp, type Socket} from 'node:net'
import {dirname} from 'node:path'
import type {Duplex} from 'node:stream'
import {pipeline} from 'node:stream/promises'
import {connect as connectTls} from 'node:tls'
import {decideEgress} from '../core/egress.ts'
import {CreoError, ERROR_CODES, type ErrorCode, isCreoError} from '../core/errors.ts'
import {pipeSockets} from '../tunnel/pipe-sockets.ts'
import {publicAddressOf} from '../tunnel/public-address.ts'

const CONNECTIONS_MAX = 64
const IDLE_TIMEOUT_MS = 120_000
const CONNECT_TIMEOUT_MS = 10_000
const HEADERS_TIMEOUT_MS = 10_000
const RESOLVE_TIMEOUT_MS = 10_000
/** Headers that speak of one hop and are not passed on. */
const HOP_HEADERS = ['connection', 'proxy-connection', 'proxy-authorization', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade']

export interface EgressOptions {
  readonly socketPath: string
  /** Hosts of the manifest. */
  readonly allowedHosts: readonly string[]
  /** Where `coordinator.internal:80` leads. */
  readonly coordinatorUrl: string
  /** Every address of a name, without it as this machine resolves names; asked once for each connection, and only what it answered is connected to. */
  readonly resolve?: (host: string) => Promise<readonly string[]>
  readonly connect?: (address: string, port: number) => Socket
  /** Networks of this machine as ADDRESS/BITS, asked for each connection; without it what the interfaces have. */
  readonly ownNetworks?: () => readonly string[]
}

export interface EgressProxy {
  readonly bytesOut: number
  readonly bytesIn: number
  close(): Promise<void>
}

/**
 * The way out of one instance: an HTTP proxy on a unix socket of its own, for CONNECT and for plain `GET http://host/…`. It resolves
 * names itself and connects to what it checked, so a name cannot point elsewhere between the check and the connection.
 */
export async function openEgressProxy(options: EgressOptions): Promise<EgressProxy> {
  const proxy = new EgressServer(options)
  await proxy.listen()
  return proxy
}

class EgressServer implements EgressProxy {
  readonly #options: EgressOptions
  readonly #server: Server
  readonly #closing = new AbortController()
  readonly #clients = new Set<Socket>()
  readonly #upstreams = new Set<Socket>()
  #closedBytesOut = 0
  #closedBytesIn = 0

  constructor(options: EgressOptions) {
    this.#options = options
    this.#server = createServer({requestTimeout: IDLE_TIMEOUT_MS, headersTimeout: HEADERS_TIMEOUT_MS, maxHeaderSize: 16_384})
    this.#server.maxConnections = CONNECTIONS_MAX
    this.#server.on('connection', (socket: Socket) => {
      this.#clients.add(socket)
      socket.on('error', () => socket.destroy()).once('close', () => this.#clients.delete(socket))
    })
    this.#server.on('connect', (request, socket: Duplex, head: Buffer) => void this.#connect(request, socket, head))
    this.#server.on('request', (request, response) => void this.#forward(request, response))
  }

  get bytesOut(): number {
    return [...this.#upstreams].reduce((sum, socket) => sum + socket.bytesWritten, this.#closedBytesOut)
  }

  get bytesIn(): number {
    return [...this.#upstreams].reduce((sum, socket) => sum + socket.bytesRead, this.#closedBytesIn)
  }

  async listen(): Promise<void> {
    const {socketPath} = this.#options
    await mkdir(dirname(socketPath), {recursive: true, mode: 0o755})
    await rm(socketPath, {force: true})
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(socketPath, resolve)
    })
    await chmod(socketPath, 0o666)
  }

  async close(): Promise<void> {
    this.#closing.abort(new CreoError('unavailable', 'The way out of this function is closed.'))
    for (const socket of [...this.#clients, ...this.#upstreams]) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
    await rm(this.#options.socketPath, {force: true})
  }

  async #connect(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy())
    try {
      const {host, port} = splitAuthority(request.url ?? '')
      const upstream = await this.#open(host, port)
      upstream.setTimeout(IDLE_TIMEOUT_MS, () => upstream.destroy())
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      await pipeSockets(socket, upstream, {head}).closed
    } catch (error) {
      const {status, body} = refusal(error)
      socket.end(
        `HTTP/1.1 ${status} Refused\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
      )
    }
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const url = absoluteUrl(request.url ?? '')
      const upstream = await this.#open(url.hostname, Number(url.port || 80))
      const outgoing = httpRequest({
        createConnection: () => upstream,
        method: request.method ?? 'GET',
        path: url.pathname + url.search,
        headers: passedHeaders(request, url.host),
        timeout: IDLE_TIMEOUT_MS
      })
      outgoing.on('timeout', () => outgoing.destroy(new CreoError('timeout', `${url.host} is silent.`)))
      response.once('close', () => outgoing.destroy())
      const [answer] = await Promise.all([answerTo(outgoing, url.host), pipeline(request, outgoing)])
      const passed = Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !HOP_HEADERS.includes(name)))
      response.writeHead(answer.statusCode ?? 502, passed)
      await pipeline(answer, response)
    } catch (error) {
      if (response.headersSent) return void response.destroy()
      const {status, body} = refusal(error)
      response.writeHead(status, {'content-type': 'application/json', connection: 'close'}).end(body)
    }
  }

  async #open(host: string, port: number): Promise<Socket> {
    const decision = decideEgress({host, port}, this.#options.allowedHosts)
    if (decision.to === 'nowhere') throw new CreoError('forbidden', `This function may not reach ${host}:${port}: ${decision.reason}.`)
    if (decision.to === 'coordinator') return await this.#dial(() => dialUrl(new URL(this.#options.coordinatorUrl)), host)
    const address = await this.#publicAddress(decision.host)
    const connect = this.#options.connect ?? ((to: string, at: number) => connectTcp({host: to, port: at, allowHalfOpen: true}))
    return await this.#dial(() => connect(address, decision.port), host)
  }

  async #publicAddress(host: string): Promise<string> {
    const {resolve, ownNetworks} = this.#options
    const resolving = publicAddressOf(host, {...(resolve && {resolve}), ...(ownNetworks && {ownNetworks})})
    return await this.#inTime(resolving, `The name ${host} is not resolved in time.`)
  }

  async #inTime<T>(work: Promise<T>, late: string): Promise<T> {
    const patience = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(RESOLVE_TIMEOUT_MS)])
    const stopped = Promise.withResolvers<never>()
    const stop = (): void => stopped.reject(new CreoError('timeout', late, {cause: patience.reason}))
    patience.addEventListener('abort', stop, {once: true})
    try {
      return await Promise.race([work, stopped.promise])
    } finally {
      patience.removeEventListener('abort', stop)
    }
  }

  async #dial(open: () => Socket, host: string): Promise<Socket> {
    this.#closing.signal.throwIfAborted()
    const socket = open()
    this.#upstreams.add(socket)
    socket.once('close', () => {
      this.#upstreams.delete(socket)
      this.#closedBytesOut += socket.bytesWritten
      this.#closedBytesIn += socket.bytesRead
    })
    return await connected(socket, host)
  }
}

/** What goes on to the next hop. A body that comes in chunks leaves in chunks, also with methods that seldom have one. */
function passedHeaders(request: IncomingMessage, host: string): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {...request.headers, host, connection: 'close'}
  for (const name of HOP_HEADERS.slice(1)) delete headers[name]
  if (request.headers['transfer-encoding'] !== undefined) headers['transfer-encoding'] = 'chunked'
  return headers
}

/** An answer that changes the protocol is none: nobody asked for it. */
function answerTo(outgoing: ClientRequest, host: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.once('response', resolve).once('error', reject)
    outgoing.once('close', () => reject(new CreoError('bad_gateway', `${host} closed the connection without an answer.`)))
    outgoing.once('upgrade', (_answer, socket) => {
      socket.destroy()
      reject(new CreoError('bad_gateway', `${host} changed the protocol, which nobody asked for.`))
    })
  })
}

function dialUrl(url: URL): Socket {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  if (url.protocol === 'https:') return connectTls({host, port: Number(url.port || 443), servername: host})
  return connectTcp({host, port: Number(url.port || 80), allowHalfOpen: true})
}

async function connected(socket: Socket, host: string): Promise<Socket> {
  const timer = setTimeout(() => socket.destroy(new CreoError('timeout', `${host} does not answer.`)), CONNECT_TIMEOUT_MS)
  try {
    await new Promise<void>((resolve, reject) => {
      const ready = 'encrypted' in socket ? 'secureConnect' : 'connect'
      socket.once(ready, () => resolve()).once('error', reject)
      socket.once('close', () => reject(new CreoError('bad_gateway', `${host} closed the connection.`)))
    })
    return socket
  } catch (cause) {
    if (isCreoError(cause)) throw cause
    throw new CreoError('bad_gateway', `${host} cannot be reached.`, {cause})
  } finally {
    clearTimeout(timer)
  }
}

/** "host:port" or "[v6]:port" as CONNECT has it. */
function splitAuthority(authority: string): {host: string; port: number} {
  const match = /^(\[[0-9A-Fa-f:.%]+\]|[^:[\]]+):(\d{1,5})$/.exec(authority)
  if (match === null) throw new CreoError('invalid_input', 'CONNECT needs host:port.')
  return {host: match[1] ?? '', port: Number(match[2])}
}

function absoluteUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'http:' && url.username === '') return url
  throw new CreoError('invalid_input', 'This proxy takes CONNECT and absolute http:// addresses.')
}

function refusal(error: unknown): {status: number; body: string} {
  const code: ErrorCode = isCreoError(error) ? error.code : 'bad_gateway'
  const message = isCreoError(error) ? error.message : 'The connection could not be made.'
  return {status: ERROR_CODES[code].http, body: JSON.stringify({error: {code, message}})}
}
