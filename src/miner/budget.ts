import {type MeteredWork, rewardFor} from '../core/metering.ts'
import type {EarnedLine, LeaseTerms, MinerStore} from './miner-store.ts'

/** Pay of one window by the lease's rates. Lines without a budget pay nothing and are left out. */
export function earnedBy(store: MinerStore, lease: LeaseTerms, work: MeteredWork): readonly EarnedLine[] {
  const funded = new Set(store.leaseLines(lease.id).map((line) => line.incentive))
  return lease.rewards
    .filter((line) => funded.has(line.incentive))
    .map((line) => ({incentive: line.incentive, ...rewardFor(line, work, store.carry(lease.revision, line.incentive))}))
}
