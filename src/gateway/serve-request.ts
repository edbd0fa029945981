import type {IncomingMessage, ServerResponse} from 'node:http'
import {CreoError, isCreoError} from '../core/errors.ts'
import {type Destination, type RoutingIndex, routeRequest} from '../core/routing.ts'
import type {Log} from '../telemetry/log.ts'
import {answerError, badGateway} from './answer-error.ts'
import {believedHead, isDisbelieved} from './believed-head.ts'
import type {Verdict} from './ejections.ts'
import {type ExchangeOutcome, type ExchangeRequest, exchange} from './exchange.ts'
import type {Fleet} from './fleet.ts'
import {type CheckedHead, forwardedHead} from './headers.ts'
import type {Instance} from './instance.ts'
import type {Work, WorkOf} from './meter.ts'
import type {RequestLimits} from './request-limits.ts'
import {noInstance, type RevisionPool} from './revision-pool.ts'
import type {GatewaySettings} from './settings.ts'
import {newTraceparent, traceIdOf} from './trace-context.ts'
import type {TrafficMetrics} from './traffic-metrics.ts'

/** Instances that one request is tried on at most, and revisions that it waits for in turn. */
const TRIES_MAX = 3
const WAITS_MAX = 10
const NOT_THE_NODE = new Set(['timeout', 'payload_too_large'])
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

export interface ServeOptions {
  readonly fleet: Fleet
  /** Undefined while this gateway may not serve: it has no table, or is not admitted. */
  routing(): RoutingIndex | undefined
  onWork(of: WorkOf, work: Work): void
  readonly metrics: TrafficMetrics
  readonly limits: RequestLimits
  settings(): GatewaySettings
  readonly monotonicMs: () => number
  readonly random: () => number
  readonly log: Log
}

export interface Arrived {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly expectsContinue: boolean
  readonly onUpgrade?: ExchangeRequest['onUpgrade']
}

/** Takes one request from its address to its answer. Never rejects. */
export async function serveRequest(options: ServeOptions, arrived: Arrived): Promise<void> {
  const startedMs = options.monotonicMs()
  const {request, response} = arrived
  if (isDisbelieved(request.socket)) return
  let functionName = ''
  let traceparent: string | undefined
  let failure: CreoError | undefined
  try {
    const head = believedHead(arrived)
    traceparent = head.traceparent ?? newTraceparent()
    options.limits.takeFromClient(request.socket, startedMs)
    const routing = options.routing()
    if (routing === undefined)
      throw new CreoError('unavailable', 'This gateway is not admitted to the network yet.', {hint: 'Try again in a moment.'})
    const destination = routeRequest(routing, head.host, request.url ?? '', options.random())
    if (destination === undefined) throw new CreoError('not_found', 'Nothing has this address.', {hint: 'Check the name and the path.'})
    functionName = `${destination.org}/${destination.app}/${destination.function}`
    options.limits.takeFromFunction(functionName, startedMs)
    await forward(options, arrived, {destination, head, traceparent})
  } catch (error) {
    failure = isCreoError(error)
      ? error
      : new CreoError('internal', 'The gateway failed.', {
          hint: "Try again; if it stays, the operator finds the cause in the gateway's log.",
          cause: error
        })
    if (failure.code === 'internal') options.log.error({err: error}, 'request failed')
    if (failure.code !== 'interrupted') answerError(response, failure)
    drainRest(request, response)
  }
  drainRest(request, response)
  const ms = options.monotonicMs() - startedMs
  options.metrics.answered(functionName, failure?.code === 'interrupted' ? 499 : response.statusCode, ms)
  const accessLog = options.settings().accessLog
  if (accessLog || options.log.isLevelEnabled('debug')) {
    const facts = factsOf(arrived, {ms, traceparent})
    options.log[accessLog ? 'info' : 'debug'](
      {...facts, function: functionName, ...(failure !== undefined && {code: failure.code})},
      'request'
    )
  }
}

/** Without the query: it may hold what is not for a log. */
function factsOf({request, response}: Arrived, {ms, traceparent}: {readonly ms: number; readonly traceparent: string | undefined}) {
  const {method, headers, url = '', socket} = request
  const query = url.indexOf('?')
  return {
    client: socket.remoteAddress,
    method,
    host: headers.host,
    path: query === -1 ? url : url.slice(0, query),
    status: response.statusCode,
    ms: Math.round(ms),
    trace: traceparent === undefined ? '' : traceIdOf(traceparent)
  }
}

/** A request whose head was believed, and what it is for. */
interface Addressed {
  readonly destination: Destination
  readonly head: CheckedHead
  readonly traceparent: string
}

async function forward(options: ServeOptions, arrived: Arrived, {destination, head: checked, traceparent}: Addressed): Promise<void> {
  const {request, response, expectsContinue, onUpgrade} = arrived
  const {socket, rawHeaders} = request
  const {host, body, bodyBytes} = checked
  const {bodyBytes: bodyBytesMax} = options.settings().limits
  if (bodyBytes > bodyBytesMax)
    throw new CreoError('payload_too_large', `A body has at most ${bodyBytesMax} bytes.`, {hint: 'Send it in several requests.'})
  const upgrades = onUpgrade !== undefined
  if (upgrades && body !== 'none')
    throw new CreoError('invalid_input', 'A WebSocket begins without a body.', {hint: 'Send what there is to send as its messages.'})
  const client = {address: socket.remoteAddress ?? '', host, secure: 'encrypted' in socket, prefix: destination.prefix}
  const {target} = destination
  const trace = {parent: traceparent, isNew: checked.traceparent === undefined}
  const head = forwardedHead({method: request.method ?? '', target, rawHeaders, body, expectsContinue, upgrades, trace, client})
  const routeAgain = (): Destination => {
    const routing = options.routing()
    return (routing && routeRequest(routing, host, request.url ?? '', options.random())) ?? destination
  }
  let lastError: CreoError | undefined
  let tried: Instance | undefined
  for (let left = TRIES_MAX; left > 0; left -= 1) {
    const first = left === TRIES_MAX ? destination : routeAgain()
    const {pool, instance} = await acquire(options.fleet, {destination: first, routeAgain, response, tried})
    const {timeoutMs} = pool.entry.spec
    const outcome = await exchange(instance, {request, response, head, body, bodyBytesMax, timeoutMs, onUpgrade})
    count(options, instance, outcome)
    options.fleet.release(pool, instance, verdictOn(outcome))
    if (outcome.kind !== 'failed') return
    tried = instance
    lastError = outcome.error ?? badGateway('The function failed.')
    if (!mayRetry(request, outcome)) break
  }
  throw lastError ?? noInstance('No instance answered.')
}

interface Wanted {
  readonly destination: Destination
  /** By the newest table. */
  readonly routeAgain: () => Destination
  readonly response: ServerResponse
  /** Failed the request before. */
  readonly tried: Instance | undefined
}

/** An instance with room, by waiting for it where none has: of the revision that it is for, or of another that can serve it when that one can't. */
async function acquire(
  fleet: Fleet,
  {destination, routeAgain, response, tried}: Wanted
): Promise<{pool: RevisionPool; instance: Instance}> {
  const refused = new Set<RevisionPool>()
  let refusal: unknown = noInstance('This function has no revision to serve it.')
  let pool = fleet.poolFor(destination)
  for (let left = WAITS_MAX; left > 0 && pool !== undefined; left -= 1) {
    const warm = pool.tryAcquire(tried)
    if (warm !== undefined) return {pool, instance: warm}
    const gone = new AbortController()
    const leave = (): void => gone.abort()
    response.once('close', leave)
    try {
      return {pool, instance: await pool.wait(gone.signal)}
    } catch (error) {
      if (gone.signal.aborted) throw error
      refusal = error
    } finally {
      response.off('close', leave)
    }
    refused.add(pool)
    pool = fleet.poolFor(routeAgain(), refused)
  }
  throw refusal
}

function count({onWork}: ServeOptions, instance: Instance, outcome: ExchangeOutcome): void {
  const {bytesIn, bytesOut, kind} = outcome
  // A timeout is the function's own doing, too large a body the client's: neither is paid nor held against the node.
  const failed = kind === 'failed' && !NOT_THE_NODE.has(outcome.error?.code ?? '') ? 1 : 0
  onWork(instance.work, {requests: kind === 'answered' ? 1 : 0, requestsFailed: failed, bytesIn, bytesOut})
}

/** A timeout tells against an instance as well: one that hangs must not go on taking requests. */
function verdictOn({kind, error}: ExchangeOutcome): Verdict {
  if (kind === 'answered') return 'served'
  return kind === 'client_gone' || error?.code === 'payload_too_large' ? 'unknown' : 'failed'
}

function mayRetry(request: IncomingMessage, outcome: ExchangeOutcome): boolean {
  if (outcome.responded || !outcome.bodyUntouched || NOT_THE_NODE.has(outcome.error?.code ?? '')) return false
  return outcome.nothingSent || IDEMPOTENT.has(request.method ?? '')
}

/** How long a client may go on sending a body that nobody wants, after its answer. */
const UNREAD_BODY_MAX_MS = 5000

/** After an early answer the rest of the body is read away for a while, or the client would not get to see the answer. */
function drainRest(request: IncomingMessage, response: ServerResponse): void {
  if (request.complete || request.destroyed || response.destroyed) return
  const timer = setTimeout(() => request.destroy(), UNREAD_BODY_MAX_MS)
  request.once('close', () => clearTimeout(timer)).once('end', () => clearTimeout(timer))
  if (response.writableFinished) request.resume()
  else response.once('finish', () => request.resume())
}
