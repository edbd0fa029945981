import {OPERATOR_GROUPS_MAX, OPERATOR_ROWS_MAX, type OperatorView} from '../../core/protocol/operator.ts'
import {functionOf, wantedNodes} from '../../core/traffic.ts'
import {type Ledger, type NodeView, READ_ROWS_MAX, type RevisionView} from '../../ledger/port.ts'
import type {ErrorCounts} from '../http/error-counts.ts'
import type {KnownLeases} from '../known-leases.ts'
import type {FunctionLogs} from '../logs.ts'
import type {NodePresence, PresenceBoard} from '../presence.ts'
import type {Scheduler} from '../scheduler.ts'
import {visible} from './visible.ts'

/** Whoever asks within this time is shown the same. */
const KEPT_MS = 1000
const HOUR_MS = 3_600_000
const FULL_HOURS = 23
const TENTHS = 10

type NodeState = OperatorView['nodes']['rows'][number]['state']

export interface OverviewTools {
  readonly ledger: Ledger
  readonly presence: PresenceBoard
  readonly leases: KnownLeases
  readonly scheduler: Pick<Scheduler, 'reasonFor' | 'current' | 'awakeSinceMs'>
  readonly logs: Pick<FunctionLogs, 'failures'>
  readonly lostAfterMs: number
  readonly network: string
  readonly version: string
  readonly nowMs: () => number
}

/** Errors that were answered, by who answered. */
export interface CountedErrors {
  readonly api: Pick<ErrorCounts, 'all'>
  readonly registry: Pick<ErrorCounts, 'all'>
}

/** How the network is, for the operator's page and for Prometheus: looked at once a second at most, whoever asks. */
export class Overview {
  readonly #tools: OverviewTools
  readonly #startedAtMs: number
  #kept: {readonly view: Omit<OperatorView, 'errors'>; readonly untilMs: number} | undefined

  constructor(tools: OverviewTools) {
    this.#tools = tools
    this.#startedAtMs = tools.nowMs()
  }

  view({api, registry}: CountedErrors): OperatorView {
    return {...this.numbers(), errors: {api: api.all(), registry: registry.all()}}
  }

  numbers(): Omit<OperatorView, 'errors'> {
    const nowMs = performance.now()
    if (this.#kept !== undefined && nowMs < this.#kept.untilMs) return this.#kept.view
    const {network, version, ledger} = this.#tools
    const current = this.#tools.scheduler.current
    const view = {
      network: visible(network),
      version,
      sequence: ledger.sequence,
      atMs: this.#tools.nowMs(),
      startedAtMs: this.#startedAtMs,
      nodes: nodesOf(this.#tools),
      functions: functionsOf(this.#tools, current),
      pools: poolsOf(ledger, current),
      groups: ledger.reads.lastGroups(OPERATOR_GROUPS_MAX)
    }
    this.#kept = {view, untilMs: nowMs + KEPT_MS}
    return view
  }
}

/** Those that need a look first; of a large network those that were heard, and the first that enrolled. */
function nodesOf(tools: OverviewTools): OperatorView['nodes'] {
  const {ledger, presence, scheduler, nowMs, lostAfterMs} = tools
  const isLost = ({seenAtMs}: NodePresence): boolean => Math.max(seenAtMs, scheduler.awakeSinceMs) <= nowMs() - lostAfterMs
  const heard = [...presence.all()].map((one) => ({
    id: one.heartbeat.node,
    state: isLost(one) ? ('lost' as const) : stateOf(one),
    presence: one
  }))
  const enrolled = ledger.reads.nodes({limit: READ_ROWS_MAX})
  const silent = enrolled
    .filter(({id}) => presence.of(id) === undefined)
    .map(({id}) => ({id, state: 'silent' as const, presence: undefined}))
  const known = new Map(enrolled.map((node) => [node.id, node]))
  const all = [...heard, ...silent]
  const states = {there: 0, draining: 0, lost: 0, silent: 0}
  for (const {state} of all) states[state] += 1
  const shown = all.sort((a, b) => urgency(a.state) - urgency(b.state)).slice(0, OPERATOR_ROWS_MAX)
  return {states, rows: shown.flatMap(({id, ...rest}) => nodeRow(tools, known.get(id) ?? ledger.reads.node(id), rest))}
}

function nodeRow(
  {leases, scheduler}: OverviewTools,
  node: NodeView | undefined,
  {state, presence}: {readonly state: NodeState; readonly presence: NodePresence | undefined}
): OperatorView['nodes']['rows'] {
  if (node === undefined) return []
  const {id, owner} = node
  return [
    {
      id,
      owner,
      name: visible(node.name),
      state,
      lastSeenMs: presence?.seenAtMs ?? null,
      leases: leases.ofNode(id).length,
      instances: presence?.heartbeat.instances ?? 0,
      version: presence?.heartbeat.version === undefined ? null : visible(presence.heartbeat.version),
      noWorkReason: presence === undefined ? null : scheduler.reasonFor(presence)
    }
  ]
}

function stateOf({heartbeat}: NodePresence): NodeState {
  return heartbeat.draining ? 'draining' : 'there'
}

function urgency(state: NodeState): number {
  return ['lost', 'draining', 'there', 'silent'].indexOf(state)
}

/** Those that lack leases first. */
function functionsOf({leases, logs, presence}: OverviewTools, current: readonly RevisionView[]): OperatorView['functions'] {
  const counted = current.map((revision) => ({revision, wanted: wantedNodes(revision), held: leases.countOf(revision.id)}))
  const instances = new Map<string, number>()
  for (const {heartbeat} of presence.all()) {
    for (const one of heartbeat.running ?? []) instances.set(one.revision, (instances.get(one.revision) ?? 0) + one.instances)
  }
  const shown = counted.toSorted((a, b) => a.held / a.wanted - b.held / b.wanted).slice(0, OPERATOR_ROWS_MAX)
  return {
    total: new Set(current.map(functionOf)).size,
    wanted: counted.reduce((sum, one) => sum + one.wanted, 0),
    held: counted.reduce((sum, one) => sum + one.held, 0),
    rows: shown.map(({revision, ...counts}) => {
      const last = logs.failures(revision.id, -1).at(-1)
      return {
        function: functionOf(revision),
        revision: revision.id,
        ...counts,
        instances: instances.get(revision.id) ?? 0,
        lastFailure: last?.failure === undefined ? null : {atMs: last.atMs, reason: last.failure.reason, line: visible(last.line)}
      }
    })
  }
}

/** Of what current revisions pay; those that end soonest first. */
function poolsOf(ledger: Ledger, current: readonly RevisionView[]): OperatorView['pools'] {
  const incentives = [...new Set(current.flatMap(({spec}) => spec.rewards.map((line) => line.incentive)))]
  const rows = incentives
    .flatMap((id) => poolOf(ledger, id))
    .sort((a, b) => (a.daysLeft ?? Number.MAX_VALUE) - (b.daysLeft ?? Number.MAX_VALUE))
  return {total: rows.length, rows: rows.slice(0, OPERATOR_ROWS_MAX)}
}

function poolOf(ledger: Ledger, id: string): OperatorView['pools']['rows'] {
  const {reads} = ledger
  const incentive = reads.incentive(id)
  if (incentive === undefined) return []
  const balances = reads.balances({account: incentive.org, asset: id})
  const of = (wanted: string): number => balances.find(({kind}) => kind === wanted)?.amountMinor ?? 0
  const sinceMs = (Math.floor(ledger.nowMs() / HOUR_MS) - FULL_HOURS) * HOUR_MS
  const paidLastDayMinor = reads.paid({incentive: id, sinceMs}).reduce((sum, row) => sum + row.paidMinor, 0)
  const [poolMinor, reservedMinor] = [of('pool'), of('reserved')]
  const daysLeft = paidLastDayMinor === 0 ? null : Math.floor((TENTHS * (poolMinor + reservedMinor)) / paidLastDayMinor) / TENTHS
  return [{incentive: id, decimals: incentive.decimals, poolMinor, reservedMinor, paidLastDayMinor, daysLeft}]
}
