/** What the scheduler proposes; every grant and every end becomes a signed command. */

export interface LeaseBudget {
  readonly incentive: string
  readonly amountMinor: number
}
export interface LeaseGrant {
  readonly node: string
  readonly revision: string
  readonly endsAtMs: number
  readonly budgets: readonly LeaseBudget[]
  /** Node, revision and the number of the lease that it follows: the same need has the same cause. */
  readonly cause: string
}
export type LeaseEndReason = 'superseded' | 'renewed' | 'surplus' | 'not_selected' | 'node_lost' | 'blocked'
export interface LeaseEnding {
  readonly lease: string
  readonly reason: LeaseEndReason
}
export type ShortOfPay = 'pool_empty' | 'day_spent'
export interface LeasePlan {
  readonly grants: readonly LeaseGrant[]
  readonly endings: readonly LeaseEnding[]
  /** Revisions that got no lease for want of pay. */
  readonly shortOfPay: ReadonlyMap<string, ShortOfPay>
  /** `partOfRevision`: who could have run more of a revision but for its largest share per owner. */
  readonly ownersAtShare: ReadonlySet<string>
  /** `partOfRevision`: who could have run more of a revision but for a lease of it that its owner gave up. */
  readonly resting: ReadonlySet<string>
  /** True when there is more to do than one plan may. */
  readonly isCut: boolean
}
