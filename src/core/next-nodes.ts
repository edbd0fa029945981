import {Heap} from './heap.ts'
import type {SchedulingNode} from './scheduling.ts'

export interface Candidate {
  readonly node: SchedulingNode
  /** Place of the revision in what its owner selected. */
  readonly rank: number
  /** How many leases it has. */
  readonly leases: number
}

interface OwnersNodes {
  readonly owner: string
  /** Leases of the revision that the owner's nodes hold. */
  held: number
  readonly nodes: Heap<Candidate>
}

/**
 * Those that may get leases of one revision: those of fair standing first, of these owners with the fewest of it, then who wants it most, then who has
 * least to do.
 */
export class NextNodes {
  readonly #owners: Heap<OwnersNodes>
  readonly #leftOut = new Set<string>()

  constructor(candidates: readonly Candidate[], heldByOwner: ReadonlyMap<string, number>) {
    const owners = [...Map.groupBy(candidates, ({node}) => node.owner)].map(([owner, nodes]) => ({
      owner,
      held: heldByOwner.get(owner) ?? 0,
      nodes: new Heap(nodes, isBefore)
    }))
    this.#owners = new Heap(owners, isOwnerBefore)
  }

  take(): SchedulingNode | undefined {
    while (this.#leftOut.has(this.#owners.first?.owner ?? '')) this.#owners.take()
    const owner = this.#owners.first
    const next = owner?.nodes.take()
    if (owner === undefined || next === undefined) return undefined
    owner.held += 1
    if (owner.nodes.first === undefined) this.#owners.take()
    else this.#owners.firstChanged()
    return next.node
  }

  /** None of this one's nodes any more. */
  leaveOut(owner: string): void {
    this.#leftOut.add(owner)
  }
}

function isOwnerBefore(a: OwnersNodes, b: OwnersNodes): boolean {
  const [one, other] = [a.nodes.first, b.nodes.first]
  if (one === undefined || other === undefined) return one !== undefined
  if (one.node.standing !== other.node.standing) return one.node.standing === undefined
  return a.held === b.held ? isBefore(one, other) : a.held < b.held
}

function isBefore(a: Candidate, b: Candidate): boolean {
  if (a.node.standing !== b.node.standing) return a.node.standing === undefined
  if (a.rank !== b.rank) return a.rank < b.rank
  if (a.leases !== b.leases) return a.leases < b.leases
  return a.node.id < b.node.id
}
