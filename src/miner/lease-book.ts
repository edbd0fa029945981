import {EventEmitter, once} from 'node:events'
import {readFileIfThere, writeFileDurably} from '../config/durable-file.ts'
import {CreoError} from '../core/errors.ts'
import type {NodeTable, RevisionEntry, SignedTable} from '../core/protocol/tables.ts'
import {nodeTableSchema, signedTableSchema} from '../core/protocol/tables.ts'
import {openTable} from '../identity/tables.ts'

export type Lease = NodeTable['leases'][number]
export type GatewayEntry = NodeTable['gateways'][number]
export interface LeasedWork {
  readonly lease: Lease
  readonly revision: RevisionEntry
}

const TABLE_BYTES_MAX = 65 * 2 ** 20

export interface LeaseBookOptions {
  /** Where the newest table is kept. */
  readonly path: string
  readonly network: string
  readonly coordinatorKey: string
  readonly node: string
}

/** What this node may run, and for whom: the newest table that the coordinator signed, also when the coordinator is gone. */
export class LeaseBook {
  readonly #options: LeaseBookOptions
  #table: NodeTable = {kind: 'node', node: '', leases: [], revisions: [], gateways: []}
  #version = -1
  /** The table's leases with what each is for, by id: asked at every start, and through and through every second. */
  #works: ReadonlyMap<string, LeasedWork> = new Map()
  #byRevision: ReadonlyMap<string, readonly LeasedWork[]> = new Map()
  /** How many wait for a newer table at a time is bounded by who has them wait. */
  readonly #tables = new EventEmitter<{newer: []}>().setMaxListeners(0)

  private constructor(options: LeaseBookOptions) {
    this.#options = options
  }

  /**
   * Opens the book with the table on disk, if there is one. What can't be read is as none: the coordinator has it still.
   * @throws {CreoError} `bad_signature` when the file is not this network's.
   */
  static async open(options: LeaseBookOptions): Promise<LeaseBook> {
    const book = new LeaseBook(options)
    const bytes = await readFileIfThere(options.path, TABLE_BYTES_MAX)
    const signed = bytes === undefined ? undefined : readSigned(bytes)
    if (signed !== undefined) book.#take(signed, book.#verified(signed))
    return book
  }

  /** Ledger sequence of the table; -1 when there is none yet. */
  get version(): number {
    return this.#version
  }

  get gateways(): readonly GatewayEntry[] {
    return this.#table.gateways
  }

  /** Takes a newer table and keeps it on stable storage. @throws {CreoError} `bad_signature`, `invalid_input`. */
  async accept(signed: SignedTable): Promise<'newer' | 'old'> {
    if (signed.version <= this.#version) return 'old'
    const table = this.#verified(signed)
    // What could not be written is not taken, so that the same table is asked for again.
    await writeFileDurably(this.#options.path, JSON.stringify(signed))
    this.#take(signed, table)
    return 'newer'
  }

  /** Every lease that holds now, with what it is for. */
  current(nowMs: number): readonly LeasedWork[] {
    return [...this.#works.values()].filter(({lease}) => nowMs < lease.endsAtMs)
  }

  /** Every revision that a lease holds for now which `isUsable`, once. */
  revisions(nowMs: number, isUsable: (lease: string) => boolean): readonly RevisionEntry[] {
    const usable = this.current(nowMs).filter(({lease}) => isUsable(lease.id))
    return [...new Map(usable.map(({revision}) => [revision.id, revision])).values()]
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

  #take({version}: SignedTable, table: NodeTable): void {
    const revisions = new Map(table.revisions.map((revision) => [revision.id, revision]))
    const works = table.leases.flatMap((lease): [string, LeasedWork][] => {
      const revision = revisions.get(lease.revision)
      return revision === undefined ? [] : [[lease.id, {lease, revision}]]
    })
    this.#works = new Map(works)
    this.#byRevision = Map.groupBy(this.#works.values(), ({revision}) => revision.id)
    this.#table = table
    this.#version = version
    this.#tables.emit('newer')
  }

  #verified(signed: SignedTable): NodeTable {
    const {network, coordinatorKey, node} = this.#options
    const table = openTable(signed, nodeTableSchema, {network, coordinatorKey})
    if (table.node !== node) {
      throw new CreoError('bad_signature', `The table is for ${table.node}, and this is ${node}.`, {
        hint: 'Start the miner with the folder that belongs to its key.'
      })
    }
    return table
  }
}

function readSigned(bytes: Buffer): SignedTable | undefined {
  try {
    return signedTableSchema.parse(JSON.parse(bytes.toString('utf8')))
  } catch {
    return undefined
  }
}
