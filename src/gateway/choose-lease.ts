import type {LeaseEntry} from '../core/protocol/tables.ts'
import type {MinerLink} from '../tunnel/miner-link.ts'
import type {LeaseBudgets} from './lease-budgets.ts'
import type {RestingSeen} from './resting-seen.ts'
import type {Starts} from './starts.ts'

/** A lease of the wanted revision, as the gateway sees its node now. */
export interface LeaseCandidate {
  readonly lease: LeaseEntry
  readonly connected: boolean
  /** It asked to be left out, or has failed a moment ago. */
  readonly avoided: boolean
  readonly budgetEmpty: boolean
  /** Smaller where a container waits, the smaller the warmer. */
  readonly restingRank: number
  /** Instances of this revision on the node, and of all. */
  readonly instancesHere: number
  readonly instancesInAll: number
}

/** What a gateway knows of its miners and instances. */
export interface SeenNodes {
  readonly links: ReadonlyMap<string, MinerLink>
  /** Have said what runs on them already: until then, what is wanted may be there. */
  readonly greeted: Pick<WeakSet<MinerLink>, 'has'>
  readonly draining: Pick<WeakSet<MinerLink>, 'has'>
  readonly starts: Pick<Starts, 'isCooling' | 'countOn'>
  readonly budgets: Pick<LeaseBudgets, 'isEmpty'>
  readonly resting: Pick<RestingSeen, 'rank'>
  /** Instances of the revision, and of all. */
  readonly here: Iterable<{readonly node: string}>
  readonly all: Iterable<{readonly node: string}>
}

/** A revision's leases with what is known of their nodes. */
export function candidatesAmong(
  leases: readonly LeaseEntry[],
  {links, greeted, draining, starts, budgets, resting, ...seen}: SeenNodes
): LeaseCandidate[] {
  const [here, all] = [countByNode(seen.here), countByNode(seen.all)]
  return leases.map((lease) => {
    const link = links.get(lease.node)
    return {
      lease,
      connected: link !== undefined && greeted.has(link),
      avoided: (link !== undefined && draining.has(link)) || starts.isCooling(lease.revision, lease.node),
      budgetEmpty: budgets.isEmpty(lease.id),
      restingRank: link === undefined ? 0 : resting.rank(link, lease.revision),
      instancesHere: here.get(lease.node) ?? 0,
      instancesInAll: (all.get(lease.node) ?? 0) + starts.countOn(lease.node)
    }
  })
}

export type LeaseChoice = {readonly lease: LeaseEntry} | {readonly refused: 'no_instance' | 'reward_pool_empty'}

/** Where to start the next instance: spread over nodes first, then where one waits the warmest, then on the emptiest node. */
export function chooseLease(candidates: readonly LeaseCandidate[], nowMs: number): LeaseChoice {
  const valid = candidates.filter(({lease}) => lease.startsAtMs <= nowMs && nowMs < lease.endsAtMs)
  const funded = valid.filter((candidate) => !candidate.budgetEmpty)
  if (valid.length > 0 && funded.length === 0) return {refused: 'reward_pool_empty'}
  const [best] = funded
    .filter((candidate) => candidate.connected && !candidate.avoided)
    .sort((a, b) => a.instancesHere - b.instancesHere || a.restingRank - b.restingRank || a.instancesInAll - b.instancesInAll)
  return best === undefined ? {refused: 'no_instance'} : {lease: best.lease}
}

/** How many instances there are on each node. */
function countByNode(instances: Iterable<{readonly node: string}>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const {node} of instances) counts.set(node, (counts.get(node) ?? 0) + 1)
  return counts
}
