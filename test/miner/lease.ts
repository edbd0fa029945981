import type {LeaseTerms} from '../../src/miner/miner-store.ts'

export const LEASE: LeaseTerms = {
  id: 'lea_9',
  revision: 'rev_7',
  endsAtMs: 10_000_000_000_000,
  memoryBytes: 64 * 2 ** 20,
  rewards: [{incentive: 'colibris/LEAF', requestsPerMillionMinor: 1_000_000, mibMsPerMillionMinor: 0, dailyBudgetMinor: 1_000_000}]
}
