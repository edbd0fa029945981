import type {LeaseEntry, RevisionEntry, RoutesTable} from '../core/protocol/tables.ts'

export type AppEntry = RoutesTable['apps'][number]
export type FunctionEntry = AppEntry['functions'][number]
export type FunctionOf = Pick<RevisionEntry, 'org' | 'app' | 'function'>

/** One table, to be asked without reading all of it. It is made of the table's own objects: this is all that a gateway holds for a function that sleeps. */
export class TableIndex {
  readonly #leases: ReadonlyMap<string, LeaseEntry>
  readonly #revisions: ReadonlyMap<string, RevisionEntry>
  readonly #apps: ReadonlyMap<string, AppEntry>
  readonly #byRevision = new Map<string, LeaseEntry | readonly LeaseEntry[]>()

  constructor({leases, revisions, apps}: Pick<RoutesTable, 'leases' | 'revisions' | 'apps'>) {
    this.#leases = new Map(leases.map((lease) => [lease.id, lease]))
    this.#revisions = new Map(revisions.map((entry) => [entry.id, entry]))
    this.#apps = new Map(apps.map((app) => [appKey(app), app]))
    for (const lease of leases) {
      const others = this.#byRevision.get(lease.revision)
      this.#byRevision.set(lease.revision, others === undefined ? lease : [...listOf(others), lease])
    }
  }

  lease(id: string): LeaseEntry | undefined {
    return this.#leases.get(id)
  }

  revision(id: string): RevisionEntry | undefined {
    return this.#revisions.get(id)
  }

  get revisions(): Iterable<RevisionEntry> {
    return this.#revisions.values()
  }

  leasesOf(revision: string): readonly LeaseEntry[] {
    const leases = this.#byRevision.get(revision)
    return leases === undefined ? [] : listOf(leases)
  }

  get apps(): Iterable<AppEntry> {
    return this.#apps.values()
  }

  app(of: Pick<FunctionOf, 'org' | 'app'>): AppEntry | undefined {
    return this.#apps.get(appKey(of))
  }

  function(of: FunctionOf): FunctionEntry | undefined {
    return this.app(of)?.functions.find((entry) => entry.function === of.function)
  }
}

function listOf(leases: LeaseEntry | readonly LeaseEntry[]): readonly LeaseEntry[] {
  return 'id' in leases ? [leases] : leases
}

function appKey({org, app}: Pick<FunctionOf, 'org' | 'app'>): string {
  return `${org}/${app}`
}
