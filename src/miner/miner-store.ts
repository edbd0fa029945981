import {z} from 'zod'
import {CreoError} from '../core/errors.ts'
import {type Receipt, receiptSchema} from '../core/protocol/receipts.ts'
import {type RewardLine, rewardLineSchema} from '../core/protocol/revisions.ts'
import {StoreFile} from './store-file.ts'

/** Receipts that may wait for the coordinator; more are not signed. A week offline of one revision at one gateway takes 60,000. */
export const PENDING_RECEIPTS_MAX = 200_000
/** Settled receipts that are kept to give the same answer to the same proposal again. */
const SETTLED_RECEIPTS_MAX = 20_000
/** Receipts that the coordinator refused, kept for the owner to look at. */
const REJECTED_RECEIPTS_MAX = 1000
/** Leases that are over are remembered this long, for windows that are proposed late. */
export const LEASE_MEMORY_MS = 2 * 24 * 3600 * 1000
/** What a lease promises, as it was when this node first saw it. */
export interface LeaseTerms {
  readonly id: string
  readonly revision: string
  readonly endsAtMs: number
  /** Memory limit of one instance. */
  readonly memoryBytes: number
  readonly rewards: readonly RewardLine[]
}

/** A lease with what is left of it to earn. */
export interface RememberedLease extends LeaseTerms {
  readonly budgets: readonly {readonly incentive: string; readonly amountMinor: number}[]
}

/** What one receipt should pay of one incentive, and the carry of its line after it. */
export interface EarnedLine {
  readonly incentive: string
  readonly amountMinor: number
  readonly carry: number
}

export interface StoredReceipt {
  readonly number: number
  readonly id: string
  readonly receipt: Receipt
  readonly status: 'pending' | 'paid' | 'rejected'
}

export interface LeaseLine {
  readonly incentive: string
  /** The largest rest that a table ever showed: what could be earned when this node began to count. */
  readonly capacityMinor: number
  /** What this node has signed for since. */
  readonly attestedMinor: number
}

const earnedSchema = z.array(z.object({incentive: z.string(), amountMinor: z.int()}))
const rewardsSchema = z.array(rewardLineSchema)

type Earned = z.output<typeof earnedSchema>[number]

interface ReceiptRow {
  readonly number: number
  readonly id: string
  readonly lease: string
  readonly receipt: string
  readonly earned: string
  readonly status: StoredReceipt['status']
}

/**
 * What a miner must not forget: receipts it signed, and what it has signed for per lease. Each change is one transaction on stable
 * storage when the call returns, so a process that is killed at any instant has either signed and counted a window, or neither.
 */
export class MinerStore {
  readonly #file: StoreFile
  /** Sums over the receipts that wait: of a week offline there are too many to go through at each heartbeat. */
  readonly #pendingMinor = new Map<string, number>()
  #pendingCount = 0
  #emptyLeases: ReadonlySet<string>

  private constructor(file: StoreFile) {
    this.#file = file
    const rows = this.#file.prepared(`SELECT earned FROM receipts WHERE status = 'pending'`).iterate() as Iterable<{earned: string}>
    for (const {earned} of rows) this.#countPending(earnedSchema.parse(JSON.parse(earned)), 1)
    this.#emptyLeases = this.#readEmpty()
  }

  /** @throws {CreoError} `data_dir_unwritable` when the file cannot be opened or is not such a store. */
  static open(path: string): MinerStore {
    return new MinerStore(StoreFile.open(path))
  }

  /** Learns leases of a table, or how much of them is left: all in one step, since a table may bring thousands. */
  rememberLeases(leases: readonly RememberedLease[]): void {
    this.#file.atomically(() => {
      for (const lease of leases) this.#remember(lease)
    })
    this.#lookForEmpty()
  }

  #remember({budgets, rewards: lines, ...terms}: RememberedLease): void {
    const rewards = JSON.stringify(z.encode(rewardsSchema, [...lines]))
    this.#file.run(
      `INSERT INTO leases VALUES (@id, @revision, @endsAtMs, @memoryBytes, @rewards)
       ON CONFLICT (id) DO UPDATE SET ends_at_ms = excluded.ends_at_ms WHERE ends_at_ms <> excluded.ends_at_ms`,
      {...terms, rewards}
    )
    for (const {incentive, amountMinor} of budgets) {
      this.#file.run(
        `INSERT INTO lease_lines (lease, incentive, capacity_minor) VALUES (@lease, @incentive, @amountMinor)
         ON CONFLICT DO UPDATE SET capacity_minor = excluded.capacity_minor WHERE capacity_minor < excluded.capacity_minor`,
        {lease: terms.id, incentive, amountMinor}
      )
    }
  }

  lease(id: string): LeaseTerms | undefined {
    const row = this.#file
      .prepared('SELECT id, revision, ends_at_ms AS endsAtMs, memory_bytes AS memoryBytes, rewards FROM leases WHERE id = ?')
      .get(id)
    if (row === undefined) return undefined
    const {rewards, ...rest} = row as Omit<LeaseTerms, 'rewards'> & {rewards: string}
    return {...rest, rewards: rewardsSchema.parse(JSON.parse(rewards))}
  }

  /** Of all leases that are remembered, those included that are over. */
  leasedRevisions(): ReadonlySet<string> {
    const rows = this.#file.prepared('SELECT DISTINCT revision FROM leases').all() as {revision: string}[]
    return new Set(rows.map(({revision}) => revision))
  }

  /**
   * Leases that promised something and all of it is signed for; one that never had a budget (Gutta is paid by epochs) is never empty. The same set as long as
   * it has the same in it: it is asked for each lease every second.
   */
  get emptyLeases(): ReadonlySet<string> {
    return this.#emptyLeases
  }

  leaseLines(lease: string): readonly LeaseLine[] {
    const sql = 'SELECT incentive, capacity_minor AS capacityMinor, attested_minor AS attestedMinor FROM lease_lines WHERE lease = ?'
    return this.#file.prepared(sql).all(lease) as LeaseLine[]
  }

  carry(revision: string, incentive: string): number {
    const row = this.#file.prepared('SELECT carry FROM carries WHERE revision = ? AND incentive = ?').get(revision, incentive)
    return row === undefined ? 0 : (row as {carry: number}).carry
  }

  /** Keeps a signed receipt and counts it against its lease. @throws {CreoError} `overloaded` when too many wait. */
  add(signed: {
    readonly id: string
    readonly lease: LeaseTerms
    readonly receipt: Receipt
    readonly earned: readonly EarnedLine[]
    readonly atMs: number
  }): void {
    const {id, lease, receipt, earned, atMs} = signed
    this.#file.atomically(() => {
      if (!this.hasRoom()) {
        throw new CreoError('overloaded', `${PENDING_RECEIPTS_MAX} receipts wait for the coordinator already.`)
      }
      const texts = {receipt: JSON.stringify(receipt), earned: JSON.stringify(earned)}
      this.#file.run(
        `INSERT INTO receipts (id, lease, receipt, earned, status, at_ms) VALUES (@id, @lease, @receipt, @earned, 'pending', @atMs)`,
        {id, lease: lease.id, ...texts, atMs}
      )
      for (const {incentive, amountMinor, carry} of earned) {
        this.#file.run(
          'UPDATE lease_lines SET attested_minor = attested_minor + @amountMinor WHERE lease = @lease AND incentive = @incentive',
          {
            lease: lease.id,
            incentive,
            amountMinor
          }
        )
        this.#file.run('INSERT INTO carries VALUES (@revision, @incentive, @carry) ON CONFLICT DO UPDATE SET carry = excluded.carry', {
          revision: lease.revision,
          incentive,
          carry
        })
      }
    })
    this.#lookForEmpty(lease.id)
    this.#countPending(earned, 1)
  }

  receipt(id: string): StoredReceipt | undefined {
    const row = this.#file.prepared('SELECT number, id, receipt, status FROM receipts WHERE id = ?').get(id)
    return row === undefined ? undefined : storedReceipt(row as ReceiptRow)
  }

  /** Whether a further receipt could be kept. */
  hasRoom(): boolean {
    return this.#pendingCount < PENDING_RECEIPTS_MAX
  }

  pendingCount(): number {
    return this.#pendingCount
  }

  /** Those that wait, oldest first. */
  pending(limit: number, afterNumber = 0): readonly StoredReceipt[] {
    const sql = `SELECT number, id, receipt, status FROM receipts WHERE status = 'pending' AND number > ? ORDER BY number LIMIT ?`
    return (this.#file.prepared(sql).all(afterNumber, limit) as ReceiptRow[]).map(storedReceipt)
  }

  rejected(limit: number): readonly {readonly id: string; readonly code: string; readonly message: string}[] {
    const sql = `SELECT id, code, message FROM receipts WHERE status = 'rejected' ORDER BY number DESC LIMIT ?`
    return this.#file.prepared(sql).all(limit) as {id: string; code: string; message: string}[]
  }

  markPaid(id: string): void {
    this.#settle(id, (_lease, earned) => {
      this.#file.run(`UPDATE receipts SET status = 'paid' WHERE id = @id`, {id})
      for (const {incentive, amountMinor} of earned) {
        this.#file.run(
          'INSERT INTO earnings VALUES (@incentive, @amountMinor) ON CONFLICT DO UPDATE SET paid_minor = paid_minor + excluded.paid_minor',
          {incentive, amountMinor}
        )
      }
    })
  }

  /** Puts a receipt aside and takes back what it would have used of its lease's budget. */
  markRejected(id: string, reason: {readonly code: string; readonly message: string}): void {
    this.#settle(id, (lease, earned) => {
      this.#file.run(`UPDATE receipts SET status = 'rejected', code = @code, message = @message WHERE id = @id`, {id, ...reason})
      for (const {incentive, amountMinor} of earned) {
        this.#file.run(
          'UPDATE lease_lines SET attested_minor = attested_minor - @amountMinor WHERE lease = @lease AND incentive = @incentive',
          {
            lease,
            incentive,
            amountMinor
          }
        )
      }
      this.#lookForEmpty(lease)
    })
  }

  /** Forgets the oldest settled receipts, and leases whose last receipt is long settled. */
  prune(nowMs: number): void {
    this.#file.atomically(() => {
      for (const [status, max] of [
        ['paid', SETTLED_RECEIPTS_MAX],
        ['rejected', REJECTED_RECEIPTS_MAX]
      ] as const) {
        this.#file.run(
          `DELETE FROM receipts WHERE status = @status AND number <= (
             SELECT number FROM receipts WHERE status = @status ORDER BY number DESC LIMIT 1 OFFSET @max)`,
          {status, max}
        )
      }
      this.#file.run(`DELETE FROM leases WHERE ends_at_ms < @before AND id NOT IN (SELECT lease FROM receipts WHERE status = 'pending')`, {
        before: nowMs - LEASE_MEMORY_MS
      })
      this.#file.run('DELETE FROM carries WHERE revision NOT IN (SELECT revision FROM leases)', {})
    })
    this.#lookForEmpty()
  }

  /** By incentive: what the coordinator has taken for payment, and what is signed and waits. As this node reckons it by its leases' rates. */
  earnings(): readonly {readonly incentive: string; readonly paidMinor: number; readonly pendingMinor: number}[] {
    const rows = this.#file.prepared('SELECT incentive, paid_minor AS paidMinor FROM earnings').all() as {
      incentive: string
      paidMinor: number
    }[]
    const paid = new Map(rows.map(({incentive, paidMinor}) => [incentive, paidMinor]))
    const names = [...new Set([...paid.keys(), ...this.#pendingMinor.keys()])].sort()
    return names.map((incentive) => ({
      incentive,
      paidMinor: paid.get(incentive) ?? 0,
      pendingMinor: this.#pendingMinor.get(incentive) ?? 0
    }))
  }

  close(): void {
    this.#file.close()
  }

  #readEmpty(lease?: string): ReadonlySet<string> {
    const sql = `SELECT lease FROM lease_lines WHERE @lease IS NULL OR lease = @lease
      GROUP BY lease HAVING max(attested_minor < capacity_minor) = 0`
    const rows = this.#file.prepared(sql).all({lease: lease ?? null}) as {lease: string}[]
    return new Set(rows.map((row) => row.lease))
  }

  /** Looks again, at one lease or all. */
  #lookForEmpty(lease?: string): void {
    const found = this.#readEmpty(lease)
    const others = lease === undefined ? [] : [...this.#emptyLeases].filter((other) => other !== lease)
    const empty = new Set([...others, ...found])
    const isSame = empty.size === this.#emptyLeases.size && [...empty].every((one) => this.#emptyLeases.has(one))
    if (!isSame) this.#emptyLeases = empty
  }

  /** Lets a receipt leave those that wait, when it is one of them. */
  #settle(id: string, change: (lease: string, earned: readonly Earned[]) => void): void {
    let settled: readonly Earned[] | undefined
    this.#file.atomically(() => {
      const row = this.#pendingRow(id)
      if (row === undefined) return
      settled = earnedSchema.parse(JSON.parse(row.earned))
      change(row.lease, settled)
    })
    if (settled !== undefined) this.#countPending(settled, -1)
  }

  #countPending(earned: readonly Earned[], receipts: 1 | -1): void {
    this.#pendingCount += receipts
    for (const {incentive, amountMinor} of earned) {
      const sumMinor = (this.#pendingMinor.get(incentive) ?? 0) + receipts * amountMinor
      if (sumMinor === 0) this.#pendingMinor.delete(incentive)
      else this.#pendingMinor.set(incentive, sumMinor)
    }
  }

  #pendingRow(id: string): Pick<ReceiptRow, 'lease' | 'earned'> | undefined {
    const row = this.#file.prepared(`SELECT lease, earned FROM receipts WHERE id = ? AND status = 'pending'`).get(id)
    return row as ReceiptRow | undefined
  }
}

function storedReceipt(row: ReceiptRow): StoredReceipt {
  return {number: row.number, id: row.id, receipt: receiptSchema.parse(JSON.parse(row.receipt)), status: row.status}
}
