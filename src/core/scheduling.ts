import {ENDINGS_PER_PLAN_MAX, LeaseEndings} from './lease-endings.ts'
import {isResting, isUsedUp, LeasePay, type NotPaid} from './lease-pay.ts'
import type {LeaseEnding, LeaseGrant, LeasePlan} from './lease-plan.ts'
import {LeasesByRevision} from './leases-by-revision.ts'
import {type Candidate, NextNodes} from './next-nodes.ts'
import type {LeaseView, RevisionView} from './protocol/api.ts'
import type {Architecture} from './protocol/scalars.ts'
import {functionOf, wantedNodes} from './traffic.ts'
import {fits, isAdmitted, partOfRevision, SelectionRanks} from './wanted-work.ts'

/**
 * Who may run what: a pure function from what the coordinator knows to the leases that it should grant and end.
 * It only proposes; every grant and every end is then a signed command that the ledger checks again.
 */

/** What one plan grants; the next one goes on. */
export const GRANTS_PER_PLAN_MAX = 10_000
/** Nodes that came back after others had taken their place are kept beyond the wanted number, up to this many per cent of it. */
const SPARE_NODES_PERCENT = 50

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
  /** The most leases that a node may have, whatever it offers. */
  readonly leasesPerNodeMax: number
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
  /** How many leases it takes. */
  readonly leasesMax: number
  readonly seenAtMs: number
  /** When `earn` last changed. */
  readonly earnSinceMs: number
  /** The same, but for a node that was only ever heard with this selection. */
  readonly reselectedAtMs?: number
  /** Left out for a fair one. */
  readonly standing?: 'poor'
}

export interface SchedulingWorld {
  readonly nowMs: number
  /** A node that was not heard of since counts as seen at this time: neither a restart nor the sleep of the coordinator's machine loses anybody. */
  readonly startedAtMs: number
  readonly exchangeOrg: string
  /** How long after its end a lease still reserves what it may pay. */
  readonly receiptGraceMs: number
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

/** Plans the grants and ends that lead from the world to the wanted one. Applying a plan and planning again gives nothing new to do. */
export function planLeases(world: SchedulingWorld): LeasePlan {
  const planner = new Planner(world)
  for (const revision of world.revisions) if (revision.current) planner.planRevision(revision)
  const endings = planner.endings()
  const isCut = planner.isFull || endings.length >= ENDINGS_PER_PLAN_MAX
  const {short: shortOfPay, ownersAtShare} = planner.pay
  return {grants: planner.grants, endings, shortOfPay, ownersAtShare, resting: planner.resting, isCut}
}

/**
 * Goes once through all leases, and for a revision that lacks nodes once through those that could take it: linear in what there is, whatever is granted.
 */
class Planner {
  readonly grants: LeaseGrant[] = []
  readonly resting = new Set<string>()
  readonly pay: LeasePay
  readonly #world: SchedulingWorld
  readonly #nodes: ReadonlyMap<string, SchedulingNode>
  readonly #revisions: ReadonlyMap<string, RevisionView>
  readonly #active: readonly LeaseView[]
  readonly #leases: LeasesByRevision
  readonly #ofFunction: ReadonlyMap<string, readonly RevisionView[]>
  readonly #ranks: SelectionRanks
  readonly #leasesOfNode = new Map<string, {count: number}>()
  readonly #surplus = new Set<string>()
  readonly #hasPoor: boolean
  /** Nodes that may be given anything at all. */
  readonly #open: readonly SchedulingNode[]

  constructor(world: SchedulingWorld) {
    this.#world = world
    this.#nodes = new Map(world.nodes.map((node) => [node.id, node]))
    this.#revisions = new Map(world.revisions.map((revision) => [revision.id, revision]))
    this.#hasPoor = world.nodes.some(({standing}) => standing === 'poor')
    this.#active = world.leases.filter((lease) => lease.status === 'active')
    this.#leases = new LeasesByRevision(world.leases)
    this.#ofFunction = Map.groupBy(world.revisions, functionOf)
    this.pay = new LeasePay(world, {leases: this.#leases, ofFunction: this.#ofFunction, isHeard: (node) => this.#isHeard(node)})
    this.#ranks = new SelectionRanks(world.nodes, world.exchangeOrg)
    for (const lease of this.#active) this.#countLease(lease.node)
    this.#open = world.nodes.filter((node) => !node.draining && node.enforcesLimits && this.#hasRoom(node) && this.#isHeardOf(node))
  }

  get isFull(): boolean {
    return this.grants.length >= GRANTS_PER_PLAN_MAX
  }

  /** Renews what runs out and leases to further nodes until there are enough. */
  planRevision(revision: RevisionView): void {
    const newest = this.#leases.newest(revision.id)
    const holders = new Set<string>()
    const {poor, fair} = this.#byStanding(newest)
    const handOver: HandOver = {left: poor.length === 0 ? 0 : Math.floor(newest.size / 2) - this.#countNewcomers(revision)}
    for (const lease of [...fair, ...poor]) {
      const node = this.#nodes.get(lease.node)
      if (!this.#isHeardOf(node) || node?.draining) continue
      if (node && this.#ranks.of(node, revision) === undefined) continue
      const isDue = node?.enforcesLimits === true && this.#isDue(lease, revision)
      const isPoor = node?.standing === 'poor'
      if (this.#isSurplus(lease, revision, holders.size) || (isDue && isPoor && holders.size >= wantedNodes(revision))) {
        this.#surplus.add(lease.id)
        continue
      }
      const successor = isDue && isPoor ? this.#successor(lease, revision, {holders, handOver}) : undefined
      holders.add(successor ?? lease.node)
      if (successor !== undefined) this.#surplus.add(lease.id)
      else if (isDue && !this.isFull) this.#grant(node, revision, lease)
    }
    if (holders.size < wantedNodes(revision) && !this.isFull) this.#addNodes(revision, holders)
  }

  /**
   * A node that stands poorly is not renewed where one of fair standing can take its place, which costs no more than the renewal; and only so many of a
   * revision at a time that half of its nodes have served it before. Undefined when nobody took it.
   */
  #successor(
    lease: LeaseView,
    revision: RevisionView,
    {holders, handOver}: {readonly holders: ReadonlySet<string>; readonly handOver: HandOver}
  ): string | undefined {
    if (handOver.left <= 0 || this.isFull) return undefined
    // Looked for once, so that what is planned stays linear.
    handOver.next ??= this.#candidatesFor(revision, holders)
    for (let node = handOver.next.take(); node?.standing === undefined && node !== undefined; node = handOver.next.take()) {
      const granted = this.#grant(node, revision, lease)
      if (granted === 'owner_share') {
        handOver.next.leaveOut(node.owner)
        continue
      }
      if (granted === 'granted') {
        handOver.left -= 1
        return node.id
      }
      break
    }
    handOver.left = 0
    return undefined
  }

  /** Nodes that have the revision since so short a time that they may not be ready for it. */
  #countNewcomers(revision: RevisionView): number {
    const sinceMs = this.#world.nowMs - this.#world.settings.drainMs
    const before = new Set<string>()
    for (const {node, startsAtMs} of this.#leases.of(revision.id)) if (startsAtMs <= sinceMs) before.add(node)
    return [...this.#leases.newest(revision.id).keys()].filter((node) => !before.has(node)).length
  }

  #addNodes(revision: RevisionView, holders: ReadonlySet<string>): void {
    // For most of the revisions that stay short of nodes, pay or nodes have run out: both are seen before everybody is looked at.
    if (!this.#open.some((node) => this.#mayRun(node, revision, holders)) || this.pay.budgetsFor(revision, {}) === 'short_of_pay') return
    const next = this.#candidatesFor(revision, holders)
    for (let held = holders.size; held < wantedNodes(revision) && !this.isFull; ) {
      const node = next.take()
      if (node === undefined) return
      const granted = this.#grant(node, revision, undefined)
      if (granted === 'short_of_pay') return
      if (granted === 'owner_share') next.leaveOut(node.owner)
      else held += 1
    }
  }

  /** Those that could take a further lease of the revision. */
  #candidatesFor(revision: RevisionView, holders: ReadonlySet<string>): NextNodes {
    const candidates = this.#open.filter((node) => this.#mayRun(node, revision, holders))
    return new NextNodes(
      candidates.map((node): Candidate => {
        return {node, rank: this.#ranks.of(node, revision) ?? node.earn.length, leases: this.#leasesOfNode.get(node.id)?.count ?? 0}
      }),
      this.#heldByOwner(holders)
    )
  }

  #mayRun(node: SchedulingNode, revision: RevisionView, holders: ReadonlySet<string>): boolean {
    return (
      this.#hasRoom(node) &&
      isAdmitted(node, revision) &&
      fits(node, revision) &&
      this.#ranks.of(node, revision) !== undefined &&
      !this.#leases.newest(revision.id).has(node.id) &&
      !holders.has(node.id) &&
      !this.#isResting(node, revision)
    )
  }

  #isResting(node: SchedulingNode, revision: RevisionView): boolean {
    const isSo = isResting(node, revision, this.#leases.newestEnded(revision.id).get(node.id), this.#world)
    if (isSo) this.resting.add(partOfRevision(node.id, revision.id))
    return isSo
  }

  #heldByOwner(holders: ReadonlySet<string>): Map<string, number> {
    const held = new Map<string, number>()
    for (const id of holders) {
      const owner = this.#nodes.get(id)?.owner
      if (owner) held.set(owner, (held.get(owner) ?? 0) + 1)
    }
    return held
  }

  endings(): LeaseEnding[] {
    const [nodes, revisions, ofFunction] = [this.#nodes, this.#revisions, this.#ofFunction]
    const known = {world: this.#world, nodes, revisions, ofFunction, leases: this.#leases, ranks: this.#ranks, surplus: this.#surplus}
    return new LeaseEndings(known).among(this.#active)
  }

  /**
   * True for a lease that is not needed, once enough others stand: one of the time when its revision had more traffic, since what it reserves is
   * somebody else's to earn; and, when it would be renewed, one beyond those that are spare.
   */
  #isSurplus(lease: LeaseView, revision: RevisionView, holders: number): boolean {
    const {nowMs, settings} = this.#world
    const {trafficAtMs, spec} = revision
    const wanted = wantedNodes(revision)
    if (holders < wanted) return false
    if (holders >= wanted + Math.ceil((wanted * SPARE_NODES_PERCENT) / 100) && nowMs >= lease.startsAtMs + settings.leaseRenewMs)
      return true
    return lease.startsAtMs < trafficAtMs && nowMs >= trafficAtMs + settings.drainMs + spec.timeoutMs
  }

  #isDue(lease: LeaseView, revision: RevisionView): boolean {
    const {nowMs, settings} = this.#world
    if (this.pay.isOvergrown(lease, revision)) return true
    if (nowMs < lease.startsAtMs + settings.renewEveryMs) return false
    return nowMs >= lease.startsAtMs + settings.leaseRenewMs || isUsedUp(lease) || this.pay.isOutgrown(lease, revision)
  }

  /** When a line cannot be paid, nobody is asked to work for it; when only this owner has the most of it that one may have, others are. */
  #grant(node: SchedulingNode, revision: RevisionView, replaced: LeaseView | undefined): 'granted' | NotPaid {
    const budgets = this.pay.budgetsFor(revision, {owner: node.owner, replaced})
    if (typeof budgets === 'string') return budgets
    this.#countLease(node.id)
    const number = this.#leases.lastNumber(revision.id, node.id)
    const endsAtMs = this.#world.nowMs + this.#world.settings.leaseTermMs
    const grant = {node: node.id, revision: revision.id, endsAtMs, budgets, cause: `${node.id}:${revision.id}:${number}`}
    this.pay.grant(grant, revision, replaced)
    this.grants.push(grant)
    return 'granted'
  }

  #hasRoom(node: SchedulingNode): boolean {
    return (this.#leasesOfNode.get(node.id)?.count ?? 0) < Math.min(node.leasesMax, this.#world.settings.leasesPerNodeMax)
  }

  #countLease(node: string): void {
    const leases = this.#leasesOfNode.get(node)
    if (leases === undefined) this.#leasesOfNode.set(node, {count: 1})
    else leases.count += 1
  }

  #isHeard(node: string): boolean {
    return this.#isHeardOf(this.#nodes.get(node))
  }

  #isHeardOf(node: SchedulingNode | undefined): boolean {
    const {nowMs, startedAtMs, settings} = this.#world
    return nowMs < Math.max(node?.seenAtMs ?? 0, startedAtMs) + settings.lostAfterMs
  }

  /** Leases of nodes that stand poorly, which most networks have none of, and the others. */
  #byStanding(newest: ReadonlyMap<string, LeaseView>): {readonly poor: readonly LeaseView[]; readonly fair: readonly LeaseView[]} {
    const leases = [...newest.values()]
    if (!this.#hasPoor) return {poor: [], fair: leases}
    const {poor = [], fair = []} = Object.groupBy(leases, ({node}) => this.#nodes.get(node)?.standing ?? 'fair')
    return {poor, fair}
  }
}

/** How many nodes of a revision may still be replaced by others in this plan, and by whom. */
interface HandOver {
  left: number
  next?: NextNodes
}
