import {z} from 'zod'
import type {CommandType} from '../core/protocol/commands.ts'
import {
  type AppEntry,
  nodeTableDeltaSchema,
  nodeTableSchema,
  routesTableDeltaSchema,
  routesTableSchema,
  type SignedTable,
  type TableNews
} from '../core/protocol/tables.ts'
import {appId} from '../core/table-deltas.ts'
import type {KeyPair} from '../identity/keys.ts'
import {signTable, signTableDelta} from '../identity/tables.ts'
import type {CommittedGroup, Ledger} from '../ledger/port.ts'
import {ChangingEntries} from './changing-entries.ts'
import type {KnownLeases} from './known-leases.ts'
import type {LastingReads} from './lasting-reads.ts'
import {LeaseChanges} from './lease-changes.ts'
import {appEntry, assertEnrolled, type ChangesSince, nodeTable, nodeTableDelta, routesTable, routesTableDelta} from './table-contents.ts'
import {Waiters} from './waiters.ts'

/** Changes are gathered this long before readers are woken: one new table for many leases. */
const WAKE_DELAY_MS = 20
/** Each of them has its table made and signed before anything else is looked at. */
const NODES_WOKEN_AT_ONCE = 100
/** Readers of all routes are woken again after so many times what their table took to make, or a little later: many gateways share one. */
const PAUSE_PER_TABLE = 4
const PAUSE_MAX_MS = 2000
/** Deltas that are made of the newest table of routes, by the version that they begin at: gateways that keep up share one, and all others the whole table. */
export const ROUTES_DELTAS_MAX = 16
/** Versions of it that were told last: who names another one never had it. */
const ROUTES_VERSIONS_MAX = 256
const ROUTES = 'routes'

/** Commands, besides what changes leases, after which the table of routes may say something else. */
const OF_APPS: ReadonlySet<CommandType> = new Set(['revision.deploy', 'traffic.set', 'app.destroy'])
/** Every node's table names the gateways. */
const OF_GATEWAYS: ReadonlySet<CommandType> = new Set(['gateway.admit', 'gateway.revoke'])

interface TableWait {
  /** The version that the reader has. */
  readonly after: number
  readonly waitMs: number
  /** Whether it can do with what changed. */
  readonly deltas?: boolean | undefined
}

/**
 * The signed tables: what gateways and nodes go on with when the coordinator is gone. Built from what is committed alone; the version is the
 * ledger sequence at which the content last changed, as far as this process has seen. A reader of a version since which all changes are
 * remembered is told these alone.
 */
export class SignedTables {
  readonly #ledger: Ledger
  readonly #leases: KnownLeases
  readonly #lasting: LastingReads
  readonly #key: KeyPair
  readonly #waiters = new Waiters()
  readonly #unsubscribe: () => void
  /** What granted and ended leases, and what paid from them: to have forgotten the latter takes nothing from a table but news of budgets. */
  readonly #changes: LeaseChanges
  readonly #payments: LeaseChanges
  readonly #apps = new ChangingEntries<AppEntry>()
  readonly #current = new ChangingEntries<string>()
  /** Where apps may have changed since they were read. */
  #appsChangedAt: number | undefined
  #routesVersion: number
  #routes: SignedTable | undefined
  readonly #routesDeltas = new Map<number, TableNews>()
  readonly #routesTold = new Set<number>()
  #routesPauseMs = WAKE_DELAY_MS
  /** At which sequence each node's leases last changed; of all others since when; and when gateways did. */
  readonly #changedAt = new Map<string, number>()
  #allChangedAt: number
  #gatewaysChangedAt: number
  readonly #toWake = new Set<string>()
  #wakeTimer: NodeJS.Timeout | undefined
  #routesTimer: NodeJS.Timeout | undefined

  constructor(tools: {readonly ledger: Ledger; readonly leases: KnownLeases; readonly lasting: LastingReads; readonly key: KeyPair}) {
    const {ledger, leases, lasting, key} = tools
    const {sequence} = ledger
    this.#ledger = ledger
    this.#leases = leases
    this.#lasting = lasting
    this.#key = key
    this.#changes = new LeaseChanges(sequence)
    this.#payments = new LeaseChanges(sequence)
    this.#allChangedAt = sequence
    this.#gatewaysChangedAt = sequence
    this.#routesVersion = sequence
    this.#routesTold.add(sequence)
    this.#readApps(sequence)
    this.#unsubscribe = ledger.onCommitted((group) => this.#follow(group))
  }

  get waiting(): number {
    return this.#waiters.count
  }

  routes(): SignedTable {
    const version = this.#versionOfRoutes()
    if (this.#routes?.version === version) return this.#routes
    const signed = this.#measured(() => {
      const body = z.encode(routesTableSchema, routesTable(this.#sources))
      return signTable({network: this.#ledger.networkId, version, body, key: this.#key})
    })
    this.#routes = signed
    this.#noteTold(version)
    return signed
  }

  /** @throws {CreoError} `not_found` for a node that is not enrolled. */
  node(node: string): SignedTable {
    const body = z.encode(nodeTableSchema, nodeTable(this.#sources, node))
    return signTable({network: this.#ledger.networkId, version: this.#versionOf(node), body, key: this.#key})
  }

  /** The table once it is newer than `after`, or what changed since then; undefined when `waitMs` have passed without that. */
  async newer(table: 'routes' | {readonly node: string}, wait: TableWait, signal: AbortSignal): Promise<TableNews | undefined> {
    const deadlineMs = performance.now() + wait.waitMs
    if (table !== ROUTES) assertEnrolled(this.#lasting, table.node)
    for (;;) {
      const newer = table === ROUTES ? this.#newerRoutes(wait) : this.#newerOf(table.node, wait)
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

  /** A paid receipt makes no newer table: budgets count down by the readers' own receipts. */
  #follow({lastSeq, types, leases}: CommittedGroup): void {
    for (const event of leases) {
      const lease = event.type === 'granted' ? event.lease : this.#leases.find(event.lease)
      if (lease === undefined) continue
      const change = {lease: lease.id, node: lease.node, revision: lease.revision, seq: lastSeq}
      if (event.type === 'paid') this.#payments.note(change)
      else {
        this.#changes.note(change)
        this.#changedAt.set(lease.node, lastSeq)
        this.#toWake.add(lease.node)
        this.#routesVersion = lastSeq
      }
    }
    if ([...types].some((type) => OF_GATEWAYS.has(type))) {
      this.#allChangedAt = lastSeq
      this.#gatewaysChangedAt = lastSeq
      this.#routesVersion = lastSeq
      for (const topic of this.#waiters.topics) this.#toWake.add(topic)
    }
    if ([...types].some((type) => OF_APPS.has(type))) this.#appsChangedAt = lastSeq
    if (this.#toWake.size > 0) this.#wakeTimer ??= setTimeout(() => this.#wakeNodes(), WAKE_DELAY_MS)
    if (this.#routesVersion < lastSeq && this.#appsChangedAt !== lastSeq) return
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

  #newerRoutes({after, deltas}: TableWait): TableNews | undefined {
    const version = this.#versionOfRoutes()
    if (version <= after) return undefined
    const knownSince = Math.max(this.#changes.knownSince, this.#apps.knownSince, this.#current.knownSince)
    if (!deltas || after < knownSince || !this.#routesTold.has(after)) return this.routes()
    const known = this.#routesDeltas.get(after)
    if (known?.version === version) return known
    for (const [since, one] of this.#routesDeltas) if (one.version !== version) this.#routesDeltas.delete(since)
    if (this.#routesDeltas.size >= ROUTES_DELTAS_MAX) return this.routes()
    const delta = this.#measured(() => {
      const since = {...this.#changesSince(after), seq: after, apps: this.#apps, current: this.#current}
      const body = z.encode(routesTableDeltaSchema, routesTableDelta(this.#sources, since))
      return signTableDelta({network: this.#ledger.networkId, since: after, version, body, key: this.#key})
    })
    this.#routesDeltas.set(after, delta)
    this.#noteTold(version)
    return delta
  }

  #noteTold(version: number): void {
    this.#routesTold.add(version)
    const [oldest] = this.#routesTold
    if (this.#routesTold.size > ROUTES_VERSIONS_MAX && oldest !== undefined) this.#routesTold.delete(oldest)
  }

  #newerOf(node: string, {after, deltas}: TableWait): TableNews | undefined {
    const version = this.#versionOf(node)
    if (version <= after) return undefined
    if (!deltas || after < this.#changes.knownSince) return this.node(node)
    const since = {
      leases: this.#changes.ofNodeSince(node, after),
      paid: this.#payments.ofNodeSince(node, after),
      gateways: this.#gatewaysChangedAt > after
    }
    const body = z.encode(nodeTableDeltaSchema, nodeTableDelta(this.#sources, node, since))
    return signTableDelta({network: this.#ledger.networkId, since: after, version, body, key: this.#key})
  }

  #changesSince(seq: number): ChangesSince {
    return {leases: this.#changes.since(seq), paid: this.#payments.since(seq), gateways: this.#gatewaysChangedAt > seq}
  }

  #versionOf(node: string): number {
    return Math.max(this.#allChangedAt, this.#changedAt.get(node) ?? 0)
  }

  #versionOfRoutes(): number {
    const changedAt = this.#appsChangedAt
    if (changedAt !== undefined && this.#readApps(changedAt)) this.#routesVersion = Math.max(this.#routesVersion, changedAt)
    return this.#routesVersion
  }

  #readApps(seq: number): boolean {
    const {reads} = this.#ledger
    this.#appsChangedAt = undefined
    const hasApps = this.#apps.update(new Map(reads.appRoutes().map((app) => [appId(app), appEntry(app)])), seq)
    return this.#current.update(new Map(reads.currentRevisions().map(({id}) => [id, id])), seq) || hasApps
  }

  get #sources() {
    return {reads: this.#ledger.reads, lasting: this.#lasting, leases: this.#leases}
  }

  /** The longer it takes to make what gateways are told, the less often it is made. */
  #measured<T>(make: () => T): T {
    const beganMs = performance.now()
    const made = make()
    this.#routesPauseMs = Math.min(PAUSE_MAX_MS, Math.max(WAKE_DELAY_MS, PAUSE_PER_TABLE * (performance.now() - beganMs)))
    return made
  }
}
