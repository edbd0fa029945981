import type {RevisionEntry} from '../core/protocol/tables.ts'
import type {Destination} from '../core/routing.ts'
import type {RevisionPool} from './revision-pool.ts'
import type {RevisionPools} from './revision-pools.ts'
import {type FunctionEntry, type FunctionOf, TableIndex} from './table-index.ts'

/** Which revisions serve each function: by the newest table, and by the ones before it until something of the newest is warm. */
export class ServedRevisions {
  readonly #pools: RevisionPools
  /** Called, once a tick, for one that a request should have gone to and of which nothing runs or starts. */
  readonly #onMissed: (pool: RevisionPool) => void
  #table = new TableIndex({leases: [], revisions: [], apps: []})
  /** By function: those that lost their traffic and stand in as long as none that has it is warm. */
  readonly #before = new Map<string, Set<string>>()

  constructor(pools: RevisionPools, onMissed: (pool: RevisionPool) => void) {
    this.#pools = pools
    this.#onMissed = onMissed
  }

  update(table: TableIndex): void {
    const earlier = this.#table
    this.#table = table
    const known = new Set<string>()
    for (const {org, app, functions} of table.apps) {
      const before = new Map(earlier.app({org, app})?.functions.map((served) => [served.function, served]))
      for (const served of functions) {
        const of = {org, app, function: served.function}
        this.#follow(of, before.get(served.function), served)
        if (this.#before.has(functionKey(of))) known.add(functionKey(of))
      }
    }
    for (const key of this.#before.keys()) if (!known.has(key)) this.#before.delete(key)
  }

  #follow(of: FunctionOf, earlier: FunctionEntry | undefined, served: FunctionEntry): void {
    const key = functionKey(of)
    const standIns = this.#before.get(key)
    if (standIns === undefined && (earlier === undefined || haveSameTraffic(earlier, served))) return
    const before = new Set([...(earlier === undefined ? [] : trafficOf(earlier)), ...(standIns ?? [])])
    for (const id of trafficOf(served)) before.delete(id)
    if (before.size > 0) this.#before.set(key, before)
    else this.#before.delete(key)
  }

  /** True while it has traffic or a tag. */
  isCurrent(revision: FunctionOf & {readonly id: string}): boolean {
    const served = this.#table.function(revision)
    return (
      served !== undefined && (trafficOf(served).includes(revision.id) || (served.tags ?? []).some((tag) => tag.revision === revision.id))
    )
  }

  /** The revision, while it has traffic or a tag. */
  current(id: string): RevisionEntry | undefined {
    const entry = this.#table.revision(id)
    return entry !== undefined && this.isCurrent(entry) ? entry : undefined
  }

  /** All of them, with their pools where they are used: those that have no traffic and no tag any more only while they are. */
  get all(): readonly {readonly entry: RevisionEntry; readonly pool: RevisionPool | undefined}[] {
    const listed = [...this.#table.revisions].map((entry) => ({entry, pool: this.#pools.get(entry.id)}))
    const gone = [...this.#pools].filter(({entry}) => this.#table.revision(entry.id) === undefined)
    return [
      ...listed.filter(({entry, pool}) => pool !== undefined || this.isCurrent(entry)),
      ...gone.map((pool) => ({entry: pool.entry, pool}))
    ]
  }

  /**
   * Where a request goes: to the revision that it is for if that is warm, or else to another of the function that is, while the first is started; never
   * to one of those that refused it. What had the traffic before is among the others until something that has it now is warm.
   */
  choose(destination: Destination, refused?: ReadonlySet<RevisionPool>): RevisionPool | undefined {
    const {revision, isPinned} = destination
    const wanted = this.#pools.wake(revision)
    const mayServe = wanted !== undefined && !refused?.has(wanted)
    if (mayServe && (isPinned || wanted.warmCount > 0)) return wanted
    if (isPinned) return undefined
    const others = [...this.#trafficOf(destination), ...(this.#before.get(functionKey(destination)) ?? [])].filter((id) => id !== revision)
    const isUsable = (pool: RevisionPool | undefined): pool is RevisionPool => pool !== undefined && !refused?.has(pool)
    const warm = others.map((id) => this.#pools.get(id)).find((pool) => isUsable(pool) && pool.warmCount > 0)
    if (warm !== undefined && mayServe) this.#miss(wanted)
    return (
      warm ?? (mayServe ? wanted : others.map((id) => this.#pools.wake(id)).find((pool) => isUsable(pool) && this.isCurrent(pool.entry)))
    )
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
    const before = this.#before.get(functionKey(pool.entry))
    if (before === undefined || !before.has(pool.entry.id)) return false
    const isNeeded = pool.warmCount > 0 && this.#trafficOf(pool.entry).every((id) => (this.#pools.get(id)?.warmCount ?? 0) === 0)
    if (!isNeeded) before.delete(pool.entry.id)
    return isNeeded
  }

  /** Of the revisions that have the traffic of this one's function now, the one to start, if none is being started. */
  successorOf(pool: RevisionPool): RevisionPool | undefined {
    const now = this.#trafficOf(pool.entry).flatMap((id) => this.#pools.wake(id) ?? [])
    return now.every((other) => other.starting === 0) ? now[0] : undefined
  }

  #trafficOf(of: FunctionOf): readonly string[] {
    const served = this.#table.function(of)
    return served === undefined ? [] : trafficOf(served)
  }
}

/** Revisions that share the traffic, greatest share first. */
function trafficOf({revision, traffic = []}: FunctionEntry): readonly string[] {
  return traffic.length === 0 ? [revision] : traffic.toSorted((a, b) => b.percent - a.percent).map((share) => share.revision)
}

function haveSameTraffic(one: FunctionEntry, other: FunctionEntry): boolean {
  const [mine, its] = [trafficOf(one), trafficOf(other)]
  return mine.length === its.length && mine.every((id) => its.includes(id))
}

function functionKey({org, app, function: name}: FunctionOf): string {
  return `${org}/${app}/${name}`
}
