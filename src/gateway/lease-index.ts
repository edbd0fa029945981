import type {LeaseEntry} from '../core/protocol/tables.ts'

/** The leases of one table, to be found without reading all of them. */
export class LeaseIndex {
  readonly #byId = new Map<string, LeaseEntry>()
  readonly #byRevision = new Map<string, LeaseEntry[]>()

  constructor(leases: readonly LeaseEntry[]) {
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

  of(revision: string): readonly LeaseEntry[] {
    return this.#byRevision.get(revision) ?? []
  }
}
