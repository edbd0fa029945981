import type {RevisionEntry, RoutesTable} from '../core/protocol/tables.ts'
import type {Destination} from '../core/routing.ts'
import type {RevisionPool} from './revision-pool.ts'

/** Which revisions serve each function: by the newest table, and by the ones before it until something of the newest is warm. */
export class ServedRevisions {
  readonly #pools: ReadonlyMap<string, RevisionPool>
  /** Called, once a tick, for one that a request should have gone to and of which nothing runs or starts. */
  readonly #onMissed: (pool: RevisionPool) => void
  /** By function, greatest share first. */
  #traffic = new Map<string, readonly string[]>()
  #current = new Set<string>()
  /** By function: those that lost their traffic and stand in as long as none that has it is warm. */
  readonly #before = new Map<string, Set<string>>()

  constructor(pools: ReadonlyMap<string, RevisionPool>, onMissed: (pool: RevisionPool) => void) {
    this.#pools = pools
    this.#onMissed = onMissed
  }

  update({apps}: Pick<RoutesTable, 'apps'>): void {
    const traffic = new Map<string, readonly string[]>()
    this.#current = new Set()
    for (const {org, app, functions} of apps) {
      for (const {function: name, revision, traffic: shares = [], tags = []} of functions) {
        const key = functionKey({org, app, function: name})
        const next = shares.length === 0 ? [revision] : shares.toSorted((a, b) => b.percent - a.percent).map((share) => share.revision)
        traffic.set(key, next)
        for (const id of [...next, ...tags.map((tag) => tag.revision)]) this.#current.add(id)
        const before = new Set([...(this.#traffic.get(key) ?? []), ...(this.#before.get(key) ?? [])])
        for (const id of next) before.delete(id)
        this.#before.set(key, before)
      }
    }
    for (const key of this.#before.keys()) if (!traffic.has(key)) this.#before.delete(key)
    this.#traffic = traffic
  }

  /** True while it has traffic or a tag. */
  isCurrent(revision: string): boolean {
    return this.#current.has(revision)
  }

  /**
   * Where a request goes: to the revision that it is for if that is warm, or else to another of the function that is, while the first is started; never
   * to one of those that refused it. What had the traffic before is among the others until something that has it now is warm.
   */
  choose(destination: Destination, refused?: ReadonlySet<RevisionPool>): RevisionPool | undefined {
    const {revision, isPinned} = destination
    const wanted = this.#pools.get(revision)
    const mayServe = wanted !== undefined && !refused?.has(wanted)
    if (mayServe && (isPinned || wanted.warmCount > 0)) return wanted
    if (isPinned) return undefined
    const key = functionKey(destination)
    const others = [...this.#poolsOf(this.#traffic.get(key)), ...this.#poolsOf(this.#before.get(key))]
    const usable = others.filter((pool) => pool !== wanted && !refused?.has(pool))
    const warm = usable.find((pool) => pool.warmCount > 0)
    if (warm !== undefined && mayServe) this.#miss(wanted)
    return warm ?? (mayServe ? wanted : usable.find((pool) => this.isCurrent(pool.entry.id)))
  }

  #miss(pool: RevisionPool): void {
    if (pool.missed) return
    pool.missed = true
    if (pool.starting === 0) this.#onMissed(pool)
  }

  /**
   * True while this one, which has lost its traffic, serves on because nothing that has it now is warm: then that should be started. Once something
   * is, or this one is cold, it never serves again.
   */
  stillStandsIn(pool: RevisionPool): boolean {
    const key = functionKey(pool.entry)
    const before = this.#before.get(key)
    if (before === undefined || !before.has(pool.entry.id)) return false
    const isNeeded = pool.warmCount > 0 && this.#poolsOf(this.#traffic.get(key)).every((other) => other.warmCount === 0)
    if (!isNeeded) before.delete(pool.entry.id)
    return isNeeded
  }

  /** Of the revisions that have the traffic of this one's function now, the one to start, if none is being started. */
  successorOf(pool: RevisionPool): RevisionPool | undefined {
    const now = this.#poolsOf(this.#traffic.get(functionKey(pool.entry)))
    return now.every((other) => other.starting === 0) ? now[0] : undefined
  }

  #poolsOf(revisions: Iterable<string> = []): RevisionPool[] {
    return [...revisions].flatMap((id) => this.#pools.get(id) ?? [])
  }
}

function functionKey({org, app, function: name}: Pick<RevisionEntry, 'org' | 'app' | 'function'>): string {
  return `${org}/${app}/${name}`
}
