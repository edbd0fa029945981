import type {LeaseEvent, LeaseView, Ledger} from '../ledger/port.ts'

const DAY_MS = 24 * 3600 * 1000

/** A lease whose budgets are paid from while it is known. */
type Kept = Omit<LeaseView, 'budgets' | 'status' | 'endsAtMs'> & {
  status: LeaseView['status']
  endsAtMs: number
  readonly budgets: {readonly incentive: string; readonly reservedMinor: number; paidMinor: number}[]
}

/**
 * Every lease that is active, and those that ended and began within the last day, as the projections show them: read once, then kept by what each
 * group of the ledger did. Planning looks through all of them every few seconds, and each heartbeat asks for one node's.
 */
export class KnownLeases {
  readonly #leases = new Map<string, Kept>()
  readonly #ended = new Map<string, Kept>()
  readonly #ofNode = new Map<string, Kept[]>()
  /** How many active ones there are, by revision, and one of them, whose texts the others share: there are many. */
  readonly #ofRevision = new Map<string, {readonly like: Kept; count: number}>()
  readonly #unsubscribe: () => void

  /** Before anything is submitted to the ledger: what it tells is counted from here on. */
  constructor(ledger: Ledger) {
    for (const lease of ledger.reads.leases({status: 'active'})) this.#add(lease)
    for (const lease of ledger.reads.endedLeases({startedAfterMs: ledger.nowMs() - DAY_MS}).reverse())
      this.#ended.set(lease.id, this.#keptOf(lease))
    this.#unsubscribe = ledger.onCommitted(({leases}) => {
      for (const event of leases) this.#follow(event)
    })
  }

  /** Oldest first. */
  active(): Iterable<LeaseView> {
    return this.#leases.values()
  }

  /** One that is active or has just ended. */
  find(lease: string): LeaseView | undefined {
    return this.#leases.get(lease) ?? this.#ended.get(lease)
  }

  ofNode(node: string): readonly LeaseView[] {
    return this.#ofNode.get(node) ?? []
  }

  /** How many active leases a revision has. */
  countOf(revision: string): number {
    return this.#ofRevision.get(revision)?.count ?? 0
  }

  /** Those that have an active lease. */
  revisions(): Iterable<string> {
    return this.#ofRevision.keys()
  }

  /** Ended ones that began within a day of now. */
  endedToday(nowMs: number): Iterable<LeaseView> {
    for (const [id, {startsAtMs}] of this.#ended) if (startsAtMs <= nowMs - DAY_MS) this.#ended.delete(id)
    return this.#ended.values()
  }

  close(): void {
    this.#unsubscribe()
  }

  #follow(event: LeaseEvent): void {
    if (event.type === 'granted') this.#add(event.lease)
    else if (event.type === 'ended') this.#end(event.lease, event.endsAtMs)
    else {
      const budgets = (this.#leases.get(event.lease) ?? this.#ended.get(event.lease))?.budgets ?? []
      for (const budget of budgets) {
        for (const {incentive, amountMinor} of event.paid) if (incentive === budget.incentive) budget.paidMinor += amountMinor
      }
    }
  }

  #add(lease: LeaseView): void {
    const kept = this.#keptOf(lease)
    this.#leases.set(kept.id, kept)
    const ofNode = this.#ofNode.get(kept.node)
    if (ofNode === undefined) this.#ofNode.set(kept.node, [kept])
    else ofNode.push(kept)
    const ofRevision = this.#ofRevision.get(kept.revision)
    if (ofRevision === undefined) this.#ofRevision.set(kept.revision, {like: kept, count: 1})
    else ofRevision.count += 1
  }

  #end(id: string, endsAtMs: number): void {
    const lease = this.#leases.get(id)
    if (lease === undefined) return
    lease.status = 'ended'
    lease.endsAtMs = endsAtMs
    this.#leases.delete(id)
    this.#ended.set(id, lease)
    const others = this.#ofNode.get(lease.node)?.filter((other) => other !== lease) ?? []
    if (others.length === 0) this.#ofNode.delete(lease.node)
    else this.#ofNode.set(lease.node, others)
    const ofRevision = this.#ofRevision.get(lease.revision)
    if (ofRevision === undefined) return
    ofRevision.count -= 1
    if (ofRevision.count === 0) this.#ofRevision.delete(lease.revision)
  }

  /** A copy that is counted on: of the texts that many leases have in common one is kept. */
  #keptOf({id, node, revision, startsAtMs, endsAtMs, status, budgets}: LeaseView): Kept {
    const like = this.#ofRevision.get(revision)?.like
    return {
      id,
      node: this.#ofNode.get(node)?.[0]?.node ?? node,
      revision: like?.revision ?? revision,
      startsAtMs,
      endsAtMs,
      status: status === 'active' ? 'active' : 'ended',
      budgets: budgets.map(({incentive, reservedMinor, paidMinor}) => ({
        incentive: like?.budgets.find((budget) => budget.incentive === incentive)?.incentive ?? incentive,
        reservedMinor,
        paidMinor
      }))
    }
  }
}
