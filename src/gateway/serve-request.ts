import {CreoError, isCreoError} from '../core/errors.ts'
import type {Destination} from '../core/routing.ts'
import type {Log} from '../telemetry/log.ts'
import {type Addressed, type AddressOptions, addressOf} from './address.ts'
import {answerError, badGateway} from './answer-error.ts'
import type {PageAssets} from './assets/page-assets.ts'
import type {AsyncEndpoint} from './async/async-endpoint.ts'
import type {NodeConduct} from './conduct.ts'
import type {Verdict} from './ejections.ts'
import {type ExchangeOutcome, exchange} from './exchange.ts'
import type {Fleet} from './fleet.ts'
import {forwardedHead} from './headers.ts'
import type {Client, ClientCall} from './http/client-call.ts'
import type {Instance} from './instance.ts'
import type {Work, WorkOf} from './meter.ts'
import type {ReachProbes} from './reach-probes.ts'
import type {RequestLimits} from './request-limits.ts'
import {noInstance, type RevisionPool} from './revision-pool.ts'
import type {GatewaySettings} from './settings.ts'
import {newTraceparent, traceIdOf} from './trace-context.ts'
import type {Asked, TrafficMetrics} from './traffic-metrics.ts'

/** Instances that one request is tried on at most, and revisions that it waits for in turn. */
const TRIES_MAX = 3
const WAITS_MAX = 10
const NOT_THE_NODE = new Set(['timeout', 'payload_too_large'])
/** As other proxies write it to their logs. */
const CLIENT_GONE = 499
const CALL_IN_PATH = /\/async\/calls\/[^/]+/
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

export interface ServeOptions extends AddressOptions {
  onWork(of: WorkOf, work: Work): void
  readonly metrics: TrafficMetrics
  readonly conduct: Pick<NodeConduct, 'request'>
  readonly limits: RequestLimits
  /** Takes requests that are answered later, and those for a probe. */
  readonly calls: Pick<AsyncEndpoint, 'claim' | 'answer'> & {readonly workProbes: Pick<AsyncEndpoint['workProbes'], 'answer'>}
  /** Answers for functions that serve listed files. */
  readonly assets: Pick<PageAssets, 'serve'>
  /** Answers what this gateway asks itself, before all else: it counts nowhere. */
  readonly reach: Pick<ReachProbes, 'answer'>
  settings(): GatewaySettings
  readonly monotonicMs: () => number
  readonly log: Log
}

/** Takes one request from its address to its answer. Never rejects. */
export async function serveRequest(options: ServeOptions, call: ClientCall): Promise<void> {
  if (options.reach.answer(call) || options.calls.workProbes.answer(call)) return
  const startedMs = options.monotonicMs()
  const {head, client} = call
  const traceparent = head.traceparent ?? newTraceparent()
  let functionName = ''
  let addressed: Addressed | undefined
  let failure: CreoError | undefined
  try {
    options.limits.takeFromClient(client, startedMs)
    const claim = options.calls.claim(call)
    if (claim !== undefined) functionName = await options.calls.answer(call, claim)
    else {
      addressed = addressOf(options, call)
      const {destination} = addressed
      functionName = `${destination.org}/${destination.app}/${destination.function}`
      options.limits.takeFromFunction(functionName, startedMs)
      if (destination.pages !== 'own' || !(await options.assets.serve(call, destination)))
        await forward(options, call, {addressed, traceparent})
    }
  } catch (error) {
    failure = isCreoError(error)
      ? error
      : new CreoError('internal', 'The gateway failed.', {
          hint: "Try again; if it stays, the operator finds the cause in the gateway's log.",
          cause: error
        })
    if (failure.code === 'internal') options.log.error({err: error}, 'request failed')
    if (failure.code !== 'interrupted') answerError(call, failure)
  }
  addressed?.end()
  const ms = options.monotonicMs() - startedMs
  const status = failure?.code === 'interrupted' ? CLIENT_GONE : call.status
  options.metrics.answered({function: functionName, from: askedBy(client)}, status, ms)
  const accessLog = options.settings().accessLog
  if (accessLog || options.log.isLevelEnabled('debug')) {
    const facts = factsOf(call, {ms, traceparent})
    options.log[accessLog ? 'info' : 'debug'](
      {...facts, function: functionName, ...(failure !== undefined && {code: failure.code})},
      'request'
    )
  }
}

function askedBy({caller, delivery}: Client): Asked['from'] {
  if (delivery !== undefined) return 'queue'
  return caller === undefined ? 'client' : 'function'
}

/** Without the query and the ids of calls: who reads the log has no right to what they give. */
function factsOf({head, client, status}: ClientCall, {ms, traceparent}: {readonly ms: number; readonly traceparent: string}) {
  const {method, host, target} = head
  const query = target.indexOf('?')
  const path = (query === -1 ? target : target.slice(0, query)).replace(CALL_IN_PATH, '/async/calls/…')
  return {client: client.address, method, host, path, status, ms: Math.round(ms), trace: traceIdOf(traceparent)}
}

async function forward(
  options: ServeOptions,
  call: ClientCall,
  {addressed, traceparent}: {readonly addressed: Addressed; readonly traceparent: string}
): Promise<void> {
  const {head: received, client, upgrades} = call
  const {bodyBytes: bodyBytesMax} = options.settings().limits
  if (received.bodyBytes > bodyBytesMax)
    throw new CreoError('payload_too_large', `A body has at most ${bodyBytesMax} bytes.`, {hint: 'Send it in several requests.'})
  if (upgrades && received.body !== 'none')
    throw new CreoError('invalid_input', 'A WebSocket begins without a body.', {hint: 'Send what there is to send as its messages.'})
  const {destination, routeAgain, depth} = addressed
  const {target, prefix} = destination
  const asData = destination.pages !== undefined
  const trace = {parent: traceparent, isNew: received.traceparent === undefined}
  const {address, secure, delivery} = client
  const from = client.caller === undefined ? {address, secure, prefix, delivery} : {depth}
  const head = forwardedHead({head: received, target, upgrades, trace, from})
  let lastError: CreoError | undefined
  let tried: Instance | undefined
  for (let left = TRIES_MAX; left > 0; left -= 1) {
    const first = options.fleet.poolFor(left === TRIES_MAX ? destination : routeAgain())
    // What most requests find at once.
    const warm = first?.tryAcquire(tried)
    const {pool, instance} =
      first === undefined || warm === undefined
        ? await acquire(options.fleet, {first, routeAgain, call, tried})
        : {pool: first, instance: warm}
    const {timeoutMs} = pool.entry.spec
    client.onTried?.(instance.node)
    const served = instance.depths?.enter(depth)
    const outcome = await exchange(instance, {call, head, bodyBytesMax, timeoutMs, asData})
    if (served !== undefined) instance.depths?.leave(served)
    count(options, instance, outcome)
    options.fleet.release(pool, instance, verdictOn(outcome))
    if (outcome.kind !== 'failed') return
    tried = instance
    lastError = outcome.error ?? badGateway('The function failed.')
    if (!mayRetry(received.method, outcome)) break
  }
  throw lastError ?? noInstance('No instance answered.')
}

interface Wanted {
  /** Of the revision that it is for, or what serves for that. */
  readonly first: RevisionPool | undefined
  /** By the newest table. */
  readonly routeAgain: () => Destination
  readonly call: ClientCall
  /** Failed the request before. */
  readonly tried: Instance | undefined
}

interface Acquired {
  readonly pool: RevisionPool
  readonly instance: Instance
}

/** Nothing of a body is read while nobody can take it. */
const WAITING = {onBody: () => undefined, onBodyEnd: () => undefined, onClientDrain: () => undefined} as const

/** An instance with room, by waiting for it where none has: of the revision that it is for, or of another that can serve it when that one can't. */
async function acquire(fleet: Fleet, {first, routeAgain, call, tried}: Wanted): Promise<Acquired> {
  const refused = new Set<RevisionPool>()
  let refusal: unknown
  let pool = first
  for (let left = WAITS_MAX; left > 0 && pool !== undefined; left -= 1) {
    const warm = pool.tryAcquire(tried)
    if (warm !== undefined) return {pool, instance: warm}
    const gone = new AbortController()
    call.owner = {...WAITING, onClientGone: () => gone.abort()}
    if (call.isGone) gone.abort()
    try {
      return {pool, instance: await pool.wait(gone.signal)}
    } catch (error) {
      if (gone.signal.aborted) throw error
      refusal = error
    } finally {
      call.owner = undefined
    }
    refused.add(pool)
    pool = fleet.poolFor(routeAgain(), refused)
  }
  throw refusal ?? noInstance('This function has no revision to serve it.')
}

function count({onWork, conduct}: ServeOptions, instance: Instance, outcome: ExchangeOutcome): void {
  const {bytesIn, bytesOut, kind, headMs} = outcome
  // A timeout is the function's own doing, too large a body the client's: neither is paid nor held against the node.
  const failed = kind === 'failed' && !NOT_THE_NODE.has(outcome.error?.code ?? '') ? 1 : 0
  if (kind === 'answered' || failed > 0) conduct.request(instance, failed > 0 ? 'failed' : 'answered', headMs)
  onWork(instance.work, {requests: kind === 'answered' ? 1 : 0, requestsFailed: failed, bytesIn, bytesOut})
}

/** A timeout tells against an instance as well: one that hangs must not go on taking requests. */
function verdictOn({kind, error}: ExchangeOutcome): Verdict {
  if (kind === 'answered') return 'served'
  return kind === 'client_gone' || error?.code === 'payload_too_large' ? 'unknown' : 'failed'
}

function mayRetry(method: string, outcome: ExchangeOutcome): boolean {
  if (outcome.responded || !outcome.bodyUntouched || NOT_THE_NODE.has(outcome.error?.code ?? '')) return false
  return outcome.nothingSent || IDEMPOTENT.has(method)
}
