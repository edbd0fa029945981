import {EventEmitter, once} from 'node:events'
import {KeptTable, type TableForm} from '../client/kept-table.ts'
import {CreoError, isCreoError} from '../core/errors.ts'
import {
  type NodeTable,
  type NodeTableDelta,
  nodeTableDeltaSchema,
  nodeTableSchema,
  type RevisionEntry,
  type TableNews
} from '../core/protocol/tables.ts'
import {changedNodeTable} from '../core/table-deltas.ts'

export type Lease = NodeTable['leases'][number]
export type GatewayEntry = NodeTable['gateways'][number]
export interface LeasedWork {
  readonly lease: Lease
  readonly revision: RevisionEntry
}

export interface LeaseBookOptions {
  /** Where the newest table is kept. */
  readonly path: string
  readonly network: string
  readonly coordinatorKey: string
  readonly node: string
}

/** What this node may run, and for whom: the newest table that the coordinator signed, also when the coordinator is gone. */
export class LeaseBook {
  readonly #kept: KeptTable<NodeTable, NodeTableDelta>
  /** The table's leases with what each is for, by id: asked at every start, and through and through every second. */
  #works: ReadonlyMap<string, LeasedWork> = new Map()
  #byRevision: ReadonlyMap<string, readonly LeasedWork[]> = new Map()
  /** What holds, from the moment at which a lease ended last until the next one does. */
  #current: {readonly works: readonly LeasedWork[]; readonly fromMs: number; readonly untilMs: number} | undefined
  #usable:
    | {readonly of: readonly LeasedWork[]; readonly without: ReadonlySet<string>; readonly revisions: readonly RevisionEntry[]}
    | undefined
  /** How many wait for a newer table at a time is bounded by who has them wait. */
  readonly #tables = new EventEmitter<{newer: []}>().setMaxListeners(0)

  private constructor({node, ...kept}: LeaseBookOptions) {
    this.#kept = new KeptTable({...kept, form: formOf(node)})
  }

  /**
   * Opens the book with the table on disk, if there is one. What can't be read is as none: the coordinator has it still.
   * @throws {CreoError} `bad_signature` when the file is not this network's.
   */
  static async open(options: LeaseBookOptions): Promise<LeaseBook> {
    const book = new LeaseBook(options)
    try {
      await book.#kept.load()
    } catch (error) {
      if (!isCreoError(error) || error.code !== 'invalid_input') throw error
    }
    book.#list()
    return book
  }

  /** Ledger sequence of the table; -1 when there is none yet. */
  get version(): number {
    return this.#kept.version
  }

  /** The version while the table gives no work, undefined while it gives some. */
  idleVersion(nowMs: number): number | undefined {
    return this.current(nowMs).length === 0 ? this.version : undefined
  }

  /** Whether what changed since that version will do. */
  get takesDeltas(): boolean {
    return this.#kept.takesDeltas
  }

  get gateways(): readonly GatewayEntry[] {
    return this.#kept.table?.gateways ?? []
  }

  /** Takes a newer table, or what changed, and keeps it on stable storage. @throws {CreoError} `bad_signature`, `invalid_input`. */
  async accept(news: TableNews): Promise<'newer' | 'old'> {
    if ((await this.#kept.accept(news)) === 'old') return 'old'
    this.#list()
    return 'newer'
  }

  /** Every lease that holds now, with what it is for: the same list as long as it has the same in it. */
  current(nowMs: number): readonly LeasedWork[] {
    const known = this.#current
    if (known !== undefined && known.fromMs <= nowMs && nowMs < known.untilMs) return known.works
    const works = [...this.#works.values()]
    const current = works.filter(({lease}) => nowMs < lease.endsAtMs)
    const ends = works.map(({lease}) => lease.endsAtMs)
    const fromMs = ends.reduce((latest, endMs) => (endMs <= nowMs ? Math.max(latest, endMs) : latest), Number.NEGATIVE_INFINITY)
    const untilMs = ends.reduce((first, endMs) => (endMs > nowMs ? Math.min(first, endMs) : first), Number.POSITIVE_INFINITY)
    this.#current = {works: current, fromMs, untilMs}
    return current
  }

  /** Every revision that a lease other than these holds for now, once; the same list as long as neither changes. */
  revisions(nowMs: number, without: ReadonlySet<string>): readonly RevisionEntry[] {
    const current = this.current(nowMs)
    if (this.#usable?.of === current && this.#usable.without === without) return this.#usable.revisions
    const usable = current.filter(({lease}) => !without.has(lease.id))
    const revisions = [...new Map(usable.map(({revision}) => [revision.id, revision])).values()]
    this.#usable = {of: current, without, revisions}
    return revisions
  }

  find(lease: string, nowMs: number): LeasedWork | undefined {
    const work = this.#works.get(lease)
    return work !== undefined && nowMs < work.lease.endsAtMs ? work : undefined
  }

  /** True when the table names this lease, be it over or not. */
  knows(lease: string): boolean {
    return this.#works.has(lease)
  }

  /** Resolves once a table names this lease; rejects when the signal fires before. */
  async learns(lease: string, signal: AbortSignal): Promise<void> {
    while (!this.knows(lease)) await once(this.#tables, 'newer', {signal})
  }

  /** A lease of the revision that holds now, if there is one. */
  ofRevision(revision: string, nowMs: number): LeasedWork | undefined {
    return this.#byRevision.get(revision)?.find(({lease}) => nowMs < lease.endsAtMs)
  }

  #list(): void {
    const {leases = [], revisions: listed = []} = this.#kept.table ?? {}
    const revisions = new Map(listed.map((revision) => [revision.id, revision]))
    const works = leases.flatMap((lease): [string, LeasedWork][] => {
      const revision = revisions.get(lease.revision)
      return revision === undefined ? [] : [[lease.id, {lease, revision}]]
    })
    this.#current = undefined
    this.#works = new Map(works)
    this.#byRevision = Map.groupBy(this.#works.values(), ({revision}) => revision.id)
    this.#tables.emit('newer')
  }
}

function formOf(node: string): TableForm<NodeTable, NodeTableDelta> {
  return {
    schema: nodeTableSchema,
    deltaSchema: nodeTableDeltaSchema,
    changed: changedNodeTable,
    check: (entry) => {
      if (entry.node === node) return
      throw new CreoError('bad_signature', `The table is for ${entry.node}, and this is ${node}.`, {
        hint: 'Start the miner with the folder that belongs to its key.'
      })
    }
  }
}
