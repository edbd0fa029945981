import {LRUCache} from 'lru-cache'
import {z} from 'zod'
import {CreoError} from '../core/errors.ts'
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
import {newestPerNode} from '../core/scheduling.ts'
import type {KeyPair} from '../identity/keys.ts'
import {signTable} from '../identity/tables.ts'
import type {LeaseView, Ledger, LedgerReads, RevisionView} from '../ledger/port.ts'
import {Waiters} from './waiters.ts'

const TABLES_CACHED_MAX = 100_000
/** Changes are gathered this long before readers are woken: one new table for many leases. */
const WAKE_DELAY_MS = 20
const ROUTES = 'routes'

/**
 * Commands after which a table may say something else. A paid receipt is not one: budgets count down by the readers' own receipts. `time.advance` is one
 * only when it ended leases: it comes every second in a busy market, and every node would be woken for orders and redemptions that came due.
 */
const CHANGING: ReadonlySet<CommandType> = new Set([
  'account.create',
  'node.enroll',
  'gateway.admit',
  'gateway.revoke',
  'revision.deploy',
  'traffic.set',
  'lease.grant',
  'lease.end'
])

const LEASING: readonly CommandType[] = ['lease.grant', 'lease.end', 'time.advance']

interface Built {
  readonly signed: SignedTable
  /** The content without what is left of budgets: only a change of this makes a new version. */
  readonly shape: string
  generation: number
}

/**
 * The signed tables: what gateways and nodes go on with when the coordinator is gone. Built from what is committed alone; the version is the
 * ledger sequence at which the content last changed, as far as this process has seen.
 */
export class SignedTables {
  readonly #ledger: Ledger
  readonly #key: KeyPair
  readonly #waiters = new Waiters()
  readonly #built = new LRUCache<string, Built>({max: TABLES_CACHED_MAX})
  readonly #unsubscribe: () => void
  #generation = 0
  #projected: number
  #activeLeases: number
  #wakeTimer: NodeJS.Timeout | undefined

  constructor(tools: {readonly ledger: Ledger; readonly key: KeyPair}) {
    this.#ledger = tools.ledger
    this.#key = tools.key
    this.#projected = tools.ledger.sequence
    this.#activeLeases = tools.ledger.reads.activeLeaseCount()
    this.#unsubscribe = tools.ledger.onCommitted(({lastSeq, types}) => {
      this.#projected = lastSeq
      const leasesBefore = this.#activeLeases
      if (LEASING.some((type) => types.has(type))) this.#activeLeases = tools.ledger.reads.activeLeaseCount()
      if (this.#activeLeases !== leasesBefore || [...types].some((type) => CHANGING.has(type))) this.#changed()
    })
  }

  get waiting(): number {
    return this.#waiters.count
  }

  routes(): SignedTable {
    return this.#current(ROUTES, routesTableSchema, () => buildRoutesTable(this.#ledger.reads))
  }

  /** @throws {CreoError} `not_found` for a node that is not enrolled. */
  node(node: string): SignedTable {
    return this.#current(node, nodeTableSchema, () => buildNodeTable(this.#ledger.reads, node))
  }

  /** The table once it is newer than `after`, or undefined when `waitMs` have passed without that. */
  async newer(table: 'routes' | {readonly node: string}, wait: {readonly after: number; readonly waitMs: number}, signal: AbortSignal) {
    const deadlineMs = performance.now() + wait.waitMs
    for (;;) {
      const current = table === ROUTES ? this.routes() : this.node(table.node)
      if (current.version > wait.after) return current
      const leftMs = deadlineMs - performance.now()
      if (leftMs <= 0 || signal.aborted) return undefined
      await this.#waiters.wait(table === ROUTES ? ROUTES : table.node, Math.ceil(leftMs), signal)
    }
  }

  close(): void {
    this.#unsubscribe()
    clearTimeout(this.#wakeTimer)
    this.#waiters.wakeAll()
  }

  #changed(): void {
    this.#generation += 1
    this.#wakeTimer ??= setTimeout(() => {
      this.#wakeTimer = undefined
      this.#waiters.wakeAll()
    }, WAKE_DELAY_MS)
  }

  #current<S extends z.ZodType>(name: string, schema: S, build: () => Table<S>): SignedTable {
    const before = this.#built.get(name)
    if (before?.generation === this.#generation) return before.signed
    const generation = this.#generation
    const table = build()
    const shape = shapeOf(table)
    if (before?.shape === shape) {
      before.generation = generation
      return before.signed
    }
    const version = Math.max(this.#projected, before === undefined ? 0 : before.signed.version + 1)
    const signed = signTable({network: this.#ledger.networkId, version, body: z.encode(schema, table), key: this.#key})
    this.#built.set(name, {signed, shape, generation})
    return signed
  }
}

type Table<S extends z.ZodType> = z.output<S> & {readonly leases: readonly LeaseEntry[]}

function shapeOf(table: {readonly leases: readonly LeaseEntry[]}): string {
  const leases = table.leases.map(({budgets, ...lease}) => ({...lease, budgets: budgets.map(({incentive}) => incentive)}))
  return JSON.stringify({...table, leases})
}

export function buildRoutesTable(reads: LedgerReads): RoutesTable {
  const leases = newestLeases(reads.leases({status: 'active'}))
  const nodes = [...new Set(leases.map((lease) => lease.node))].flatMap((id) => reads.node(id) ?? [])
  return {
    kind: 'routes',
    apps: reads.appRoutes().map(({org, app, routes, functions}) => ({org, app, routes: [...routes], functions: [...functions]})),
    revisions: revisionEntries(reads, reads.currentRevisions(), leases),
    leases: leases.map(leaseEntry),
    nodes: nodes.map(({id, publicKey, owner}) => ({id, publicKey, owner})),
    gateways: reads.gateways().map((gateway) => ({...gateway}))
  }
}

export function buildNodeTable(reads: LedgerReads, node: string): NodeTable {
  if (!reads.node(node))
    throw new CreoError('not_found', `There is no node ${node}.`, {hint: 'Enroll it with a join token: creo node token'})
  const leases = reads.leases({node, status: 'active'})
  return {
    kind: 'node',
    node,
    leases: leases.map(leaseEntry),
    revisions: revisionEntries(reads, [], leases),
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

function revisionEntries(reads: LedgerReads, current: readonly RevisionView[], leases: readonly LeaseView[]): RevisionEntry[] {
  const known = new Set(current.map((revision) => revision.id))
  const leased = [...new Set(leases.map((lease) => lease.revision))]
    .filter((id) => !known.has(id))
    .flatMap((id) => reads.revision(id) ?? [])
  const entries = [...current, ...leased].map((revision) => ({
    id: revision.id,
    org: revision.org,
    app: revision.app,
    function: revision.function,
    imageDigest: revision.imageDigest,
    spec: revision.spec
  }))
  return entries.sort((a, b) => (a.id < b.id ? -1 : 1))
}

function leaseEntry({id, node, revision, startsAtMs, endsAtMs, budgets}: LeaseView): LeaseEntry {
  const left = budgets.map(({incentive, reservedMinor, paidMinor}) => ({incentive, amountMinor: reservedMinor - paidMinor}))
  return {id, node, revision, startsAtMs, endsAtMs, budgets: left}
}
