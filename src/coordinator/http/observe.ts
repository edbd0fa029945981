import type {FastifyInstance} from 'fastify'
import {CreoError} from '../../core/errors.ts'
import type {OperatorView} from '../../core/protocol/operator.ts'
import type {Ledger} from '../../ledger/port.ts'
import type {Metrics} from '../../telemetry/metrics.ts'
import type {EventHub} from '../events/event-hub.ts'
import type {CountedErrors, Overview} from '../operator/overview.ts'
import type {PresenceBoard} from '../presence.ts'
import type {SignedTables} from '../tables.ts'

export interface ObservedTools {
  readonly ledger: Ledger
  readonly presence: PresenceBoard
  readonly tables: SignedTables
  readonly events: EventHub
  readonly overview: Overview
  readonly stopping: AbortSignal
}

/** Health for supervisors, numbers for Prometheus. */
export function observe(app: FastifyInstance, metrics: Metrics, errors: CountedErrors, tools: ObservedTools): void {
  const {ledger, stopping} = tools
  observeRequests(app, metrics)
  const updates = [
    observeLedger(app, metrics, tools),
    observeWaiting(metrics, tools),
    observeErrors(metrics, errors),
    observeNetwork(metrics, tools)
  ]
  app.get('/healthz', {config: {described: {about: 'Whether this process answers.'}}}, () => ({ok: true}))
  app.get('/readyz', {config: {described: {about: 'Whether it takes requests, and the last sequence.'}}}, () => {
    if (stopping.aborted) throw new CreoError('unavailable', 'The coordinator is stopping.', {hint: 'Ask again in a second.'})
    return {ok: true, sequence: ledger.sequence}
  })
  const prometheus = {about: 'Numbers for Prometheus.', answerType: 'text/plain'}
  app.get('/metrics', {config: {described: prometheus}}, (_request, reply) => {
    for (const update of updates) update()
    return reply.type('text/plain; version=0.0.4').send(metrics.text())
  })
}

function observeRequests(app: FastifyInstance, metrics: Metrics): void {
  const requests = metrics.counter({name: 'creo_coordinator_requests_total', help: 'Requests answered.', labels: ['route', 'status']})
  const durations = metrics.histogram({
    name: 'creo_coordinator_request_seconds',
    help: 'Time to the answer, long polls included.',
    labels: ['route']
  })
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown'
    requests.add(1, {route, status: String(reply.statusCode)})
    durations.observe(reply.elapsedTime / 1000, {route})
  })
}

function observeLedger(app: FastifyInstance, metrics: Metrics, {ledger}: ObservedTools): () => void {
  const sequence = metrics.gauge({name: 'creo_ledger_sequence', help: 'Last committed command.'})
  const groups = metrics.counter({name: 'creo_ledger_groups_total', help: 'Groups of commands committed since the start.'})
  const commits = metrics.histogram({name: 'creo_ledger_commit_seconds', help: 'Time from handing a group to the disk until it is there.'})
  const queued = metrics.gauge({name: 'creo_ledger_queued_commands', help: 'Commands that were applied and are not on disk yet.'})
  const unsubscribe = ledger.onCommitted(({commitMs}) => {
    groups.add()
    commits.observe(commitMs / 1000)
  })
  app.addHook('onClose', async () => unsubscribe())
  return () => {
    sequence.set(ledger.sequence)
    queued.set(ledger.queued)
  }
}

function observeWaiting(metrics: Metrics, {tables, events}: ObservedTools): () => void {
  const waiting = metrics.gauge({name: 'creo_table_waiters', help: 'Requests that wait for a newer table.'})
  const watchers = metrics.gauge({name: 'creo_events_watchers', help: 'Streams of events that are open.'})
  return () => {
    waiting.set(tables.waiting)
    watchers.set(events.watchers)
  }
}

function observeErrors(metrics: Metrics, errors: CountedErrors): () => void {
  const api = metrics.counter({
    name: 'creo_coordinator_errors_total',
    help: 'Requests outside the registry that were answered an error.',
    labels: ['code']
  })
  const registry = metrics.counter({
    name: 'creo_registry_errors_total',
    help: 'Requests to the registry that were answered an error.',
    labels: ['code']
  })
  const shown = new Map<string, number>()
  const count = (name: keyof CountedErrors, counter: typeof api): void => {
    for (const {code, count: total} of errors[name].all()) {
      counter.add(total - (shown.get(`${name} ${code}`) ?? 0), {code})
      shown.set(`${name} ${code}`, total)
    }
  }
  return () => {
    count('api', api)
    count('registry', registry)
  }
}

/** Of the network as a whole. Pools are those that the operator's page has room for. */
function observeNetwork(metrics: Metrics, {presence, overview}: ObservedTools): () => void {
  const known = metrics.gauge({name: 'creo_nodes_known', help: 'Nodes that sent a heartbeat.'})
  const nodes = metrics.gauge({name: 'creo_nodes', help: 'Nodes by state; silent ones were not heard since the start.', labels: ['state']})
  const functions = metrics.gauge({name: 'creo_functions', help: 'Functions that get traffic or have a tag.'})
  const wanted = metrics.gauge({name: 'creo_leases_wanted', help: 'Leases that functions should have.'})
  const held = metrics.gauge({name: 'creo_leases_held', help: 'Leases that they have.'})
  const pools = metrics.gauge({
    name: 'creo_pool_left_minor',
    help: 'What leases can still reserve of a pool, in the minor unit of its incentive.',
    labels: ['incentive']
  })
  return () => {
    const numbers: Omit<OperatorView, 'errors'> = overview.numbers()
    known.set(presence.size)
    for (const [state, count] of Object.entries(numbers.nodes.states)) nodes.set(count, {state})
    functions.set(numbers.functions.total)
    wanted.set(numbers.functions.wanted)
    held.set(numbers.functions.held)
    pools.clear()
    for (const {incentive, poolMinor} of numbers.pools.rows) pools.set(poolMinor, {incentive})
  }
}
