/** Leases whose last change is remembered, over all nodes: beyond that the one that changed the longest ago is forgotten. */
const LEASES_MAX = 100_000

export interface ChangedLease {
  readonly lease: string
  readonly node: string
  readonly revision: string
  /** Ledger sequence of the group that changed it last. */
  readonly seq: number
}

/** Which leases changed since when, as far back as there is room: what tells a reader of tables only what it has not heard yet. */
export class LeaseChanges {
  readonly #max: number
  /** The longest unchanged first. */
  readonly #byLease = new Map<string, ChangedLease>()
  readonly #ofNode = new Map<string, Set<string>>()
  #knownSince: number

  /** Nothing is known of what was before `seq`. */
  constructor(seq: number, max: number = LEASES_MAX) {
    this.#knownSince = seq
    this.#max = max
  }

  /** All changes after this sequence are known, and after each later one. */
  get knownSince(): number {
    return this.#knownSince
  }

  /** Sequences never go back. */
  note(change: ChangedLease): void {
    this.#byLease.delete(change.lease)
    this.#byLease.set(change.lease, change)
    const ofNode = this.#ofNode.get(change.node)
    if (ofNode === undefined) this.#ofNode.set(change.node, new Set([change.lease]))
    else ofNode.add(change.lease)
    if (this.#byLease.size > this.#max) this.#forgetOldest()
  }

  since(seq: number): ChangedLease[] {
    return [...this.#byLease.values()].filter((change) => change.seq > seq)
  }

  ofNodeSince(node: string, seq: number): ChangedLease[] {
    const changes = [...(this.#ofNode.get(node) ?? [])].flatMap((lease) => this.#byLease.get(lease) ?? [])
    return changes.filter((change) => change.seq > seq)
  }

  #forgetOldest(): void {
    const [oldest] = this.#byLease.values()
    if (oldest === undefined) return
    this.#knownSince = oldest.seq
    this.#byLease.delete(oldest.lease)
    const ofNode = this.#ofNode.get(oldest.node)
    ofNode?.delete(oldest.lease)
    if (ofNode?.size === 0) this.#ofNode.delete(oldest.node)
  }
}
