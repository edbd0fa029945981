import {createServer, type IncomingMessage, type Server, ServerResponse} from 'node:http'
import {createServer as createTlsServer} from 'node:https'
import type {Socket} from 'node:net'
import type {Duplex} from 'node:stream'
import {pipeSockets} from '../tunnel/pipe-sockets.ts'
import {refuseUnbelieved} from './believed-head.ts'
import type {ExchangeRequest} from './exchange.ts'
import {type ServeOptions, serveRequest} from './serve-request.ts'

const HEADERS_BYTES_MAX = 16 * 1024
const HEADERS_COUNT_MAX = 100
/** A client gets this long to send its headers. */
const HEADERS_TIMEOUT_MS = 30_000
/** How often it is looked whose time is over. */
const HEADERS_CHECK_MS = 5000
const KEEP_ALIVE_MS = 65_000
const REQUESTS_PER_CONNECTION_MAX = 100_000
/** Requests that a client may send on one connection before it has the first one's answer. 64 KiB hold a thousand, and each costs its share of memory. */
const UNANSWERED_MAX = 16
const TLS_HANDSHAKE_MAX_MS = 20_000

/** The public HTTP side: parses strictly, and gives each request to `serveRequest`. */
export function createPublicServer(options: ServeOptions): Server {
  const {tls, limits} = options.settings()
  const limited = {
    maxHeaderSize: HEADERS_BYTES_MAX,
    insecureHTTPParser: false,
    requireHostHeader: false,
    headersTimeout: HEADERS_TIMEOUT_MS,
    connectionsCheckingInterval: HEADERS_CHECK_MS,
    // A body may take as long as the revision's own timeout.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    noDelay: true,
    // Any other upgrade that a client offers is left unanswered, as HTTP allows.
    shouldUpgradeCallback: isWebSocket
  }
  const secure = {...tls, minVersion: 'TLSv1.2', handshakeTimeout: TLS_HANDSHAKE_MAX_MS} as const
  const server = tls === undefined ? createServer(limited) : createTlsServer({...limited, ...secure})
  server.maxHeadersCount = HEADERS_COUNT_MAX
  server.maxConnections = limits.connections
  server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION_MAX
  const unanswered = new WeakMap<Duplex, number>()
  server.on('request', (request, response) => {
    const {socket} = request
    const count = (unanswered.get(socket) ?? 0) + 1
    if (count > UNANSWERED_MAX) {
      socket.destroy()
      return
    }
    unanswered.set(socket, count)
    response.once('close', () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1))
    void serveRequest(options, {request, response, expectsContinue: false})
  })
  server.on('checkContinue', (request, response) => void serveRequest(options, {request, response, expectsContinue: true}))
  server.on('upgrade', (request, socket, head) => serveUpgrade(options, request, socket, head))
  refuseUnbelieved(server)
  limitClients(server, options)
  return server
}

function isWebSocket(request: IncomingMessage): boolean {
  return request.method === 'GET' && request.headers.upgrade?.toLowerCase() === 'websocket'
}

function serveUpgrade(options: ServeOptions, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  socket.on('error', () => socket.destroy())
  response.assignSocket(socket as Socket)
  // A client that never closes its own side must not keep its place.
  response.once('finish', () => (socket as Socket).destroySoon())
  const onUpgrade: ExchangeRequest['onUpgrade'] = async (headers, functionSocket) => {
    response.detachSocket(socket as Socket)
    socket.write(switchingHead(headers))
    const pipe = pipeSockets(socket, functionSocket, {head})
    await pipe.closed
    return {bytesIn: pipe.bytesAToB, bytesOut: pipe.bytesBToA}
  }
  void serveRequest(options, {request, response, expectsContinue: false, onUpgrade})
}

function switchingHead(answered: readonly string[]): string {
  const lines = ['HTTP/1.1 101 Switching Protocols', 'connection: Upgrade', 'upgrade: websocket']
  for (let at = 0; at < answered.length; at += 2) lines.push(`${answered[at]}: ${answered[at + 1]}`)
  return `${lines.join('\r\n')}\r\n\r\n`
}

function limitClients(server: Server, {settings}: ServeOptions): void {
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
    if (count > settings().limits.connectionsPerClient) socket.destroy()
  })
}
