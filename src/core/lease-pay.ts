import {CommittedPay} from './committed-pay.ts'
import type {LeaseBudget, LeaseGrant, ShortOfPay} from './lease-plan.ts'
import type {LeasesByRevision} from './leases-by-revision.ts'
import type {LeaseView, RevisionView} from './protocol/api.ts'
import type {RewardLine} from './protocol/revisions.ts'
import type {SchedulingNode, SchedulingWorld} from './scheduling.ts'
import {dailyBudgetMinor, functionOf, wantedNodes} from './traffic.ts'
import {mulDivFloor} from './units.ts'
import {partOfRevision, payingLines} from './wanted-work.ts'

/** A lease is renewed when this part of a budget, per cent, or less is left: the next one is there before nothing is. */
const RENEW_AT_LEFT_PERCENT = 10
/** A lease is renewed when the share that its revision has now would reserve so many times what it reserves. */
const RENEW_AT_GROWTH = 2
/** What a line's leases reserve, ended ones too until they are settled, is at most this many days of it: a day in force, a day waiting for receipts, and room. */
export const UNSETTLED_DAYS_MAX = 4
const WHOLE_PERCENT = 100

/** Nobody can be paid, or not this owner: it has the most of it that one may have. */
export type NotPaid = 'short_of_pay' | 'owner_share'

/** What leases reserve: of a day of their function, and of the pools, while a plan gives both away. */
export class LeasePay {
  /** Revisions that something could not be paid for, with the reason. */
  readonly short = new Map<string, ShortOfPay>()
  readonly ownersAtShare = new Set<string>()
  readonly #pools: Map<string, number>
  readonly #committed: CommittedPay
  /** Current revisions by function. */
  readonly #sharing: ReadonlyMap<string, readonly RevisionView[]>

  constructor(
    {
      nowMs,
      receiptGraceMs,
      revisions,
      pools,
      ownerOf
    }: Pick<SchedulingWorld, 'nowMs' | 'receiptGraceMs' | 'revisions' | 'pools' | 'ownerOf'>,
    known: {
      readonly leases: LeasesByRevision
      readonly ofFunction: ReadonlyMap<string, readonly RevisionView[]>
      readonly isHeard: (node: string) => boolean
    }
  ) {
    this.#pools = new Map(pools)
    this.#committed = new CommittedPay({nowMs, receiptGraceMs, ownerOf, ...known})
    this.#sharing = Map.groupBy(
      revisions.filter(({current}) => current),
      functionOf
    )
  }

  /** For one owner, or without one for whoever it may be. What can't be paid is noted. */
  budgetsFor(
    revision: RevisionView,
    {owner, replaced}: {readonly owner?: string; readonly replaced?: LeaseView | undefined}
  ): LeaseBudget[] | NotPaid {
    const budgets: LeaseBudget[] = []
    for (const line of payingLines(revision)) {
      const affordable = this.#affordable(line, revision, replaced)
      if (affordable <= 0) {
        this.short.set(revision.id, this.#inPool(line.incentive) <= 0 ? 'pool_empty' : 'day_spent')
        return 'short_of_pay'
      }
      const amountMinor = owner === undefined ? affordable : Math.min(affordable, this.#leftForOwner(owner, line, revision, replaced))
      if (owner !== undefined && amountMinor <= 0) {
        this.ownersAtShare.add(partOfRevision(owner, revision.id))
        return 'owner_share'
      }
      budgets.push({incentive: line.incentive, amountMinor})
    }
    return budgets
  }

  /** What the grant reserves is gone for the others. */
  grant(grant: LeaseGrant, revision: RevisionView, replaced: LeaseView | undefined): void {
    for (const {incentive, amountMinor} of grant.budgets) this.#pools.set(incentive, this.#inPool(incentive) - amountMinor)
    this.#committed.grant(grant, revision, replaced)
  }

  /** True when the lease was made for a greater share of the traffic: what it reserves beyond its own is its siblings' to earn. */
  isOvergrown(lease: LeaseView, revision: RevisionView): boolean {
    if (revision.trafficAtMs <= lease.startsAtMs) return false
    return payingLines(revision).some((line) => {
      const budget = lease.budgets.find(({incentive}) => incentive === line.incentive)
      const left = (budget?.reservedMinor ?? 0) - (budget?.paidMinor ?? 0)
      const affordable = this.#affordable(line, revision, lease)
      return affordable > 0 && left > affordable
    })
  }

  /** True when the lease was made for a far smaller share of the traffic, or its owner has paid in since. */
  isOutgrown(lease: LeaseView, revision: RevisionView): boolean {
    if (revision.trafficAtMs <= lease.startsAtMs) return false
    return payingLines(revision).some((line) => {
      const reserved = lease.budgets.find(({incentive}) => incentive === line.incentive)?.reservedMinor ?? 0
      return this.#affordable(line, revision, lease) >= reserved * RENEW_AT_GROWTH
    })
  }

  /** What a lease of this revision would reserve now; nothing, or less, when day or pool are used up. */
  #affordable(line: RewardLine, revision: RevisionView, replaced: LeaseView | undefined): number {
    const daily = dailyBudgetMinor(line, revision, this.#sharing.get(functionOf(revision)) ?? [])
    const share = Math.max(1, Math.floor(daily / wantedNodes(revision)))
    const committed = this.#committed.minor(revision, line.incentive, replaced)
    const left = Math.min(daily - committed.own, line.dailyBudgetMinor - committed.all)
    const unsettled = daily * UNSETTLED_DAYS_MAX - this.#committed.unsettledMinor(revision, line.incentive)
    return Math.min(share, left, unsettled, this.#inPool(line.incentive))
  }

  /** What one owner's nodes may still earn of a line today. */
  #leftForOwner(owner: string, line: RewardLine, revision: RevisionView, replaced: LeaseView | undefined): number {
    const percent = revision.spec.ownerSharePercentMax
    if (percent === undefined) return Number.POSITIVE_INFINITY
    const most = Math.max(1, mulDivFloor(line.dailyBudgetMinor, percent, WHOLE_PERCENT).quotient)
    return most - this.#committed.ofOwner(owner, revision, line.incentive, replaced)
  }

  #inPool(incentive: string): number {
    return this.#pools.get(incentive) ?? 0
  }
}

/** True when so little of a line's budget is left that the next lease should be there. */
export function isUsedUp(lease: LeaseView): boolean {
  return lease.budgets.some(({reservedMinor, paidMinor}) => (reservedMinor - paidMinor) * 100 <= reservedMinor * RENEW_AT_LEFT_PERCENT)
}

/**
 * True while a lease that the node's owner gave up by selecting something else keeps what it did not earn from the others, until it is settled: by giving up
 * and taking again a pool would be reserved for nobody. Whatever else ends a lease, the node may have another at once.
 * @param ended the node's last lease of the revision that ended and began within a day.
 */
export function isResting(
  {reselectedAtMs = 0}: Pick<SchedulingNode, 'reselectedAtMs'>,
  {trafficAtMs}: RevisionView,
  ended: LeaseView | undefined,
  {nowMs, receiptGraceMs}: Pick<SchedulingWorld, 'nowMs' | 'receiptGraceMs'>
): boolean {
  if (ended === undefined || ended.budgets.length === 0 || isUsedUp(ended)) return false
  const {startsAtMs, endsAtMs} = ended
  return startsAtMs >= trafficAtMs && startsAtMs < reselectedAtMs && nowMs < endsAtMs + receiptGraceMs
}
