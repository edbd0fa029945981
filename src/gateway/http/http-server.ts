import {createServer, type Server, type Socket} from 'node:net'
import type {Duplex} from 'node:stream'
import {createServer as createTlsServer, type SecureVersion, type TLSSocket} from 'node:tls'
import type {CreoError} from '../../core/errors.ts'
import type {Client, ClientCall} from './client-call.ts'
import {ClientConnection, type ConnectionOwner} from './client-connection.ts'

/** How often it is looked whose time is over: one timer for all connections. */
const SWEEP_MS = 1000
const TLS_HANDSHAKE_MAX_MS = 20_000

export interface HttpServerOptions {
  readonly tls: {readonly cert: string; readonly key: string; readonly minVersion: SecureVersion} | undefined
  readonly connectionsMax: number
  /** What it speaks besides HTTP, by an upgrade; in lower case. */
  readonly otherProtocol: string
  /** Of one address; asked for each connection. */
  connectionsPerClientMax(): number
  /** Set `owner` of the call, and answer it. */
  onCall(call: ClientCall): void
  /** What came was no request; the client was told so with this status, and loses its connection. */
  onRefused(client: Client, error: CreoError, status: number): void
}

/** A server of HTTP/1.1 over TCP or TLS. */
export interface HttpServer extends Server {
  /** Serves requests that come on another stream than its own connections; it may have been paused. */
  serve(socket: Duplex, client: Client): void
  /** Ends connections without a request now, and the others after their answer. */
  closeIdleConnections(): void
}

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const {tls} = options
  const connections = new Connections(options)
  const plain = {allowHalfOpen: true, noDelay: true}
  const server =
    tls === undefined
      ? createServer(plain, (socket) => connections.add(socket, clientAt(socket, false)))
      : createTlsServer({...plain, ...tls, ALPNProtocols: ['http/1.1'], handshakeTimeout: TLS_HANDSHAKE_MAX_MS}, (socket) =>
          connections.add(socket, clientAt(socket, true))
        ).on('tlsClientError', (_error: Error, socket: TLSSocket) => socket.destroy())
  server.maxConnections = options.connectionsMax
  limitClients(server, options)
  server.on('listening', () => connections.watch()).on('close', () => connections.unwatch())
  return Object.assign(server, {
    serve: (socket: Duplex, client: Client) => {
      connections.add(socket, client)
      socket.resume()
    },
    closeIdleConnections: () => connections.finish()
  })
}

function clientAt(socket: Socket, secure: boolean): Client {
  return {address: socket.remoteAddress ?? '', secure}
}

/** All connections of a server, and the one clock that they go by. */
class Connections implements ConnectionOwner {
  nowMs = performance.now()
  readonly otherProtocol: string
  readonly #options: HttpServerOptions
  readonly #open = new Set<ClientConnection>()
  #sweeper: NodeJS.Timeout | undefined
  #isFinishing = false

  constructor(options: HttpServerOptions) {
    this.#options = options
    this.otherProtocol = options.otherProtocol
  }

  add(socket: Duplex, client: Client): void {
    const connection = new ClientConnection(socket, client, this)
    this.#open.add(connection)
    if (this.#isFinishing) connection.finish()
  }

  watch(): void {
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS)
  }

  unwatch(): void {
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }

  finish(): void {
    this.#isFinishing = true
    for (const connection of this.#open) connection.finish()
  }

  onCall(call: ClientCall): void {
    this.#options.onCall(call)
  }

  onRefused(client: Client, error: CreoError, status: number): void {
    this.#options.onRefused(client, error, status)
  }

  onClosed(connection: ClientConnection): void {
    this.#open.delete(connection)
  }

  #sweep(): void {
    this.nowMs = performance.now()
    for (const connection of this.#open) if (connection.deadlineMs <= this.nowMs) connection.expire()
  }
}

function limitClients(server: Server, {connectionsPerClientMax}: HttpServerOptions): void {
  const open = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    const count = (open.get(address) ?? 0) + 1
    open.set(address, count)
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1
      if (left === 0) open.delete(address)
      else open.set(address, left)
    })
    if (count > connectionsPerClientMax()) socket.destroy()
  })
}
