import type {LeaseView, RevisionView} from './protocol/api.ts'
import type {RewardLine} from './protocol/revisions.ts'
import type {Architecture} from './protocol/scalars.ts'
import {dailyBudgetMinor, functionOf, isOneFunction, wantedNodes} from './traffic.ts'
import {mulDivFloor} from './units.ts'
import {fits, isAdmitted, ownerAtRevision, payingLines, selectionRank} from './wanted-work.ts'

/**
 * Who may run what: a pure function from what the coordinator knows to the leases that it should grant and end.
 * It only proposes; every grant and every end is then a signed command that the ledger checks again.
 */

export const LEASES_PER_NODE_MAX = 256
export const GRANTS_PER_PLAN_MAX = 1000
/** A lease is renewed when this part of a budget, per cent, or less is left: the next one is there before nothing is. */
const RENEW_AT_LEFT_PERCENT = 10
/** A lease is renewed when the share that its revision has now would reserve so many times what it reserves. */
const RENEW_AT_GROWTH = 2
const DAY_MS = 24 * 3600 * 1000
const WHOLE_PERCENT = 100

export interface SchedulingSettings {
  /** How long a lease lasts without the coordinator. */
  readonly leaseTermMs: number
  /** A lease of this age is replaced by a fresh one. */
  readonly leaseRenewMs: number
  /** The least time between two leases of one node and revision. */
  readonly renewEveryMs: number
  /** How long a lease that something newer replaced stays, besides the revision's longest request: so that requests end and receipts arrive. */
  readonly drainMs: number
  /** Silence after which a node's leases count no more and others get theirs. */
  readonly lostAfterMs: number
  /** Silence after which a node's leases end: it may have served on without the coordinator until then. */
  readonly endLostAfterMs: number
}

export interface SchedulingNode {
  readonly id: string
  readonly owner: string
  readonly architecture: Architecture
  /** In order of preference: `gutta`, `org/CODE` or `org:NAME`. */
  readonly earn: readonly string[]
  readonly memoryBytes: number
  readonly cpuMillis: number
  readonly enforcesLimits: boolean
  readonly draining: boolean
  readonly seenAtMs: number
  /** When `earn` last changed. */
  readonly earnSinceMs: number
}

export interface SchedulingWorld {
  readonly nowMs: number
  /** A node that was not heard of yet counts as seen at this time: a restart loses nobody. */
  readonly startedAtMs: number
  readonly exchangeOrg: string
  readonly settings: SchedulingSettings
  readonly nodes: readonly SchedulingNode[]
  /** The current revisions, every other one that has an active lease, and those whose leases below ended. */
  readonly revisions: readonly RevisionView[]
  /** Every active lease, and those of the functions of current revisions that ended and began within the last day. */
  readonly leases: readonly LeaseView[]
  /** What the issuers' pools hold, by incentive, in minor units. */
  readonly pools: ReadonlyMap<string, number>
  /** The owner of a node that has a lease, heard of or not. */
  readonly ownerOf: (node: string) => string | undefined
}

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
export type LeaseEndReason = 'superseded' | 'renewed' | 'surplus' | 'not_selected' | 'node_lost'
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
  /** `ownerAtRevision`: who could have run more of a revision but for its largest share per owner. */
  readonly ownersAtShare: ReadonlySet<string>
}

/** Plans the grants and ends that lead from the world to the wanted one. Applying a plan and planning again gives nothing new to do. */
export function planLeases(world: SchedulingWorld): LeasePlan {
  const planner = new Planner(world)
  for (const revision of world.revisions) if (revision.current) planner.planRevision(revision)
  return {grants: planner.grants, endings: planner.endings(), shortOfPay: planner.shortOfPay, ownersAtShare: planner.ownersAtShare}
}

class Planner {
  readonly grants: LeaseGrant[] = []
  readonly shortOfPay = new Map<string, ShortOfPay>()
  readonly ownersAtShare = new Set<string>()
  readonly #world: SchedulingWorld
  readonly #nodes: ReadonlyMap<string, SchedulingNode>
  readonly #revisions: ReadonlyMap<string, RevisionView>
  readonly #active: readonly LeaseView[]
  readonly #leasesOfRevision: ReadonlyMap<string, readonly LeaseView[]>
  readonly #ofFunction: ReadonlyMap<string, readonly RevisionView[]>
  readonly #pools: Map<string, number>
  readonly #leasesOfNode = new Map<string, number>()
  readonly #surplus = new Set<string>()

  constructor(world: SchedulingWorld) {
    this.#world = world
    this.#nodes = new Map(world.nodes.map((node) => [node.id, node]))
    this.#revisions = new Map(world.revisions.map((revision) => [revision.id, revision]))
    this.#active = world.leases.filter((lease) => lease.status === 'active')
    this.#leasesOfRevision = Map.groupBy(world.leases, (lease) => lease.revision)
    this.#ofFunction = Map.groupBy(world.revisions, functionOf)
    this.#pools = new Map(world.pools)
    for (const lease of this.#active) this.#countLease(lease.node)
  }

  /** Renews what runs out and leases to further nodes until there are enough. */
  planRevision(revision: RevisionView): void {
    const {nowMs, settings} = this.#world
    const wanted = wantedNodes(revision)
    const newest = newestPerNode(this.#leasesOfRevision.get(revision.id)?.filter((lease) => lease.status === 'active') ?? [])
    const holders = new Set<string>()
    for (const lease of newest.values()) {
      const node = this.#nodes.get(lease.node)
      if (!this.#isHeard(lease.node) || node?.draining) continue
      if (node && selectionRank(node.earn, revision, this.#world.exchangeOrg) === undefined) continue
      if (this.#isSurplus(lease, revision, holders.size)) {
        this.#surplus.add(lease.id)
        continue
      }
      holders.add(lease.node)
      const due =
        this.#isOvergrown(lease, revision) ||
        (nowMs >= lease.startsAtMs + settings.renewEveryMs &&
          (nowMs >= lease.startsAtMs + settings.leaseRenewMs || isUsedUp(lease) || this.#isOutgrown(lease, revision)))
      if (due && node?.enforcesLimits) this.#grant(node, revision, lease)
    }
    const candidates = this.#world.nodes.filter((node) => !newest.has(node.id) && this.#mayRun(node, revision))
    while (holders.size < wanted && candidates.length > 0 && this.grants.length < GRANTS_PER_PLAN_MAX) {
      const next = this.#best(candidates, revision, holders)
      candidates.splice(candidates.indexOf(next), 1)
      const granted = this.#grant(next, revision, undefined)
      if (granted === 'short_of_pay') return
      if (granted === 'granted') holders.add(next.id)
    }
  }

  endings(): LeaseEnding[] {
    const endings: LeaseEnding[] = []
    const newest = new Map([...Map.groupBy(this.#active, (lease) => lease.revision)].map(([id, leases]) => [id, newestPerNode(leases)]))
    for (const lease of this.#active) {
      const reason = this.#endReason(lease, newest.get(lease.revision)?.get(lease.node) ?? lease)
      if (reason) endings.push({lease: lease.id, reason})
    }
    return endings
  }

  #endReason(lease: LeaseView, newestOfPair: LeaseView): LeaseEndReason | undefined {
    const {nowMs, settings, exchangeOrg} = this.#world
    const drainMs = settings.drainMs + (this.#revisions.get(lease.revision)?.spec.timeoutMs ?? 0)
    if (newestOfPair.id !== lease.id && nowMs >= newestOfPair.startsAtMs + drainMs) return 'renewed'
    if (nowMs >= this.#replacedAtMs(lease) + drainMs) return 'superseded'
    if (this.#surplus.has(lease.id)) return 'surplus'
    if (nowMs >= this.#seenAtMs(lease.node) + settings.endLostAfterMs) return 'node_lost'
    const node = this.#nodes.get(lease.node)
    const revision = this.#revisions.get(lease.revision)
    const unselected = node && revision && selectionRank(node.earn, revision, exchangeOrg) === undefined
    return unselected && nowMs >= node.earnSinceMs + settings.drainMs ? 'not_selected' : undefined
  }

  /** True for a lease of the time when its revision had more traffic, once enough others stand: what it reserves is somebody else's to earn. */
  #isSurplus(lease: LeaseView, revision: RevisionView, holders: number): boolean {
    const {trafficAtMs, spec} = revision
    const settledAtMs = trafficAtMs + this.#world.settings.drainMs + spec.timeoutMs
    return holders >= wantedNodes(revision) && lease.startsAtMs < trafficAtMs && this.#world.nowMs >= settledAtMs
  }

  /** When the lease's revision was replaced: when it lost its traffic, or at the first lease of one that has it now, if that is later. */
  #replacedAtMs(lease: LeaseView): number {
    const revision = this.#revisions.get(lease.revision)
    if (!revision || revision.current) return Number.POSITIVE_INFINITY
    const next = this.#world.revisions.filter((other) => other.percent > 0 && isOneFunction(other, revision)).map(({id}) => id)
    const leases = this.#active.filter((other) => next.includes(other.revision))
    return Math.max(revision.trafficAtMs, leases.length === 0 ? 0 : Math.min(...leases.map((other) => other.startsAtMs)))
  }

  #mayRun(node: SchedulingNode, revision: RevisionView): boolean {
    return (
      this.#isHeard(node.id) &&
      !node.draining &&
      node.enforcesLimits &&
      isAdmitted(node, revision) &&
      fits(node, revision) &&
      (this.#leasesOfNode.get(node.id) ?? 0) < LEASES_PER_NODE_MAX &&
      selectionRank(node.earn, revision, this.#world.exchangeOrg) !== undefined
    )
  }

  /** Owners with the fewest leases of this revision first, then who wants it most, then who has least to do. */
  #best(candidates: readonly SchedulingNode[], revision: RevisionView, holders: ReadonlySet<string>): SchedulingNode {
    const ofOwner = new Map<string, number>()
    for (const id of holders) {
      const owner = this.#nodes.get(id)?.owner
      if (owner) ofOwner.set(owner, (ofOwner.get(owner) ?? 0) + 1)
    }
    const rank = (node: SchedulingNode) => selectionRank(node.earn, revision, this.#world.exchangeOrg) ?? node.earn.length
    const order = (a: SchedulingNode, b: SchedulingNode) =>
      (ofOwner.get(a.owner) ?? 0) - (ofOwner.get(b.owner) ?? 0) ||
      rank(a) - rank(b) ||
      (this.#leasesOfNode.get(a.id) ?? 0) - (this.#leasesOfNode.get(b.id) ?? 0) ||
      (a.id < b.id ? -1 : 1)
    return candidates.reduce((best, node) => (order(node, best) < 0 ? node : best))
  }

  /** When a line cannot be paid, nobody is asked to work for it; when only this owner has the most of it that one may have, others are. */
  #grant(node: SchedulingNode, revision: RevisionView, replaced: LeaseView | undefined): 'granted' | 'short_of_pay' | 'owner_share' {
    const budgets: LeaseBudget[] = []
    for (const line of payingLines(revision)) {
      const affordable = this.#affordable(line, revision, replaced)
      if (affordable <= 0) {
        this.shortOfPay.set(revision.id, (this.#pools.get(line.incentive) ?? 0) <= 0 ? 'pool_empty' : 'day_spent')
        return 'short_of_pay'
      }
      const amountMinor = Math.min(affordable, this.#leftForOwner(node.owner, line, revision, replaced))
      if (amountMinor <= 0) {
        this.ownersAtShare.add(ownerAtRevision(node.owner, revision.id))
        return 'owner_share'
      }
      budgets.push({incentive: line.incentive, amountMinor})
    }
    for (const budget of budgets) this.#pools.set(budget.incentive, (this.#pools.get(budget.incentive) ?? 0) - budget.amountMinor)
    this.#countLease(node.id)
    const earlier = this.#leasesOfRevision.get(revision.id)?.filter((lease) => lease.node === node.id) ?? []
    const number = Math.max(0, ...earlier.map((lease) => leaseNumber(lease.id)))
    const endsAtMs = this.#world.nowMs + this.#world.settings.leaseTermMs
    this.grants.push({node: node.id, revision: revision.id, endsAtMs, budgets, cause: `${node.id}:${revision.id}:${number}`})
    return 'granted'
  }

  /** What one owner's nodes may still earn of a line today. */
  #leftForOwner(owner: string, line: RewardLine, revision: RevisionView, replaced: LeaseView | undefined): number {
    const percent = revision.spec.ownerSharePercentMax
    if (percent === undefined) return Number.POSITIVE_INFINITY
    const most = Math.max(1, mulDivFloor(line.dailyBudgetMinor, percent, WHOLE_PERCENT).quotient)
    const family = this.#ofFunction.get(functionOf(revision)) ?? []
    return most - this.#committedToday(family, line.incentive, replaced, owner)
  }

  /** What a lease of this revision would reserve now; nothing, or less, when day or pool are used up. */
  #affordable(line: RewardLine, revision: RevisionView, replaced: LeaseView | undefined): number {
    const family = this.#ofFunction.get(functionOf(revision)) ?? []
    const daily = dailyBudgetMinor(line, revision, family)
    const share = Math.max(1, Math.floor(daily / wantedNodes(revision)))
    const leftOfShare = daily - this.#committedToday([revision], line.incentive, replaced)
    const leftOfDay = line.dailyBudgetMinor - this.#committedToday(family, line.incentive, replaced)
    return Math.min(share, leftOfShare, leftOfDay, this.#pools.get(line.incentive) ?? 0)
  }

  /** True when the lease was made for a greater share of the traffic: what it reserves beyond its own is its siblings' to earn. */
  #isOvergrown(lease: LeaseView, revision: RevisionView): boolean {
    if (revision.trafficAtMs <= lease.startsAtMs) return false
    return payingLines(revision).some((line) => {
      const budget = lease.budgets.find(({incentive}) => incentive === line.incentive)
      const left = (budget?.reservedMinor ?? 0) - (budget?.paidMinor ?? 0)
      const affordable = this.#affordable(line, revision, lease)
      return affordable > 0 && left > affordable
    })
  }

  /** True when the lease was made for a far smaller share of the traffic, or its owner has paid in since. */
  #isOutgrown(lease: LeaseView, revision: RevisionView): boolean {
    if (revision.trafficAtMs <= lease.startsAtMs) return false
    return payingLines(revision).some((line) => {
      const reserved = lease.budgets.find(({incentive}) => incentive === line.incentive)?.reservedMinor ?? 0
      return this.#affordable(line, revision, lease) >= reserved * RENEW_AT_GROWTH
    })
  }

  /**
   * What leases of these revisions may still pay or have paid of an incentive within a day of now. A lease that is replaced, or whose node is lost, or
   * whose revision has lost its traffic, counts by what it paid: it ends after the drain time. With `owner`, of that one's nodes alone.
   */
  #committedToday(revisions: readonly RevisionView[], incentive: string, replaced: LeaseView | undefined, owner?: string): number {
    const counts = (node: string): boolean => owner === undefined || this.#world.ownerOf(node) === owner
    let committed = 0
    for (const {id, current} of revisions) {
      const leases = this.#leasesOfRevision.get(id) ?? []
      const newest = newestPerNode(leases.filter((lease) => lease.status === 'active'))
      for (const lease of leases) {
        if (!counts(lease.node)) continue
        const isOpen = current && newest.get(lease.node) === lease && !this.#isReplaced(lease, replaced) && this.#isHeard(lease.node)
        committed += this.#countedMinor(lease, incentive, isOpen)
      }
    }
    const ids = new Set(revisions.map(({id}) => id))
    for (const grant of this.grants) {
      if (ids.has(grant.revision) && counts(grant.node))
        committed += grant.budgets.find((line) => line.incentive === incentive)?.amountMinor ?? 0
    }
    return committed
  }

  #isReplaced({id, node, revision}: LeaseView, replaced: LeaseView | undefined): boolean {
    return id === replaced?.id || this.grants.some((grant) => grant.node === node && grant.revision === revision)
  }

  #countedMinor(lease: LeaseView, incentive: string, isOpen: boolean): number {
    const budget = lease.budgets.find((line) => line.incentive === incentive)
    if (!budget) return 0
    if (lease.startsAtMs > this.#world.nowMs - DAY_MS) return isOpen ? budget.reservedMinor : budget.paidMinor
    return isOpen ? budget.reservedMinor - budget.paidMinor : 0
  }

  #countLease(node: string): void {
    this.#leasesOfNode.set(node, (this.#leasesOfNode.get(node) ?? 0) + 1)
  }

  #seenAtMs(node: string): number {
    return this.#nodes.get(node)?.seenAtMs ?? this.#world.startedAtMs
  }

  #isHeard(node: string): boolean {
    return this.#world.nowMs < this.#seenAtMs(node) + this.#world.settings.lostAfterMs
  }
}

function isUsedUp(lease: LeaseView): boolean {
  return lease.budgets.some(({reservedMinor, paidMinor}) => (reservedMinor - paidMinor) * 100 <= reservedMinor * RENEW_AT_LEFT_PERCENT)
}

function leaseNumber(id: string): number {
  return Number(id.slice(id.indexOf('_') + 1))
}

/** Of the leases of one revision, the one of each node that was granted last: it is the one to serve by. */
export function newestPerNode(leases: readonly LeaseView[]): Map<string, LeaseView> {
  const newest = new Map<string, LeaseView>()
  for (const lease of leases) {
    const other = newest.get(lease.node)
    if (!other || leaseNumber(lease.id) > leaseNumber(other.id)) newest.set(lease.node, lease)
  }
  return newest
}
