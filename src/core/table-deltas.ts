import type {NodeTable, NodeTableDelta, RoutesTable, RoutesTableDelta} from './protocol/tables.ts'

/** The table that a node has once it has heard what changed. What stays keeps its place, what is new comes last. */
export function changedNodeTable(table: NodeTable, delta: NodeTableDelta): NodeTable {
  return {
    ...table,
    leases: changed(table.leases, delta.leases, byId),
    revisions: changed(table.revisions, delta.revisions, byId),
    gateways: delta.gateways ?? table.gateways
  }
}

/** The same of the table of routes. */
export function changedRoutesTable(table: RoutesTable, delta: RoutesTableDelta): RoutesTable {
  return {
    ...table,
    apps: changed(table.apps, delta.apps, appId),
    revisions: changed(table.revisions, delta.revisions, byId),
    leases: changed(table.leases, delta.leases, byId),
    nodes: changed(table.nodes, delta.nodes, byId),
    gateways: delta.gateways ?? table.gateways
  }
}

/** An app's name in a delta. */
export function appId({org, app}: {readonly org: string; readonly app: string}): string {
  return `${org}/${app}`
}

function byId({id}: {readonly id: string}): string {
  return id
}

function changed<E>(
  entries: readonly E[],
  {set, gone}: {readonly set: readonly E[]; readonly gone: readonly string[]},
  idOf: (entry: E) => string
): E[] {
  const all = new Map(entries.map((entry) => [idOf(entry), entry]))
  for (const id of gone) all.delete(id)
  for (const entry of set) all.set(idOf(entry), entry)
  return [...all.values()]
}
