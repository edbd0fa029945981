import {CreoError} from '../core/errors.ts'
import {newestPerNode} from '../core/leases-by-revision.ts'
import type {
  AppEntry,
  LeaseEntry,
  NodeTable,
  NodeTableDelta,
  RevisionEntry,
  RoutesTable,
  RoutesTableDelta
} from '../core/protocol/tables.ts'
import type {AppRoutes, LeaseView, LedgerReads} from '../ledger/port.ts'
import type {ChangingEntries} from './changing-entries.ts'
import type {KnownLeases} from './known-leases.ts'
import type {LastingReads} from './lasting-reads.ts'
import type {ChangedLease} from './lease-changes.ts'

/** What tables are made of. */
export interface TableSources {
  readonly reads: Pick<LedgerReads, 'appRoutes' | 'currentRevisions' | 'gateways'>
  readonly lasting: LastingReads
  readonly leases: KnownLeases
}

/** What happened after a version that a reader has. */
export interface ChangesSince {
  /** Granted and ended. */
  readonly leases: readonly ChangedLease[]
  /** Paid: what is left of their budgets is told along with the rest. */
  readonly paid: readonly ChangedLease[]
  readonly gateways: boolean
}

export function appEntry({org, app, routes, functions}: AppRoutes): AppEntry {
  return {org, app, routes: [...routes], functions: [...functions]}
}

export function routesTable({reads, lasting, leases}: TableSources): RoutesTable {
  const newest = newestLeases([...leases.active()])
  const nodes = [...new Set(newest.map((lease) => lease.node))]
  const current = reads.currentRevisions().map(({id}) => id)
  return {
    kind: 'routes',
    apps: reads.appRoutes().map(appEntry),
    revisions: revisionEntries(lasting, [...current, ...newest.map((lease) => lease.revision)]),
    leases: newest.map(leaseEntry),
    nodes: nodeEntries(lasting, nodes),
    gateways: gatewayEntries(reads)
  }
}

/** @throws {CreoError} `not_found` for a node that is not enrolled. */
export function nodeTable({reads, lasting, leases}: TableSources, node: string): NodeTable {
  assertEnrolled(lasting, node)
  const own = leases.ofNode(node)
  return {
    kind: 'node',
    node,
    leases: own.map(leaseEntry),
    revisions: revisionEntries(
      lasting,
      own.map((lease) => lease.revision)
    ),
    gateways: gatewayEntries(reads)
  }
}

/** What became of a node's table. A revision is sent with its first lease, and goes with its last. */
export function nodeTableDelta({reads, lasting, leases}: TableSources, node: string, since: ChangesSince): NodeTableDelta {
  const own = leases.ofNode(node)
  const changed = new Set(since.leases.map(({lease}) => lease))
  const paid = new Set(since.paid.map(({lease}) => lease))
  const known = new Set(own.filter(({id}) => !changed.has(id)).map(({revision}) => revision))
  const held = new Set(own.map(({revision}) => revision))
  const isActive = new Set(own.map(({id}) => id))
  const gone = since.leases.filter(({lease}) => !isActive.has(lease))
  const added = own.filter(({id}) => changed.has(id)).map(({revision}) => revision)
  return {
    kind: 'node',
    node,
    leases: {
      set: own.filter(({id}) => changed.has(id) || paid.has(id)).map(leaseEntry),
      gone: gone.map(({lease}) => lease)
    },
    revisions: {
      set: revisionEntries(
        lasting,
        added.filter((id) => !known.has(id))
      ),
      gone: [...new Set(gone.map(({revision}) => revision))].filter((id) => !held.has(id))
    },
    ...(since.gateways && {gateways: gatewayEntries(reads)})
  }
}

/** What became of the table of routes. */
export function routesTableDelta(
  {reads, lasting, leases}: TableSources,
  since: ChangesSince & {
    readonly seq: number
    readonly apps: ChangingEntries<AppEntry>
    readonly current: ChangingEntries<string>
  }
): RoutesTableDelta {
  const {apps, current, seq} = since
  const shown = shownOf(leases, [...since.leases, ...since.paid])
  const changed = new Set(since.leases.map(({lease}) => lease))
  const isShown = new Set(shown.map(({id}) => id))
  const pairs = new Map(since.leases.map((change) => [pairOf(change), change]))
  const superseded = [...pairs.values()].flatMap(({node, revision}) => ofPair(leases, {node, revision}).map(({id}) => id))
  const nodes = [...new Set(since.leases.map(({node}) => node))]
  const addedNodes = nodes.filter((node) => {
    const own = leases.ofNode(node)
    return own.length > 0 && own.every(({id}) => changed.has(id))
  })
  const {set: newlyCurrent, gone: noLongerCurrent} = current.since(seq)
  const changedActive = countBy(since.leases.filter(({lease}) => leases.find(lease)?.status === 'active').map(({revision}) => revision))
  const revisions = [...new Set([...newlyCurrent, ...noLongerCurrent, ...since.leases.map(({revision}) => revision)])]
  const isKnown = (id: string): boolean => current.isAsOf(id, seq) || leases.countOf(id) > (changedActive.get(id) ?? 0)
  const isListed = (id: string): boolean => current.has(id) || leases.countOf(id) > 0
  return {
    kind: 'routes',
    apps: apps.since(seq),
    revisions: {
      set: revisionEntries(
        lasting,
        revisions.filter((id) => isListed(id) && !isKnown(id))
      ),
      gone: revisions.filter((id) => !isListed(id))
    },
    leases: {
      set: shown.map(leaseEntry),
      gone: [...new Set([...superseded, ...changed])].filter((id) => !isShown.has(id))
    },
    nodes: {set: nodeEntries(lasting, addedNodes), gone: nodes.filter((node) => leases.ofNode(node).length === 0)},
    ...(since.gateways && {gateways: gatewayEntries(reads)})
  }
}

/** @throws {CreoError} `not_found` */
export function assertEnrolled(lasting: LastingReads, node: string): void {
  if (!lasting.node(node))
    throw new CreoError('not_found', `There is no node ${node}.`, {hint: 'Enroll it with a join token: creo node token'})
}

/**
 * A lease that was followed by another of the same node and revision is not shown to gateways any more: they move over while it still stands, so
 * that its last receipts are paid before it ends.
 */
function newestLeases(leases: readonly LeaseView[]): LeaseView[] {
  const newest = new Set([...Map.groupBy(leases, (lease) => lease.revision).values()].flatMap((of) => [...newestPerNode(of).values()]))
  return leases.filter((lease) => newest.has(lease))
}

/** Of each node and revision of which a lease changed, the lease that gateways are shown now. */
function shownOf(leases: KnownLeases, changes: readonly ChangedLease[]): LeaseView[] {
  const pairs = new Map(changes.map((change) => [pairOf(change), change]))
  return [...pairs.values()].flatMap(({node, revision}) => newestPerNode(ofPair(leases, {node, revision})).get(node) ?? [])
}

function ofPair(leases: KnownLeases, {node, revision}: {readonly node: string; readonly revision: string}): LeaseView[] {
  return leases.ofNode(node).filter((lease) => lease.revision === revision)
}

function pairOf({node, revision}: ChangedLease): string {
  return `${node} ${revision}`
}

function countBy(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

function revisionEntries(lasting: LastingReads, ids: readonly string[]): RevisionEntry[] {
  return [...new Set(ids)].flatMap((id) => lasting.revision(id) ?? []).sort((a, b) => (a.id < b.id ? -1 : 1))
}

function nodeEntries(lasting: LastingReads, ids: readonly string[]): RoutesTable['nodes'] {
  return ids.flatMap((id) => lasting.node(id) ?? []).map(({id, publicKey, owner}) => ({id, publicKey, owner}))
}

function gatewayEntries(reads: Pick<LedgerReads, 'gateways'>): RoutesTable['gateways'] {
  return reads.gateways().map((gateway) => ({...gateway}))
}

function leaseEntry({id, node, revision, startsAtMs, endsAtMs, budgets}: LeaseView): LeaseEntry {
  const left = budgets.map(({incentive, reservedMinor, paidMinor}) => ({incentive, amountMinor: reservedMinor - paidMinor}))
  return {id, node, revision, startsAtMs, endsAtMs, budgets: left}
}
