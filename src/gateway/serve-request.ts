import type {IncomingMessage, ServerResponse} from 'node:http'
import {CreoError, isCreoError} from '../core/errors.ts'
import {type Destination, type RoutingIndex, routeRequest} from '../core/routing.ts'
import type {Log} from '../telemetry/log.ts'
import {answerError} from './answer-error.ts'
import {type ExchangeOutcome, type ExchangeRequest, exchange} from './exchange.ts'
import type {Fleet} from './fleet.ts'
import {checkHead, forwardedHeaders} from './headers.ts'
import type {Instance} from './instance.ts'
import type {Work, WorkOf} from './meter.ts'
import {noInstance, type RevisionPool} from './revision-pool.ts'
import type {TrafficMetrics} from './traffic-metrics.ts'

/** Instances that one request is tried on at most. */
const TRIES_MAX = 3
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

export interface ServeOptions {
  readonly fleet: Fleet
  /** Undefined while this gateway may not serve: it has no table, or is not admitted. */
  routing(): RoutingIndex | undefined
  onWork(of: WorkOf, work: Work): void
  readonly metrics: TrafficMetrics
  readonly monotonicMs: () => number
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
  let destination: Destination | undefined
  let failure: CreoError | undefined
  try {
    const host = checkHead({
      method: request.method ?? '',
      target: request.url ?? '',
      httpVersion: request.httpVersion,
      rawHeaders: request.rawHeaders
    })
    const routing = options.routing()
    if (routing === undefined) throw new CreoError('unavailable', 'This gateway is not admitted to the network yet.')
    destination = routeRequest(routing, host, request.url ?? '')
    if (destination === undefined) throw new CreoError('not_found', 'Nothing has this address.', {hint: 'Check the name and the path.'})
    await forward(options, arrived, destination, host)
  } catch (error) {
    failure = isCreoError(error) ? error : new CreoError('internal', 'The gateway failed.', {cause: error})
    if (failure.code === 'internal') options.log.error({err: error}, 'request failed')
    if (failure.code !== 'interrupted') answerError(response, failure)
  }
  drainRest(request, response)
  const functionName = destination === undefined ? '' : `${destination.org}/${destination.app}/${destination.function}`
  const ms = options.monotonicMs() - startedMs
  options.metrics.answered(functionName, failure?.code === 'interrupted' ? 499 : response.statusCode, ms)
  if (options.log.isLevelEnabled('debug')) {
    const facts = {method: request.method, host: request.headers.host, url: request.url, status: response.statusCode, ms: Math.round(ms)}
    options.log.debug({...facts, function: functionName, ...(failure !== undefined && {code: failure.code})}, 'request')
  }
}

async function forward(options: ServeOptions, arrived: Arrived, destination: Destination, host: string): Promise<void> {
  const {request, response} = arrived
  const {socket} = request
  const address = socket.remoteAddress ?? ''
  const headers = forwardedHeaders(request.rawHeaders, {address, host, secure: 'encrypted' in socket, prefix: destination.prefix})
  const {target} = destination
  let lastError: CreoError | undefined
  for (let left = TRIES_MAX; left > 0; left -= 1) {
    const {pool, instance} = await acquire(options.fleet, destination, response)
    const {timeoutMs} = pool.entry.spec
    const outcome = await exchange(instance, {...arrived, target, headers, timeoutMs})
    count(options, instance, outcome)
    options.fleet.release(pool, instance)
    if (outcome.kind !== 'failed') return
    lastError = outcome.error ?? new CreoError('bad_gateway', 'The instance failed.')
    if (!mayRetry(request, outcome)) break
  }
  throw lastError ?? noInstance('No instance answered.')
}

/** An instance with room, by waiting for it where none has. */
async function acquire(
  fleet: Fleet,
  destination: Destination,
  response: ServerResponse
): Promise<{pool: RevisionPool; instance: Instance}> {
  const functionKey = `${destination.org}/${destination.app}/${destination.function}`
  for (let left = TRIES_MAX; ; left -= 1) {
    const pool = fleet.poolFor(functionKey, destination.revision)
    if (pool === undefined) throw noInstance('This function has no revision to serve it.')
    const warm = pool.tryAcquire()
    if (warm !== undefined) return {pool, instance: warm}
    const gone = new AbortController()
    const leave = (): void => gone.abort()
    response.once('close', leave)
    try {
      return {pool, instance: await pool.wait(gone.signal)}
    } catch (error) {
      // A revision that was replaced while we waited is not the answer, unless nobody wants one any more.
      if (left <= 1 || gone.signal.aborted || fleet.poolFor(functionKey, destination.revision) === pool) throw error
    } finally {
      response.off('close', leave)
    }
  }
}

function count({onWork}: ServeOptions, instance: Instance, outcome: ExchangeOutcome): void {
  const {bytesIn, bytesOut, kind} = outcome
  const of = {node: instance.node, revision: instance.revision.id, lease: instance.lease.id}
  // A timeout is the function's own doing: it is neither paid nor held against the node.
  const failed = kind === 'failed' && outcome.error?.code !== 'timeout' ? 1 : 0
  onWork(of, {requests: kind === 'answered' ? 1 : 0, requestsFailed: failed, bytesIn, bytesOut})
}

function mayRetry(request: IncomingMessage, outcome: ExchangeOutcome): boolean {
  if (outcome.responded || !outcome.bodyUntouched || outcome.error?.code === 'timeout') return false
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
