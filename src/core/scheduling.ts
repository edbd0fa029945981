import {GUTTA, type LeaseView, type RevisionView} from './protocol/api.ts'
import type {RewardLine} from './protocol/revisions.ts'
import {dailyBudgetMinor, functionOf, isOneFunction, wantedNodes} from './traffic.ts'

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
}

/** Place of the first selection that this revision pays, or undefined when it pays none of them. */
export function selectionRank(earn: readonly string[], revision: RevisionView, exchangeOrg: string): number | undefined {
  const rank = earn.findIndex((selection) => paysSelection(selection, revision, exchangeOrg))
  return rank === -1 ? undefined : rank
}

/** Gutta is paid by epochs to whoever runs the exchange's own functions; everything else by the revision's lines. */
function paysSelection(selection: string, revision: RevisionView, exchangeOrg: string): boolean {
  if (selection === GUTTA) return revision.org === exchangeOrg
  const lines = payingLines(revision)
  if (selection.startsWith('org:')) return lines.some((line) => line.incentive.startsWith(`${selection.slice('org:'.length)}/`))
  return lines.some((line) => line.incentive === selection)
}

function payingLines(revision: RevisionView): RewardLine[] {
  return revision.spec.rewards.filter(
    (line) => line.requestsPerMillionMinor > 0 || line.mibMsPerMillionMinor > 0 || (line.standbyMsPerMillionMinor ?? 0) > 0
  )
}

/** Plans the grants and ends that lead from the world to the wanted one. Applying a plan and planning again gives nothing new to do. */
export function planLeases(world: SchedulingWorld): LeasePlan {
  const planner = new Planner(world)
  for (const revision of world.revisions) if (revision.current) planner.planRevision(revision)
  return {grants: planner.grants, endings: planner.endings(), shortOfPay: planner.shortOfPay}
}

class Planner {
  readonly grants: LeaseGrant[] = []
  readonly shortOfPay = new Map<string, ShortOfPay>()
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
      if (!this.#grant(next, revision, undefined)) return
      holders.add(next.id)
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

  /** False when a line cannot be paid: then nobody is asked to work for it. */
  #grant(node: SchedulingNode, revision: RevisionView, replaced: LeaseView | undefined): boolean {
    const budgets: LeaseBudget[] = []
    for (const line of payingLines(revision)) {
      const amountMinor = this.#affordable(line, revision, replaced)
      if (amountMinor <= 0) {
        this.shortOfPay.set(revision.id, (this.#pools.get(line.incentive) ?? 0) <= 0 ? 'pool_empty' : 'day_spent')
        return false
      }
      budgets.push({incentive: line.incentive, amountMinor})
    }
    for (const budget of budgets) this.#pools.set(budget.incentive, (this.#pools.get(budget.incentive) ?? 0) - budget.amountMinor)
    this.#countLease(node.id)
    const earlier = this.#leasesOfRevision.get(revision.id)?.filter((lease) => lease.node === node.id) ?? []
    const number = Math.max(0, ...earlier.map((lease) => leaseNumber(lease.id)))
    const endsAtMs = this.#world.nowMs + this.#world.settings.leaseTermMs
    this.grants.push({node: node.id, revision: revision.id, endsAtMs, budgets, cause: `${node.id}:${revision.id}:${number}`})
    return true
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
   * whose revision has lost its traffic, counts by what it paid: it ends after the drain time.
   */
  #committedToday(revisions: readonly RevisionView[], incentive: string, replaced: LeaseView | undefined): number {
    let committed = 0
    for (const {id, current} of revisions) {
      const leases = this.#leasesOfRevision.get(id) ?? []
      const newest = newestPerNode(leases.filter((lease) => lease.status === 'active'))
      for (const lease of leases) {
        const isOpen = current && newest.get(lease.node) === lease && !this.#isReplaced(lease, replaced) && this.#isHeard(lease.node)
        committed += this.#countedMinor(lease, incentive, isOpen)
      }
    }
    const ids = new Set(revisions.map(({id}) => id))
    for (const grant of this.grants) {
      if (ids.has(grant.revision)) committed += grant.budgets.find((line) => line.incentive === incentive)?.amountMinor ?? 0
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

/** One instance must fit; how many run is decided by demand, and by the miner's own caps. */
function fits(node: SchedulingNode, revision: RevisionView): boolean {
  return revision.spec.memoryBytes <= node.memoryBytes && revision.spec.cpuMillis <= node.cpuMillis
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

/** Why this node has nothing to do, in one sentence for its owner; null when it has a lease. */
export function noWorkReason(
  node: SchedulingNode,
  world: Pick<SchedulingWorld, 'revisions' | 'leases' | 'exchangeOrg'>,
  shortOfPay: ReadonlyMap<string, ShortOfPay>
): string | null {
  if (node.draining) return 'This node is draining, so it takes no new work.'
  if (!node.enforcesLimits) return 'This machine cannot enforce memory and CPU limits, so it takes no work; `creo doctor` says why.'
  if (world.leases.some((lease) => lease.status === 'active' && lease.node === node.id)) return null
  const current = world.revisions.filter((revision) => revision.current)
  if (current.length === 0) return 'No function is deployed in this network yet.'
  const paying = current.filter((revision) => selectionRank(node.earn, revision, world.exchangeOrg) !== undefined)
  if (paying.length === 0) return `No deployed function pays what you selected (${node.earn.join(', ') || 'nothing'}).`
  const fitting = paying.filter((revision) => fits(node, revision))
  if (fitting.length === 0) return 'Every function that pays what you selected needs more memory or CPU than this node offers.'
  const short = fitting.map((revision) => shortOfPay.get(revision.id))
  if (short.every((reason) => reason === 'pool_empty')) return 'The reward pool of what you selected is empty.'
  if (short.every((reason) => reason !== undefined)) return 'What you selected has spent its budget for today.'
  return 'Every function that pays what you selected has enough nodes; this one is next in line.'
}
