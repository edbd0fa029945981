import {isIP} from 'node:net'
import type Database from 'better-sqlite3'
import {REVISIONS_KEPT_MAX} from '../core/exchange/limits.ts'
import {FilteredRows} from './filtered-rows.ts'
import type {
  AppRoutes,
  AppView,
  EpochView,
  GatewayView,
  LeaseView,
  LedgerReads,
  NodeView,
  PaidView,
  ReceiptView,
  RevisionView
} from './port.ts'
import {PAID_HOUR_MS} from './projection-schema.ts'

const REVISIONS = `
SELECT id, org, app, function, image_digest AS imageDigest, spec, current, percent, tags, served, traffic_at_ms AS trafficAtMs,
  deployed_at_ms AS deployedAtMs FROM revisions`
/** Routes of an app that was destroyed; one that is there has some. */
const DESTROYED = '[]'
/** Among so many a mistyped name is looked for. */
const APP_NAMES = `SELECT app FROM apps WHERE org = ? AND routes <> '${DESTROYED}' ORDER BY app LIMIT 500`
/** Of what is served or can be gone back to; an app that was destroyed has nothing of the kind. */
const LIVE_IMAGES = `
SELECT image_digest FROM (
  SELECT image_digest, current, row_number() OVER (PARTITION BY org, app, function, current ORDER BY number DESC) AS place
  FROM revisions JOIN apps USING (org, app) WHERE apps.routes <> '${DESTROYED}'
) WHERE current = 1 OR place <= ${REVISIONS_KEPT_MAX}
UNION SELECT image_digest FROM revisions JOIN leases ON leases.revision = revisions.id WHERE leases.status = 'active'`
const LEASES = 'SELECT id, node, revision, starts_at_ms AS startsAtMs, ends_at_ms AS endsAtMs, status FROM leases'
const NEWEST_LEASES = `${LEASES} ORDER BY seq DESC`
const BUDGETS =
  'SELECT incentive, reserved_minor AS reservedMinor, paid_minor AS paidMinor FROM lease_budgets WHERE lease = ? ORDER BY position'
const NODES = 'SELECT id, name, owner, architecture, public_key AS publicKey, enrolled_at_ms AS enrolledAtMs FROM nodes'
const GATEWAYS = `
SELECT id, public_key AS publicKey, name, tunnel_url AS tunnelUrl, public_url AS publicUrl FROM gateways WHERE admitted = 1 ORDER BY id`
const RECEIPTS = 'SELECT id, lease, requests, mib_ms AS mibMs, standby_ms AS standbyMs, paid, seq, at_ms AS atMs FROM receipts'

const PAID = `
SELECT org, app, function, sum(requests) AS requests, sum(mib_ms) AS mibMs, sum(paid_minor) AS paidMinor FROM paid_hours
  WHERE incentive = ? AND hour >= ? GROUP BY org, app, function ORDER BY org, app, function`

type RevisionRow = Omit<RevisionView, 'spec' | 'current' | 'tags' | 'served'> & {
  readonly spec: string
  readonly current: number
  readonly tags: string
  readonly served: number
}
type ReceiptRow = Omit<ReceiptView, 'paid'> & {readonly paid: string}
type LeaseRow = Omit<LeaseView, 'budgets'>

/** Apps, revisions, leases, nodes, gateways, receipts and epochs. */
export class NetworkReads {
  readonly #apps: FilteredRows<{org: string; app: string; routes: string}, 'org' | 'app'>
  readonly #appNames: Database.Statement<[string], string>
  readonly #revisions: FilteredRows<RevisionRow, 'id' | 'org' | 'app' | 'current'>
  readonly #releases: FilteredRows<RevisionRow, 'org' | 'app'>
  readonly #liveImages: Database.Statement<[], string>
  readonly #leases: FilteredRows<LeaseRow, 'id' | 'node' | 'revision' | 'status'>
  readonly #newestLeases: Database.Statement<[], LeaseRow>
  readonly #budgets: Database.Statement<[string], LeaseView['budgets'][number]>
  readonly #nodes: FilteredRows<NodeView, 'id' | 'key_id' | 'owner'>
  readonly #nodeSequence: Database.Statement<[unknown], number>
  readonly #gateways: Database.Statement<[], GatewayView>
  readonly #receipts: FilteredRows<ReceiptRow, 'id' | 'lease' | 'node'>
  readonly #paid: Database.Statement<[string, number], PaidView>
  readonly #epochs: FilteredRows<Omit<EpochView, 'shares'> & {shares: string}, never>

  constructor(database: Database.Database) {
    this.#apps = new FilteredRows(database, 'SELECT org, app, routes FROM apps', 'ORDER BY org, app', {org: 'string', app: 'string'})
    this.#appNames = database.prepare<[string], string>(APP_NAMES).pluck()
    this.#revisions = new FilteredRows(database, REVISIONS, 'ORDER BY number')
    this.#releases = new FilteredRows(database, REVISIONS, 'ORDER BY number DESC', {number: 'number'})
    this.#liveImages = database.prepare<[], string>(LIVE_IMAGES).pluck()
    this.#leases = new FilteredRows(database, LEASES, 'ORDER BY seq DESC', {seq: 'number'})
    this.#newestLeases = database.prepare(NEWEST_LEASES)
    this.#budgets = database.prepare(BUDGETS)
    this.#nodes = new FilteredRows(database, NODES, 'ORDER BY seq', {seq: 'number'})
    this.#nodeSequence = database.prepare<[unknown], number>('SELECT seq FROM nodes WHERE id = ?').pluck()
    this.#gateways = database.prepare(GATEWAYS)
    this.#receipts = new FilteredRows(database, RECEIPTS, 'ORDER BY seq DESC', {seq: 'number'})
    this.#paid = database.prepare(PAID)
    this.#epochs = new FilteredRows(database, 'SELECT epoch, seq, minted AS mintedMicroGutta, shares FROM epochs', 'ORDER BY epoch DESC', {
      epoch: 'number'
    })
  }

  apps({org, ...page}: Parameters<LedgerReads['apps']>[0]): AppView[] {
    return this.#apps.all({org}, page).map((row) => this.#appView(row))
  }

  app(org: string, app: string): AppView | undefined {
    const row = this.#apps.get({org, app})
    return row && this.#appView(row)
  }

  appNames(org: string): string[] {
    return this.#appNames.all(org)
  }

  appRoutes(): AppRoutes[] {
    const routed = this.#apps.all({}).filter(({routes}) => routes !== DESTROYED)
    return routed.map((row) => ({
      org: row.org,
      app: row.app,
      routes: JSON.parse(row.routes) as AppRoutes['routes'],
      functions: [...Map.groupBy(this.#revisionsOf(row.org, row.app), (revision) => revision.function).values()].flatMap(functionRoutes)
    }))
  }

  revision(id: string): RevisionView | undefined {
    const row = this.#revisions.get({id})
    return row && revisionView(row)
  }

  revisions({org, app, ...page}: Parameters<LedgerReads['revisions']>[0]): RevisionView[] {
    return this.#releases.all({org, app}, page).map(revisionView)
  }

  currentRevisions(): RevisionView[] {
    return this.#revisions.all({current: 1}).map(revisionView)
  }

  liveImages(): string[] {
    return this.#liveImages.all()
  }

  leases({node, revision, status, ...page}: Parameters<LedgerReads['leases']>[0]): LeaseView[] {
    const newestFirst = this.#leases.all({node, revision, status}, page)
    return newestFirst.reverse().map((row) => this.#leaseView(row))
  }

  endedLeases({startedAfterMs}: Parameters<LedgerReads['endedLeases']>[0]): LeaseView[] {
    const ended: LeaseRow[] = []
    for (const row of this.#newestLeases.iterate()) {
      // The ledger's time never goes back: what was granted before began before.
      if (row.startsAtMs <= startedAfterMs) break
      if (row.status === 'ended') ended.push(row)
    }
    return ended.map((row) => this.#leaseView(row))
  }

  lease(id: string): LeaseView | undefined {
    const row = this.#leases.get({id})
    return row && this.#leaseView(row)
  }

  nodes({owner, after, ...page}: Parameters<LedgerReads['nodes']>[0]): NodeView[] {
    // A node's view does not say its place in the order; an id that nobody has is no place.
    const place = after && [this.#nodeSequence.get(after[0]) ?? '']
    return this.#nodes.all({owner}, {...page, ...(place && {after: place})})
  }

  node(id: string): NodeView | undefined {
    return this.#nodes.get({id})
  }

  nodeByKey(keyId: string): NodeView | undefined {
    return this.#nodes.get({key_id: keyId})
  }

  gateways(): GatewayView[] {
    return this.#gateways.all()
  }

  receipts({lease, node, ...page}: Parameters<LedgerReads['receipts']>[0]): ReceiptView[] {
    return this.#receipts.all({lease, node}, page).map(receiptView)
  }

  receipt(id: string): ReceiptView | undefined {
    const row = this.#receipts.get({id})
    return row && receiptView(row)
  }

  paid({incentive, sinceMs}: Parameters<LedgerReads['paid']>[0]): PaidView[] {
    return this.#paid.all(incentive, Math.floor(sinceMs / PAID_HOUR_MS))
  }

  epochs(page: Parameters<LedgerReads['epochs']>[0]): EpochView[] {
    return this.#epochs.all({}, page).map((row) => ({...row, shares: JSON.parse(row.shares) as EpochView['shares']}))
  }

  #leaseView(row: LeaseRow): LeaseView {
    return {...row, budgets: this.#budgets.all(row.id)}
  }

  #appView({org, app, routes}: {readonly org: string; readonly app: string; readonly routes: string}): AppView {
    const addresses = this.gateways().map((gateway) => addressOf(gateway.publicUrl, org, app))
    return {org, app, routes: JSON.parse(routes) as AppView['routes'], revisions: this.#revisionsOf(org, app), addresses}
  }

  #revisionsOf(org: string, app: string): RevisionView[] {
    return this.#revisions.all({org, app, current: 1}).map(revisionView)
  }
}

/** Where an app is reached at a gateway: by name under its domain, by path where the gateway has an IP address alone. */
function addressOf(publicUrl: string, org: string, app: string): string {
  const url = new URL(publicUrl)
  if (isIP(url.hostname.replace(/^\[|\]$/g, '')) !== 0) return `${url.origin}/@${app}--${org}/`
  return `${url.protocol}//${app}--${org}.${url.host}/`
}

function revisionView(row: RevisionRow): RevisionView {
  const spec = JSON.parse(row.spec) as RevisionView['spec']
  return {...row, spec, current: row.current === 1, tags: JSON.parse(row.tags) as string[], served: row.served === 1}
}

/** How the table of gateways says it: what is usual is left out. */
function functionRoutes(revisions: readonly RevisionView[]): AppRoutes['functions'] {
  const serving = revisions.filter((revision) => revision.percent > 0)
  const [first] = serving.toSorted((a, b) => b.percent - a.percent)
  if (first === undefined) return []
  const tags = revisions.flatMap((revision) => revision.tags.map((tag) => ({tag, revision: revision.id})))
  return [
    {
      function: first.function,
      revision: first.id,
      ...(serving.length > 1 && {traffic: serving.map(({id, percent}) => ({revision: id, percent}))}),
      ...(tags.length > 0 && {tags})
    }
  ]
}

function receiptView(row: ReceiptRow): ReceiptView {
  return {...row, paid: JSON.parse(row.paid) as ReceiptView['paid']}
}
