import {type MeteredWork, rewardFor} from '../core/metering.ts'
import type {LeaseEntry} from '../core/protocol/tables.ts'
import type {TableIndex} from './table-index.ts'

/** Rates are for so many requests. */
const PER_MILLION = 1_000_000

interface Line {
  /** What the newest table says is left. */
  leftMinor: number
  /** What was left when this gateway first counted something towards the lease. */
  readonly firstMinor: number
  /** Earned through this gateway since then. */
  spentMinor: number
  /** Millionths of a minor unit, see `rewardFor`. */
  carry: number
}

interface Lease {
  readonly lines: Map<string, Line>
  /** What the table had left when the miner said that it had earned everything. */
  refusedAtMinor?: number
}

/**
 * What leases may still earn, as far as this gateway can tell: the table's numbers less what was earned since and is not paid
 * yet. It stops starting and using a lease in time; the miner's own count is what protects the miner.
 */
export class LeaseBudgets {
  /** Of the leases that something was counted towards, or that were refused: for all others the table says all. */
  readonly #leases = new Map<string, Lease>()
  #table: TableIndex | undefined
  #ranDry = false

  update(table: TableIndex): void {
    this.#table = table
    for (const [id, lease] of this.#leases) {
      const entry = table.lease(id)
      if (entry === undefined) this.#leases.delete(id)
      else takeUp(lease, entry)
    }
  }

  spend(leaseId: string, revisionId: string, work: MeteredWork): void {
    const lease = this.#counted(leaseId)
    const revision = this.#table?.revision(revisionId)
    if (lease === undefined || revision === undefined) return
    for (const reward of revision.spec.rewards) {
      const line = lease.lines.get(reward.incentive)
      if (line === undefined) continue
      const {amountMinor, carry} = rewardFor(reward, work, line.carry)
      line.spentMinor += amountMinor
      line.carry = carry
    }
    this.#ranDry ||= this.isEmpty(leaseId)
  }

  /** Whether work was counted, since this was last asked, towards a lease that has nothing left. */
  takeRanDry(): boolean {
    const ranDry = this.#ranDry
    this.#ranDry = false
    return ranDry
  }

  /** How many further requests alone would use up what is left, or fewer; infinite where requests don't. */
  requestsLeft(leaseId: string, revisionId: string): number {
    const lease = this.#counted(leaseId)
    const revision = this.#table?.revision(revisionId)
    if (lease === undefined || revision === undefined || lease.lines.size === 0) return Number.POSITIVE_INFINITY
    const ratesMinor = new Map(revision.spec.rewards.map((reward) => [reward.incentive, reward.requestsPerMillionMinor]))
    const left = [...lease.lines].map(([incentive, line]) => {
      const leftMinor = remaining(line)
      return leftMinor <= 0 ? 0 : (leftMinor / (ratesMinor.get(incentive) ?? 0)) * PER_MILLION
    })
    return Math.max(1, Math.floor(Math.max(...left)))
  }

  /** The miner says that nothing is left; believed until a table has more than now. */
  refuse(leaseId: string): void {
    const lease = this.#counted(leaseId)
    if (lease !== undefined) lease.refusedAtMinor = sumLeft(lease)
  }

  /** A lease that never promised anything is never empty: its work is paid by epochs. */
  isEmpty(leaseId: string): boolean {
    const lease = this.#leases.get(leaseId)
    if (lease === undefined) {
      const {budgets = []} = this.#table?.lease(leaseId) ?? {}
      return budgets.length > 0 && budgets.every(({amountMinor}) => amountMinor <= 0)
    }
    if (lease.refusedAtMinor !== undefined) return true
    return lease.lines.size > 0 && [...lease.lines.values()].every((line) => remaining(line) <= 0)
  }

  /** From now on what is counted towards this lease is remembered; undefined for one that the table doesn't have. */
  #counted(leaseId: string): Lease | undefined {
    const known = this.#leases.get(leaseId)
    const entry = known === undefined ? this.#table?.lease(leaseId) : undefined
    if (entry === undefined) return known
    const lease: Lease = {lines: new Map()}
    takeUp(lease, entry)
    this.#leases.set(leaseId, lease)
    return lease
  }
}

/** What a table says is left; a line that it lacks has nothing. */
function takeUp(lease: Lease, {budgets}: LeaseEntry): void {
  for (const line of lease.lines.values()) line.leftMinor = 0
  for (const {incentive, amountMinor} of budgets) {
    const line = lease.lines.get(incentive)
    if (line === undefined) lease.lines.set(incentive, {leftMinor: amountMinor, firstMinor: amountMinor, spentMinor: 0, carry: 0})
    else line.leftMinor = amountMinor
  }
  if (lease.refusedAtMinor !== undefined && sumLeft(lease) > lease.refusedAtMinor) delete lease.refusedAtMinor
}

/** What was paid since the first sight is in the table already; the rest of what was spent is not. */
function remaining({leftMinor, firstMinor, spentMinor}: Line): number {
  const paidMinor = Math.max(0, firstMinor - leftMinor)
  return leftMinor - Math.max(0, spentMinor - paidMinor)
}

function sumLeft(lease: Lease): number {
  let sum = 0
  for (const {leftMinor} of lease.lines.values()) sum += leftMinor
  return sum
}
