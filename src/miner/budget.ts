import {type MeteredWork, rewardFor} from '../core/metering.ts'
import type {EarnedLine, LeaseLine, LeaseTerms, MinerStore} from './miner-store.ts'

/** Pay of one window by the lease's rates. Lines without a budget pay nothing and are left out. */
export function earnedBy(store: MinerStore, lease: LeaseTerms, work: MeteredWork): readonly EarnedLine[] {
  const funded = new Set(store.leaseLines(lease.id).map((line) => line.incentive))
  return lease.rewards
    .filter((line) => funded.has(line.incentive))
    .map((line) => ({incentive: line.incentive, ...rewardFor(line, work, store.carry(lease.revision, line.incentive))}))
}

/**
 * True when the lease promised something and all of it is signed for. A lease that never had a budget (Gutta is paid by epochs)
 * is never empty.
 */
export function isEmpty(lines: readonly LeaseLine[]): boolean {
  return lines.length > 0 && lines.every((line) => line.attestedMinor >= line.capacityMinor)
}
