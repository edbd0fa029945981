import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http'
import {createServer as createTlsServer} from 'node:https'
import {CreoError, isCreoError} from '../core/errors.ts'
import type {TunnelServer} from '../tunnel/accept.ts'
import {answerError} from './answer-error.ts'
import {believedHead, isDisbelieved, refuseUnbelieved} from './believed-head.ts'

const HEADERS_BYTES_MAX = 8 * 1024
const HEADERS_TIMEOUT_MS = 20_000
const CONNECTIONS_MAX = 50_000
const ADDRESSES_HINT = 'Ask with GET for /.creo/healthz, /.creo/readyz, /.creo/status or /.creo/metrics.'

/** What the gateway says of itself, as the names of its fields are promised in docs/JSON.md. */
export interface GatewayStatus {
  readonly id: string
  readonly admitted: boolean
  /** Ledger sequence of the table in use; -1 for none. */
  readonly tableVersion: number
  readonly requests: number
  readonly unsignedReceipts: number
  readonly revisions: readonly {
    readonly revision: string
    readonly org: string
    readonly app: string
    readonly function: string
    /** Answered by functions, since this gateway's first start. */
    readonly requests: number
    readonly instances: number
    readonly starting: number
    readonly inFlight: number
    readonly waiting: number
  }[]
  readonly miners: readonly {readonly node: string; readonly instances: number; readonly dataConnections: number}[]
}

export interface AdminServerOptions {
  readonly tunnel: TunnelServer
  /** Certificate and private key; left out on loopback, where nobody listens in. */
  readonly tls?: {readonly cert: string; readonly key: string}
  status(): GatewayStatus
  /** The part of the status that a probe asks for every few seconds. */
  standing(): Pick<GatewayStatus, 'admitted' | 'tableVersion'>
  /** Prometheus text. */
  metrics(): string
}

/** The listener that miners dial; it also tells the operator, and whoever else can reach it, how the gateway does. */
export function createAdminServer(options: AdminServerOptions): Server {
  const limits = {
    maxHeaderSize: HEADERS_BYTES_MAX,
    requireHostHeader: false,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: HEADERS_TIMEOUT_MS,
    noDelay: true
  }
  const {tls} = options
  const server = tls === undefined ? createServer(limits) : createTlsServer({...limits, ...tls, minVersion: 'TLSv1.3', allowHalfOpen: true})
  server.maxConnections = CONNECTIONS_MAX
  server.on('request', (request, response) => answerBelieved(options, request, response))
  refuseUnbelieved(server)
  server.on('upgrade', options.tunnel.handleUpgrade)
  return server
}

function answerBelieved(options: AdminServerOptions, request: IncomingMessage, response: ServerResponse): void {
  if (isDisbelieved(request.socket)) return
  try {
    believedHead({request, response})
  } catch (error) {
    if (!isCreoError(error)) throw error
    answerError(response, error)
    return
  }
  answer(options, request, response)
}

function answer({status, standing, metrics}: AdminServerOptions, request: IncomingMessage, response: ServerResponse): void {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    answerError(response, new CreoError('invalid_input', 'Only GET is answered here.', {hint: ADDRESSES_HINT}))
  } else if (request.url === '/.creo/healthz') answerJson(response, 200, {ok: true})
  else if (request.url === '/.creo/readyz') {
    const {admitted, tableVersion} = standing()
    answerJson(response, admitted ? 200 : 503, {ready: admitted, reason: admitted ? null : notReady(tableVersion)})
  } else if (request.url === '/.creo/status') answerJson(response, 200, status())
  else if (request.url === '/.creo/metrics') {
    response.writeHead(200, {'content-type': 'text/plain; version=0.0.4'}).end(metrics())
  } else answerError(response, new CreoError('not_found', 'Only the tunnel, health, metrics and status are here.', {hint: ADDRESSES_HINT}))
}

function notReady(tableVersion: number): string {
  return tableVersion < 0 ? 'no routes table from the coordinator yet' : 'the operator of the network has not admitted this gateway'
}

function answerJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, {'content-type': 'application/json'}).end(JSON.stringify(body))
}
