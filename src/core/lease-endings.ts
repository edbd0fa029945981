import type {LeaseEnding, LeaseEndReason} from './lease-plan.ts'
import type {LeasesByRevision} from './leases-by-revision.ts'
import type {LeaseView, RevisionView} from './protocol/api.ts'
import type {SchedulingNode, SchedulingWorld} from './scheduling.ts'
import {functionOf} from './traffic.ts'
import type {SelectionRanks} from './wanted-work.ts'

/** Ended by one plan; the next one goes on. */
export const ENDINGS_PER_PLAN_MAX = 1000

export interface EndingsKnown {
  readonly world: SchedulingWorld
  readonly nodes: ReadonlyMap<string, SchedulingNode>
  readonly revisions: ReadonlyMap<string, RevisionView>
  readonly ofFunction: ReadonlyMap<string, readonly RevisionView[]>
  readonly leases: LeasesByRevision
  readonly ranks: SelectionRanks
  /** Leases that are not needed. */
  readonly surplus: ReadonlySet<string>
}

/** What is asked of each lease of one revision. */
interface OfRevision {
  readonly id: string
  readonly revision: RevisionView | undefined
  readonly drainMs: number
  /** The newest lease by node, where a node has more than one. */
  readonly renewed: ReadonlyMap<string, LeaseView> | undefined
}

/** Which active leases should end, and why. */
export class LeaseEndings {
  readonly #known: EndingsKnown
  readonly #replacedAtMs = new Map<string, number>()
  #last: OfRevision | undefined

  constructor(known: EndingsKnown) {
    this.#known = known
  }

  among(active: readonly LeaseView[]): LeaseEnding[] {
    const endings: LeaseEnding[] = []
    for (const lease of active) {
      if (endings.length >= ENDINGS_PER_PLAN_MAX) break
      const reason = this.#reason(lease, this.#ofRevision(lease.revision))
      if (reason) endings.push({lease: lease.id, reason})
    }
    return endings
  }

  #reason(lease: LeaseView, {revision, drainMs, renewed}: OfRevision): LeaseEndReason | undefined {
    const {world, ranks, surplus} = this.#known
    const {nowMs, settings, startedAtMs} = world
    const successor = renewed?.get(lease.node) ?? lease
    if (successor.id !== lease.id && nowMs >= successor.startsAtMs + drainMs) return 'renewed'
    if (revision && !revision.current && nowMs >= this.#replacedAt(revision) + drainMs) return 'superseded'
    if (surplus.size > 0 && surplus.has(lease.id)) return 'surplus'
    const node = this.#known.nodes.get(lease.node)
    if (nowMs >= Math.max(node?.seenAtMs ?? 0, startedAtMs) + settings.endLostAfterMs) return 'node_lost'
    const isUnselected = node && revision && ranks.of(node, revision) === undefined
    return isUnselected && nowMs >= node.earnSinceMs + settings.drainMs ? 'not_selected' : undefined
  }

  /** The same for many leases that come one after the other. */
  #ofRevision(id: string): OfRevision {
    if (this.#last?.id === id) return this.#last
    const {world, revisions, leases} = this.#known
    const revision = revisions.get(id)
    const newest = leases.newest(id)
    const drainMs = world.settings.drainMs + (revision?.spec.timeoutMs ?? 0)
    this.#last = {id, revision, drainMs, renewed: newest.size < leases.countActive(id) ? newest : undefined}
    return this.#last
  }

  /** When a revision was replaced: when it lost its traffic, or at the first lease of one that has it now, if that is later. */
  #replacedAt(revision: RevisionView): number {
    const known = this.#replacedAtMs.get(revision.id)
    if (known !== undefined) return known
    let firstMs = Number.POSITIVE_INFINITY
    for (const next of this.#known.ofFunction.get(functionOf(revision)) ?? []) {
      if (next.percent === 0) continue
      for (const lease of this.#known.leases.of(next.id)) if (lease.status === 'active') firstMs = Math.min(firstMs, lease.startsAtMs)
    }
    const atMs = Math.max(revision.trafficAtMs, firstMs === Number.POSITIVE_INFINITY ? 0 : firstMs)
    this.#replacedAtMs.set(revision.id, atMs)
    return atMs
  }
}
