import type {CommandType} from '../core/protocol/commands.ts'
import type {Ledger, LedgerReads, RevisionView} from '../ledger/port.ts'
import type {KnownLeases} from './known-leases.ts'

const DAY_MS = 24 * 3600 * 1000
/** Newest revisions of an app that are looked at for what their function paid within a day. */
const EARLIER_REVISIONS_MAX = 1000
/** Commands after which other revisions may be current. */
const DEPLOYING: readonly CommandType[] = ['revision.deploy', 'traffic.set', 'app.destroy']

/** The revisions that leases are planned for: read and parsed once after each deploy, since every heartbeat of a node without work asks for them. */
export class KnownRevisions {
  readonly #reads: LedgerReads
  readonly #leases: Pick<KnownLeases, 'revisions'>
  readonly #unsubscribe: () => void
  #current: readonly RevisionView[] | undefined
  /** Of those that have no traffic any more and still have leases. */
  readonly #leased = new Map<string, RevisionView>()
  /** Revisions without traffic of the apps of those that were current then. */
  #earlier: {readonly current: readonly RevisionView[]; readonly revisions: readonly RevisionView[]} | undefined

  constructor(tools: {readonly ledger: Ledger; readonly leases: Pick<KnownLeases, 'revisions'>}) {
    this.#reads = tools.ledger.reads
    this.#leases = tools.leases
    this.#unsubscribe = tools.ledger.onCommitted(({types}) => {
      if (!DEPLOYING.some((type) => types.has(type))) return
      this.#current = undefined
      this.#leased.clear()
    })
  }

  /** Those that have traffic or a tag. */
  current(): readonly RevisionView[] {
    this.#current ??= this.#reads.currentRevisions()
    return this.#current
  }

  /** Those that may have leases, or count for what their functions paid within the day before now. */
  all(nowMs: number): RevisionView[] {
    const current = this.current()
    return [...current, ...this.#old(current, nowMs)]
  }

  close(): void {
    this.#unsubscribe()
  }

  /** Those that still have a lease, and those that lost their traffic within the last day: what they paid is of their functions' day. */
  #old(current: readonly RevisionView[], nowMs: number): RevisionView[] {
    const known = new Set(current.map((revision) => revision.id))
    const leased = new Set([...this.#leases.revisions()].filter((id) => !known.has(id)))
    const left = this.#earlierOf(current).filter(({id, trafficAtMs}) => !leased.has(id) && trafficAtMs > nowMs - DAY_MS)
    return [...[...leased].flatMap((id) => this.#leasedOne(id) ?? []), ...left]
  }

  #leasedOne(id: string): RevisionView | undefined {
    const revision = this.#leased.get(id) ?? this.#reads.revision(id)
    if (revision !== undefined) this.#leased.set(id, revision)
    return revision
  }

  #earlierOf(current: readonly RevisionView[]): readonly RevisionView[] {
    if (this.#earlier?.current === current) return this.#earlier.revisions
    const apps = new Map(current.map(({org, app}) => [`${org}/${app}`, {org, app}]))
    const revisions = [...apps.values()].flatMap((app) =>
      this.#reads.revisions({...app, limit: EARLIER_REVISIONS_MAX}).filter((one) => !one.current)
    )
    this.#earlier = {current, revisions}
    return revisions
  }
}
