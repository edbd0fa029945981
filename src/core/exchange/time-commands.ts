import type {Expiry} from './expiry-queue.ts'
import {returnRest} from './lease-commands.ts'
import {EXPIRIES_MAX} from './limits.ts'
import {giveBack} from './redemption-commands.ts'
import {forgetOrder, freeResting} from './settlement.ts'
import type {CommandContext, Result} from './state.ts'

/** Ends what is due, earliest first. What ended before its time is passed over but counts towards the command's bound. */
export function advanceTime(context: CommandContext): Result {
  const {state, atMs} = context
  let expired = 0
  for (let count = 0; count < EXPIRIES_MAX && state.expiries.isDue(atMs); count += 1) {
    const expiry = state.expiries.pop()
    if (expiry !== undefined && expire(context, expiry)) expired += 1
  }
  return {expired, more: state.expiries.isDue(atMs)}
}

function expire(context: CommandContext, {what, id}: Expiry): boolean {
  const {state, atMs, effects} = context
  if (what === 'token') return (state.nodeTokens.get(id)?.expiresAtMs ?? Infinity) <= atMs && state.nodeTokens.delete(id)
  if (what === 'order') {
    const slot = state.market.find(Number(id.slice('ord_'.length)))
    if (slot === undefined) return false
    effects.push(freeResting(state, slot, 'expired', 'time'))
    forgetOrder(state, slot)
    state.market.remove(slot)
    return true
  }
  if (what === 'redemption') {
    const redemption = state.redemptions.get(id)
    if (redemption !== undefined) effects.push(...giveBack(state, redemption))
    return redemption !== undefined
  }
  const lease = state.leases.get(id)
  if (lease !== undefined) effects.push(returnRest(state, lease))
  return lease !== undefined
}
