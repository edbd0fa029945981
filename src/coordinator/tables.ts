import {z} from 'zod'
import {CreoError} from '../core/errors.ts'
import {newestPerNode} from '../core/leases-by-revision.ts'
import type {CommandType} from '../core/protocol/commands.ts'
import {
  type LeaseEntry,
  type NodeTable,
  nodeTableSchema,
  type RevisionEntry,
  type RoutesTable,
  routesTableSchema,
  type SignedTable
} from '../core/protocol/tables.ts'
import {type KeyPair, sha256Hex} from '../identity/keys.ts'
import {signTable} from '../identity/tables.ts'
import type {CommittedGroup, LeaseEvent, LeaseView, Ledger, LedgerReads} from '../ledger/port.ts'
import type {KnownLeases} from './known-leases.ts'
import {LastingReads} from './lasting-reads.ts'
import {Waiters} from './waiters.ts'

/** Changes are gathered this long before readers are woken: one new table for many leases. */
const WAKE_DELAY_MS = 20
/** Each of them has its table made and signed before anything else is looked at. */
const NODES_WOKEN_AT_ONCE = 100
/** Readers of all routes are woken again after so many times what their table took to make, or a little later: many gateways share one. */
const PAUSE_PER_TABLE = 4
const PAUSE_MAX_MS = 2000
const ROUTES = 'routes'

/** Commands, besides what changes leases, after which the table of routes may say something else. */
const CHANGING: ReadonlySet<CommandType> = new Set(['account.create', 'node.enroll', 'revision.deploy', 'traffic.set', 'app.destroy'])
/** Every node's table names the gateways. */
const OF_GATEWAYS: ReadonlySet<CommandType> = new Set(['gateway.admit', 'gateway.revoke'])

interface Built {
  readonly signed: SignedTable
  /** Hash of the content without what is left of budgets: only a change of this makes a new version. */
  readonly shape: string
  readonly generation: number
}

/**
 * The signed tables: what gateways and nodes go on with when the coordinator is gone. Built from what is committed alone; the version is the
 * ledger sequence at which the content last changed, as far as this process has seen.
 */
export class SignedTables {
  readonly #ledger: Ledger
  readonly #leases: KnownLeases
  readonly #lasting: LastingReads
  readonly #key: KeyPair
  readonly #waiters = new Waiters()
  readonly #unsubscribe: () => void
  #routes: Built | undefined
  #routesPauseMs = WAKE_DELAY_MS
  #generation = 0
  #projected: number
  /** At which sequence each node's leases last changed; of all others, and of the gateways, since when. */
  readonly #changedAt = new Map<string, number>()
  #allChangedAt: number
  readonly #toWake = new Set<string>()
  #wakeTimer: NodeJS.Timeout | undefined
  #routesTimer: NodeJS.Timeout | undefined

  constructor(tools: {readonly ledger: Ledger; readonly leases: KnownLeases; readonly key: KeyPair}) {
    this.#ledger = tools.ledger
    this.#leases = tools.leases
    this.#lasting = new LastingReads(tools.ledger.reads)
    this.#key = tools.key
    this.#projected = tools.ledger.sequence
    this.#allChangedAt = this.#projected
    this.#unsubscribe = tools.ledger.onCommitted((group) => this.#follow(group))
  }

  get waiting(): number {
    return this.#waiters.count
  }

  routes(): SignedTable {
    const before = this.#routes
    if (before?.generation === this.#generation) return before.signed
    const beganMs = performance.now()
    const generation = this.#generation
    const table = buildRoutesTable({reads: this.#ledger.reads, lasting: this.#lasting}, [...this.#leases.active()])
    const shape = shapeOf(table)
    const version = Math.max(this.#projected, (before?.signed.version ?? -1) + 1)
    const signed = before?.shape === shape ? before.signed : this.#sign(z.encode(routesTableSchema, table), version)
    this.#routes = {signed, shape, generation}
    this.#routesPauseMs = Math.min(PAUSE_MAX_MS, Math.max(WAKE_DELAY_MS, PAUSE_PER_TABLE * (performance.now() - beganMs)))
    return signed
  }

  /** @throws {CreoError} `not_found` for a node that is not enrolled. */
  node(node: string): SignedTable {
    const table = buildNodeTable({reads: this.#ledger.reads, lasting: this.#lasting}, node, this.#leases.ofNode(node))
    return this.#sign(z.encode(nodeTableSchema, table), this.#versionOf(node))
  }

  /** The table once it is newer than `after`, or undefined when `waitMs` have passed without that. */
  async newer(table: 'routes' | {readonly node: string}, wait: {readonly after: number; readonly waitMs: number}, signal: AbortSignal) {
    const deadlineMs = performance.now() + wait.waitMs
    if (table !== ROUTES) assertEnrolled(this.#lasting, table.node)
    for (;;) {
      const newer = table === ROUTES ? newerThan(wait.after, this.routes()) : this.#newerOf(table.node, wait.after)
      if (newer !== undefined) return newer
      const leftMs = deadlineMs - performance.now()
      if (leftMs <= 0 || signal.aborted) return undefined
      await this.#waiters.wait(table === ROUTES ? ROUTES : table.node, Math.ceil(leftMs), signal)
    }
  }

  close(): void {
    this.#unsubscribe()
    clearTimeout(this.#wakeTimer)
    clearTimeout(this.#routesTimer)
    this.#waiters.wakeAll()
  }

  /** A paid receipt changes no table: budgets count down by the readers' own receipts. */
  #follow({lastSeq, types, leases}: CommittedGroup): void {
    this.#projected = lastSeq
    const nodes = leases.flatMap((event) => this.#nodeOf(event) ?? [])
    for (const node of nodes) {
      this.#changedAt.set(node, lastSeq)
      this.#toWake.add(node)
    }
    const isOfAll = [...types].some((type) => OF_GATEWAYS.has(type))
    if (isOfAll) {
      this.#allChangedAt = lastSeq
      for (const topic of this.#waiters.topics) this.#toWake.add(topic)
    }
    if (this.#toWake.size > 0) this.#wakeTimer ??= setTimeout(() => this.#wakeNodes(), WAKE_DELAY_MS)
    if (!isOfAll && nodes.length === 0 && ![...types].some((type) => CHANGING.has(type))) return
    this.#generation += 1
    this.#routesTimer ??= setTimeout(() => {
      this.#routesTimer = undefined
      this.#waiters.wake(ROUTES)
    }, this.#routesPauseMs)
  }

  #wakeNodes(): void {
    const nodes = [...this.#toWake].slice(0, NODES_WOKEN_AT_ONCE)
    for (const node of nodes) {
      this.#toWake.delete(node)
      this.#waiters.wake(node)
    }
    this.#wakeTimer = this.#toWake.size > 0 ? setTimeout(() => this.#wakeNodes(), 0) : undefined
  }

  #nodeOf(event: LeaseEvent): string | undefined {
    if (event.type === 'paid') return undefined
    return event.type === 'granted' ? event.lease.node : this.#leases.nodeOf(event.lease)
  }

  #newerOf(node: string, after: number): SignedTable | undefined {
    return this.#versionOf(node) > after ? this.node(node) : undefined
  }

  #versionOf(node: string): number {
    return Math.max(this.#allChangedAt, this.#changedAt.get(node) ?? 0)
  }

  #sign(body: unknown, version: number): SignedTable {
    return signTable({network: this.#ledger.networkId, version, body, key: this.#key})
  }
}

function newerThan(after: number, table: SignedTable): SignedTable | undefined {
  return table.version > after ? table : undefined
}

function assertEnrolled(lasting: LastingReads, node: string): void {
  if (!lasting.node(node))
    throw new CreoError('not_found', `There is no node ${node}.`, {hint: 'Enroll it with a join token: creo node token'})
}

function shapeOf(table: RoutesTable): string {
  const leases = table.leases.map(({budgets, ...lease}) => ({...lease, budgets: budgets.map(({incentive}) => incentive)}))
  return sha256Hex(JSON.stringify({...table, leases}))
}

interface Sources {
  readonly reads: LedgerReads
  readonly lasting: LastingReads
}

function buildRoutesTable({reads, lasting}: Sources, active: readonly LeaseView[]): RoutesTable {
  const leases = newestLeases(active)
  const nodes = [...new Set(leases.map((lease) => lease.node))].flatMap((id) => lasting.node(id) ?? [])
  return {
    kind: 'routes',
    apps: reads.appRoutes().map(({org, app, routes, functions}) => ({org, app, routes: [...routes], functions: [...functions]})),
    revisions: revisionEntries(
      lasting,
      reads.currentRevisions().map(({id}) => id),
      leases
    ),
    leases: leases.map(leaseEntry),
    nodes: nodes.map(({id, publicKey, owner}) => ({id, publicKey, owner})),
    gateways: reads.gateways().map((gateway) => ({...gateway}))
  }
}

function buildNodeTable({reads, lasting}: Sources, node: string, leases: readonly LeaseView[]): NodeTable {
  assertEnrolled(lasting, node)
  return {
    kind: 'node',
    node,
    leases: leases.map(leaseEntry),
    revisions: revisionEntries(lasting, [], leases),
    gateways: reads.gateways().map((gateway) => ({...gateway}))
  }
}

/**
 * A lease that was followed by another of the same node and revision is not shown to gateways any more: they move over while it still stands, so
 * that its last receipts are paid before it ends.
 */
function newestLeases(leases: readonly LeaseView[]): LeaseView[] {
  const newest = new Set([...Map.groupBy(leases, (lease) => lease.revision).values()].flatMap((of) => [...newestPerNode(of).values()]))
  return leases.filter((lease) => newest.has(lease))
}

function revisionEntries(lasting: LastingReads, current: readonly string[], leases: readonly LeaseView[]): RevisionEntry[] {
  const ids = [...new Set([...current, ...leases.map((lease) => lease.revision)])]
  return ids.flatMap((id) => lasting.revision(id) ?? []).sort((a, b) => (a.id < b.id ? -1 : 1))
}

function leaseEntry({id, node, revision, startsAtMs, endsAtMs, budgets}: LeaseView): LeaseEntry {
  const left = budgets.map(({incentive, reservedMinor, paidMinor}) => ({incentive, amountMinor: reservedMinor - paidMinor}))
  return {id, node, revision, startsAtMs, endsAtMs, budgets: left}
}
