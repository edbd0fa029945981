import type {LeaseEntry} from '../core/protocol/tables.ts'

/** A lease of the wanted revision, as the gateway sees its node now. */
export interface LeaseCandidate {
  readonly lease: LeaseEntry
  readonly connected: boolean
  /** It asked to be left out, or has failed a moment ago. */
  readonly avoided: boolean
  readonly budgetEmpty: boolean
  /** Instances of this revision on the node, and of all. */
  readonly instancesHere: number
  readonly instancesInAll: number
}

export type LeaseChoice = {readonly lease: LeaseEntry} | {readonly refused: 'no_instance' | 'reward_pool_empty'}

/** Where to start the next instance: spread over nodes first, then on the emptiest node. */
export function chooseLease(candidates: readonly LeaseCandidate[], nowMs: number): LeaseChoice {
  const valid = candidates.filter(({lease}) => lease.startsAtMs <= nowMs && nowMs < lease.endsAtMs)
  const funded = valid.filter((candidate) => !candidate.budgetEmpty)
  if (valid.length > 0 && funded.length === 0) return {refused: 'reward_pool_empty'}
  const [best] = funded
    .filter((candidate) => candidate.connected && !candidate.avoided)
    .sort((a, b) => a.instancesHere - b.instancesHere || a.instancesInAll - b.instancesInAll)
  return best === undefined ? {refused: 'no_instance'} : {lease: best.lease}
}

/** How many instances there are on each node. */
export function countByNode(instances: Iterable<{readonly node: string}>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const {node} of instances) counts.set(node, (counts.get(node) ?? 0) + 1)
  return counts
}
