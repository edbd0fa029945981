import {CreoError} from '../core/errors.ts'
import {TUNNEL_UPGRADE} from '../core/protocol/tunnel.ts'
import type {TunnelServer} from '../tunnel/accept.ts'
import {answerError} from './answer-error.ts'
import type {ClientCall} from './http/client-call.ts'
import {createHttpServer, type HttpServer} from './http/http-server.ts'
import type {RestingCounts} from './resting-seen.ts'

const TLS_VERSION_MIN = 'TLSv1.3'
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
  readonly miners: readonly {
    readonly node: string
    readonly instances: number
    readonly dataConnections: number
    /** Containers that wait there, by tier. */
    readonly resting: RestingCounts
  }[]
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
export function createAdminServer(options: AdminServerOptions): HttpServer {
  const {tls, tunnel} = options
  return createHttpServer({
    tls: tls === undefined ? undefined : {...tls, minVersion: TLS_VERSION_MIN},
    otherProtocol: TUNNEL_UPGRADE,
    connectionsMax: CONNECTIONS_MAX,
    connectionsPerClientMax: () => CONNECTIONS_MAX,
    onCall: (call) => {
      if (call.upgrades) {
        const {socket, head} = call.detach()
        tunnel.handleUpgrade({url: call.head.target, headers: headersOf(call)}, socket, head)
      } else answer(options, call)
    },
    onRefused: () => undefined
  })
}

/** The last of each name; a hello that was sent twice is believed no more than one. */
function headersOf({head: {headers}}: ClientCall): Record<string, string> {
  const byName: Record<string, string> = {}
  for (let at = 0; at < headers.length; at += 2) byName[headers[at] ?? ''] = headers[at + 1] ?? ''
  return byName
}

function answer({status, standing, metrics}: AdminServerOptions, call: ClientCall): void {
  const {method, target} = call.head
  if (method !== 'GET' && method !== 'HEAD') {
    answerError(call, new CreoError('invalid_input', 'Only GET is answered here.', {hint: ADDRESSES_HINT}))
  } else if (target === '/.creo/healthz') answerJson(call, 200, {ok: true})
  else if (target === '/.creo/readyz') {
    const {admitted, tableVersion} = standing()
    answerJson(call, admitted ? 200 : 503, {ready: admitted, reason: admitted ? null : notReady(tableVersion)})
  } else if (target === '/.creo/status') answerJson(call, 200, status())
  else if (target === '/.creo/metrics') answerText(call, {status: 200, type: 'text/plain; version=0.0.4', text: metrics()})
  else answerError(call, new CreoError('not_found', 'Only the tunnel, health, metrics and status are here.', {hint: ADDRESSES_HINT}))
}

function notReady(tableVersion: number): string {
  return tableVersion < 0 ? 'no routes table from the coordinator yet' : 'the operator of the network has not admitted this gateway'
}

function answerJson(call: ClientCall, status: number, body: object): void {
  answerText(call, {status, type: 'application/json', text: JSON.stringify(body)})
}

function answerText(call: ClientCall, {status, type, text}: {readonly status: number; readonly type: string; readonly text: string}): void {
  const body = Buffer.from(text)
  call.begin(status, ['content-type', type, 'content-length', String(body.length)])
  call.end(body)
}
