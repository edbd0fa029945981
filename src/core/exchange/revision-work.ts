import {CLOCK_SKEW_MAX_MS} from './limits.ts'
import type {LedgerState, NodeWork, RevisionState} from './state.ts'

/** What is remembered of one node's work for one revision, made when there is nothing yet. */
export function pairOf(revision: RevisionState, node: string): NodeWork {
  const known = revision.work.get(node)
  if (known !== undefined) return known
  const work: NodeWork = {leases: []}
  revision.work.set(node, work)
  return work
}

/**
 * After a lease was settled: forgets paid windows that began before every lease that the node still has of this revision, since no receipt can claim
 * them any more; and the whole revision once nothing can go back to it and no lease refers to it (with it carries of less than a minor unit).
 */
export function forgetSuperseded(state: LedgerState, revision: RevisionState, node: string): void {
  const {leases, paid} = pairOf(revision, node)
  const oldestMs = leases.reduce((oldest, lease) => Math.min(oldest, lease.startsAtMs), Number.POSITIVE_INFINITY)
  for (const windows of paid?.values() ?? []) windows.forgetBefore(oldestMs - CLOCK_SKEW_MAX_MS)
  forgetIfSuperseded(state, revision)
}

/** Drops a revision that can get no traffic any more and that no lease refers to. */
export function forgetIfSuperseded(state: LedgerState, revision: RevisionState): void {
  if (!revision.isKept && !hasLeases(revision)) state.revisions.delete(revision.id)
}

/** True while one of its leases is not settled. */
export function hasLeases(revision: RevisionState): boolean {
  for (const {leases} of revision.work.values()) if (leases.length > 0) return true
  return false
}
