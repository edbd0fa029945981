import type {RevisionEntry} from '../core/protocol/tables.ts'
import type {RevisionPool} from './revision-pool.ts'

export interface RevisionPoolsOptions {
  /** A revision of the newest table that has traffic or a tag; undefined for all others. */
  readonly current: (id: string) => RevisionEntry | undefined
  readonly make: (entry: RevisionEntry) => RevisionPool
}

/** The pools of the revisions that are used: each is made when it is first asked for and let go when nothing of it is left, so that a function that sleeps has none. */
export class RevisionPools {
  readonly #options: RevisionPoolsOptions
  readonly #pools = new Map<string, RevisionPool>()

  constructor(options: RevisionPoolsOptions) {
    this.#options = options
  }

  [Symbol.iterator](): Iterator<RevisionPool> {
    return this.#pools.values()
  }

  /** By a newer table, of which these are the revisions. What shall always run never sleeps. */
  update(revisions: Iterable<RevisionEntry>): void {
    for (const entry of revisions) {
      const pool = entry.spec.scaleMin > 0 ? this.wake(entry.id) : this.#pools.get(entry.id)
      if (pool !== undefined) pool.entry = entry
    }
  }

  /** Undefined while it sleeps, and for one that there is none of. */
  get(id: string): RevisionPool | undefined {
    return this.#pools.get(id)
  }

  /** The same, made where a current one sleeps. */
  wake(id: string): RevisionPool | undefined {
    const known = this.#pools.get(id)
    if (known !== undefined) return known
    const entry = this.#options.current(id)
    if (entry === undefined) return undefined
    const made = this.#options.make(entry)
    this.#pools.set(id, made)
    return made
  }

  /** Lets go of it if it sleeps. */
  rest(pool: RevisionPool): void {
    if (pool.isAsleep) this.drop(pool)
  }

  drop({entry: {id}}: RevisionPool): void {
    this.#pools.delete(id)
  }
}
