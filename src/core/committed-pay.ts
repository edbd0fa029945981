import type {LeaseGrant} from './lease-plan.ts'
import type {LeasesByRevision} from './leases-by-revision.ts'
import type {LeaseView, RevisionView} from './protocol/api.ts'
import {functionOf} from './traffic.ts'

const DAY_MS = 24 * 3600 * 1000

/**
 * What leases may still pay or have paid of an incentive within a day of now, by revision and by function, together with what this plan grants. A
 * lease that is replaced, or whose node is lost, or whose revision has lost its traffic, counts by what it paid: it ends after the drain time.
 * Each sum is made once, from the leases, and then kept.
 */
export class CommittedPay {
  readonly #nowMs: number
  readonly #receiptGraceMs: number
  readonly #leases: LeasesByRevision
  readonly #isHeard: (node: string) => boolean
  readonly #ownerOf: (node: string) => string | undefined
  readonly #ofFunction: ReadonlyMap<string, readonly RevisionView[]>
  /** By revision or function, and incentive. */
  readonly #sums = new Map<string, number>()
  /** By function and incentive, then by owner. */
  readonly #ownersSums = new Map<string, Map<string | undefined, number>>()
  /** What this plan grants, by function, and the leases that it replaces. */
  readonly #granted = new Map<string, LeaseGrant[]>()
  readonly #replaced = new Set<string>()

  constructor(of: {
    readonly nowMs: number
    readonly receiptGraceMs: number
    readonly leases: LeasesByRevision
    /** Every revision that is known. */
    readonly ofFunction: ReadonlyMap<string, readonly RevisionView[]>
    readonly isHeard: (node: string) => boolean
    readonly ownerOf: (node: string) => string | undefined
  }) {
    this.#nowMs = of.nowMs
    this.#receiptGraceMs = of.receiptGraceMs
    this.#leases = of.leases
    this.#isHeard = of.isHeard
    this.#ownerOf = of.ownerOf
    this.#ofFunction = of.ofFunction
  }

  /** Of the revision alone and of its whole function, as if the lease that is replaced were so already. */
  minor(revision: RevisionView, incentive: string, replaced: LeaseView | undefined): {readonly own: number; readonly all: number} {
    const freed = replaced === undefined ? 0 : this.#freedMinor(replaced, revision, incentive)
    return {own: this.#revisionMinor(revision, incentive) - freed, all: this.#functionMinor(revision, incentive) - freed}
  }

  /** Of the whole function, by one owner's nodes. */
  ofOwner(owner: string, revision: RevisionView, incentive: string, replaced: LeaseView | undefined): number {
    const isOwn = replaced !== undefined && this.#ownerOf(replaced.node) === owner
    return (this.#ownersMinor(revision, incentive).get(owner) ?? 0) - (isOwn ? this.#freedMinor(replaced, revision, incentive) : 0)
  }

  /** What leases of the revision still reserve, those too that ended and are not settled; of those from before its traffic last changed, nothing. */
  unsettledMinor(revision: RevisionView, incentive: string): number {
    return this.#once(unsettledKey(revision.id, incentive), () => {
      const grants = this.#granted.get(functionOf(revision))?.filter((grant) => grant.revision === revision.id) ?? []
      const leases = this.#leases.of(revision.id).filter((lease) => lease.startsAtMs >= revision.trafficAtMs && this.#reserves(lease))
      return [...leases.map((lease) => unpaid(lease, incentive)), ...grants.map((grant) => granted(grant, incentive))].reduce(
        (sum, minor) => sum + minor,
        0
      )
    })
  }

  #reserves({status, endsAtMs}: LeaseView): boolean {
    return status === 'active' || this.#nowMs < endsAtMs + this.#receiptGraceMs
  }

  /** From now on the grant counts, and what it replaces by what that paid. */
  grant(grant: LeaseGrant, revision: RevisionView, replaced: LeaseView | undefined): void {
    const family = functionOf(revision)
    const owner = this.#ownerOf(grant.node)
    for (const {incentive} of revision.spec.rewards) {
      const freed = replaced === undefined ? 0 : this.#freedMinor(replaced, revision, incentive)
      const delta = granted(grant, incentive) - freed
      for (const key of [keyOf(revision.id, incentive), keyOf(family, incentive)]) {
        const sum = this.#sums.get(key)
        if (sum !== undefined) this.#sums.set(key, sum + delta)
      }
      const unsettled = this.#sums.get(unsettledKey(revision.id, incentive))
      if (unsettled !== undefined) this.#sums.set(unsettledKey(revision.id, incentive), unsettled + granted(grant, incentive))
      const owners = this.#ownersSums.get(keyOf(family, incentive))
      owners?.set(owner, (owners.get(owner) ?? 0) + granted(grant, incentive))
      const before = replaced && this.#ownerOf(replaced.node)
      if (replaced !== undefined) owners?.set(before, (owners.get(before) ?? 0) - freed)
    }
    const grants = this.#granted.get(family)
    if (grants === undefined) this.#granted.set(family, [grant])
    else grants.push(grant)
    if (replaced !== undefined) this.#replaced.add(replaced.id)
  }

  #revisionMinor(revision: RevisionView, incentive: string): number {
    return this.#once(keyOf(revision.id, incentive), () => {
      const grants = this.#granted.get(functionOf(revision))?.filter((grant) => grant.revision === revision.id) ?? []
      const leases = this.#leases.of(revision.id).map((lease) => this.#countedMinor(lease, incentive, this.#isOpen(lease, revision)))
      return [...leases, ...grants.map((grant) => granted(grant, incentive))].reduce((sum, minor) => sum + minor, 0)
    })
  }

  #functionMinor(revision: RevisionView, incentive: string): number {
    return this.#once(keyOf(functionOf(revision), incentive), () =>
      this.#family(revision).reduce((sum, one) => sum + this.#revisionMinor(one, incentive), 0)
    )
  }

  #ownersMinor(revision: RevisionView, incentive: string): ReadonlyMap<string | undefined, number> {
    const key = keyOf(functionOf(revision), incentive)
    const known = this.#ownersSums.get(key)
    if (known !== undefined) return known
    const sums = new Map<string | undefined, number>()
    const add = (node: string, minor: number): unknown => sums.set(this.#ownerOf(node), (sums.get(this.#ownerOf(node)) ?? 0) + minor)
    for (const one of this.#family(revision))
      for (const lease of this.#leases.of(one.id)) add(lease.node, this.#countedMinor(lease, incentive, this.#isOpen(lease, one)))
    for (const grant of this.#granted.get(functionOf(revision)) ?? []) add(grant.node, granted(grant, incentive))
    this.#ownersSums.set(key, sums)
    return sums
  }

  #once(key: string, make: () => number): number {
    const known = this.#sums.get(key)
    if (known !== undefined) return known
    const made = make()
    this.#sums.set(key, made)
    return made
  }

  #family(revision: RevisionView): readonly RevisionView[] {
    return this.#ofFunction.get(functionOf(revision)) ?? []
  }

  #freedMinor(lease: LeaseView, revision: RevisionView, incentive: string): number {
    if (!this.#isOpen(lease, revision)) return 0
    return this.#countedMinor(lease, incentive, true) - this.#countedMinor(lease, incentive, false)
  }

  #isOpen(lease: LeaseView, revision: RevisionView): boolean {
    if (!revision.current || this.#replaced.has(lease.id)) return false
    return this.#leases.newest(revision.id).get(lease.node) === lease && this.#isHeard(lease.node)
  }

  #countedMinor(lease: LeaseView, incentive: string, isOpen: boolean): number {
    const budget = lease.budgets.find((line) => line.incentive === incentive)
    if (!budget) return 0
    if (lease.startsAtMs > this.#nowMs - DAY_MS) return isOpen ? budget.reservedMinor : budget.paidMinor
    return isOpen ? budget.reservedMinor - budget.paidMinor : 0
  }
}

function keyOf(scope: string, incentive: string): string {
  return `${scope} ${incentive}`
}

function unsettledKey(revision: string, incentive: string): string {
  return `unsettled ${keyOf(revision, incentive)}`
}

function unpaid({budgets}: LeaseView, incentive: string): number {
  const budget = budgets.find((line) => line.incentive === incentive)
  return budget === undefined ? 0 : budget.reservedMinor - budget.paidMinor
}

function granted({budgets}: LeaseGrant, incentive: string): number {
  return budgets.find((line) => line.incentive === incentive)?.amountMinor ?? 0
}
