import type {LeaseView} from './protocol/api.ts'

/** Leases by what they are of, with what planning asks of them again and again. */
export class LeasesByRevision {
  readonly #leases: ReadonlyMap<string, readonly LeaseView[]>
  readonly #newest = new Map<string, ReadonlyMap<string, LeaseView>>()
  readonly #active = new Map<string, number>()
  readonly #newestEnded = new Map<string, ReadonlyMap<string, LeaseView>>()
  readonly #numbers = new Map<string, ReadonlyMap<string, number>>()

  constructor(leases: readonly LeaseView[]) {
    this.#leases = Map.groupBy(leases, (lease) => lease.revision)
  }

  of(revision: string): readonly LeaseView[] {
    return this.#leases.get(revision) ?? []
  }

  /** Of each node the active one that was granted last. */
  newest(revision: string): ReadonlyMap<string, LeaseView> {
    const known = this.#newest.get(revision)
    if (known !== undefined) return known
    const active = this.of(revision).filter((lease) => lease.status === 'active')
    const newest = newestPerNode(active)
    this.#newest.set(revision, newest)
    this.#active.set(revision, active.length)
    return newest
  }

  /** How many are active. */
  countActive(revision: string): number {
    this.newest(revision)
    return this.#active.get(revision) ?? 0
  }

  /** Of each node the one that ended and was granted last. */
  newestEnded(revision: string): ReadonlyMap<string, LeaseView> {
    const known = this.#newestEnded.get(revision)
    if (known !== undefined) return known
    const newest = newestPerNode(this.of(revision).filter((lease) => lease.status === 'ended'))
    this.#newestEnded.set(revision, newest)
    return newest
  }

  /** Of the last lease that the node was granted, active or not; 0 when it had none. */
  lastNumber(revision: string, node: string): number {
    const known = this.#numbers.get(revision)
    if (known !== undefined) return known.get(node) ?? 0
    const numbers = new Map<string, number>()
    for (const lease of this.of(revision)) numbers.set(lease.node, Math.max(numbers.get(lease.node) ?? 0, leaseNumber(lease.id)))
    this.#numbers.set(revision, numbers)
    return numbers.get(node) ?? 0
  }
}

/** Of the leases of one revision, the one of each node that was granted last: it is the one to serve by. */
export function newestPerNode(leases: readonly LeaseView[]): Map<string, LeaseView> {
  const newest = new Map<string, LeaseView>()
  for (const lease of leases) newest.set(lease.node, lease)
  if (newest.size === leases.length) return newest
  // Nodes of which there is more than one are rare: only then is each looked up before it is set.
  newest.clear()
  for (const lease of leases) {
    const other = newest.get(lease.node)
    if (!other || leaseNumber(lease.id) > leaseNumber(other.id)) newest.set(lease.node, lease)
  }
  return newest
}

function leaseNumber(id: string): number {
  return Number(id.slice(id.indexOf('_') + 1))
}
