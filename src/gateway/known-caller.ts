import type {RevisionEntry} from '../core/protocol/tables.ts'
import type {Caller} from '../core/protocol/tunnel.ts'
import type {CallDepths} from './call-depth.ts'
import type {Instance} from './instance.ts'
import type {TableIndex} from './table-index.ts'

/** A function that calls others: its revision, and how deep the requests of its instance are, if that is this gateway's. */
export interface KnownCaller {
  readonly revision: RevisionEntry
  readonly depths: CallDepths | undefined
}

/**
 * Whom a node's word may be taken for: an instance that this gateway has on that node, or one that runs, for another gateway or not ready yet,
 * under a lease of that node's own. Asked for each call, since instances end and leases too. Undefined when it is neither.
 */
export function knownCaller(
  {node, lease: leaseId}: Caller,
  {instance, table, nowMs}: {readonly instance: Instance | undefined; readonly table: TableIndex; readonly nowMs: number}
): KnownCaller | undefined {
  if (instance?.node === node && instance.lease.id === leaseId) return {revision: instance.revision, depths: instance.depths}
  const lease = table.lease(leaseId)
  if (lease === undefined || lease.node !== node || lease.endsAtMs <= nowMs) return undefined
  const revision = table.revision(lease.revision)
  return revision && {revision, depths: undefined}
}
