import {OWNER_SHARE_ALL} from '../protocol/market-commands.ts'
import {mulDivFloor} from '../units.ts'
import type {IncentiveState} from './state.ts'

/** What this owner may still take of it under its trade volume limit, and under an owner's share of that. */
export function volumeLeft(incentive: IncentiveState, owner: number, atMs: number): number {
  const {tradeVolumeLimitMicroGutta: limit, ownerSharePermille, volume, takers} = incentive
  const left = Math.max(0, limit - volume.used(atMs))
  if (ownerSharePermille === undefined) return left
  return Math.min(left, Math.max(0, ownerShareOf(limit, ownerSharePermille) - takers.used(owner, atMs)))
}

/** Micro-gutta that one owner may take of a limit: one at least, since a share of nothing would close a market whose limit says that it is open. */
function ownerShareOf(limitMicroGutta: number, permille: number): number {
  return Math.max(1, mulDivFloor(limitMicroGutta, permille, OWNER_SHARE_ALL).quotient)
}
