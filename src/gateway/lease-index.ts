import type {LeaseEntry, RevisionEntry} from '../core/protocol/tables.ts'

/** The leases of one table with their revisions, to be found without reading all of them. */
export class LeaseIndex {
  readonly #byId = new Map<string, LeaseEntry>()
  readonly #byRevision = new Map<string, LeaseEntry[]>()

  readonly #revisions: ReadonlyMap<string, RevisionEntry>

  constructor(leases: readonly LeaseEntry[], revisions: readonly RevisionEntry[]) {
    this.#revisions = new Map(revisions.map((entry) => [entry.id, entry]))
    for (const lease of leases) {
      this.#byId.set(lease.id, lease)
      const others = this.#byRevision.get(lease.revision)
      if (others === undefined) this.#byRevision.set(lease.revision, [lease])
      else others.push(lease)
    }
  }

  find(id: string): LeaseEntry | undefined {
    return this.#byId.get(id)
  }

  revisionOf(lease: LeaseEntry): RevisionEntry | undefined {
    return this.#revisions.get(lease.revision)
  }

  of(revision: string): readonly LeaseEntry[] {
    return this.#byRevision.get(revision) ?? []
  }
}
