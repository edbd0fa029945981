import {uncross} from './auction.ts'
import type {Expiry} from './expiry-queue.ts'
import {completeRecovery, expireInvite, inviteExpiresAtMs} from './key-commands.ts'
import {settleLease, settlesAtMs} from './lease-commands.ts'
import {EXPIRIES_ENDED_MAX, EXPIRIES_MAX} from './limits.ts'
import {orderSeq} from './order-ids.ts'
import type {Effect} from './outcome.ts'
import {giveBack} from './redemption-commands.ts'
import {forgetOrder, freeResting} from './settlement.ts'
import type {CommandContext, LedgerState, Result} from './state.ts'

/**
 * Ends what is due, earliest first. What ended before its time is passed over but counts towards the command's bound. An auction is the last thing that a
 * command does, since it is as much as one may do.
 */
export function advanceTime(context: CommandContext): Result {
  const {state, atMs} = context
  let expired = 0
  for (let count = 0; count < EXPIRIES_MAX && state.expiries.isDue(atMs); count += 1) {
    const expiry = state.expiries.pop()
    if (expiry === undefined || !isOpen(state, expiry)) continue
    if (expiry.what === 'auction') {
      uncross(context, expiry)
      expired += 1
      break
    }
    context.effects.push(...expire(state, {what: expiry.what, id: expiry.id}))
    expired += 1
  }
  return {expired, more: state.expiries.isDue(atMs)}
}

/** Clears away expiries of what ended before its time, so that the next one is real and they are never more than the real ones. */
export function clearEnded(state: LedgerState): void {
  const {expiries} = state
  for (let count = 0; count < EXPIRIES_MAX; count += 1) {
    if (expiries.next === undefined || isOpen(state, expiries.next)) break
    expiries.pop()
  }
  const ofAccounts = state.nodeTokens.size + state.invitesByKey.size + state.recoveringKeys.size
  const open = ofAccounts + state.redemptions.size + state.leases.size + state.market.timedOrders + state.auctions.size
  if (expiries.size - open > Math.max(open, EXPIRIES_ENDED_MAX)) expiries.keep((expiry) => isOpen(state, expiry))
}

/** False when it ended in another way, or ends at another time. */
function isOpen(state: LedgerState, {what, id, atMs}: Expiry): boolean {
  switch (what) {
    case 'token':
      return state.nodeTokens.get(id)?.expiresAtMs === atMs
    case 'invite':
      return inviteExpiresAtMs(state, id) === atMs
    case 'recovery':
      return state.accounts[state.recoveringKeys.get(id) ?? -1]?.recovery?.dueAtMs === atMs
    case 'order':
      return state.market.find(orderSeq(id)) !== undefined
    case 'auction':
      return state.incentivesById.get(id)?.auction?.endsAtMs === atMs
    case 'redemption':
      return state.redemptions.has(id)
    case 'lease': {
      const lease = state.leases.get(id)
      return lease !== undefined && settlesAtMs(state, lease) === atMs
    }
  }
}

function expire(state: LedgerState, {what, id}: Pick<Expiry, 'id'> & {readonly what: Exclude<Expiry['what'], 'auction'>}): Effect[] {
  switch (what) {
    case 'token':
      dropToken(state, id)
      return []
    case 'invite':
      return expireInvite(state, id)
    case 'recovery':
      return completeRecovery(state, id)
    case 'order':
      return expireOrder(state, orderSeq(id))
    case 'redemption': {
      const redemption = state.redemptions.get(id)
      return redemption === undefined ? [] : giveBack(state, redemption)
    }
    case 'lease': {
      const lease = state.leases.get(id)
      return lease === undefined ? [] : settleLease(state, lease)
    }
  }
}

function expireOrder(state: LedgerState, seq: number): Effect[] {
  const slot = state.market.find(seq)
  if (slot === undefined) return []
  const effect = freeResting(state, slot, 'expired', 'time')
  forgetOrder(state, slot)
  state.market.remove(slot)
  return [effect]
}

/** Takes a join token away, used or not. */
export function dropToken(state: LedgerState, hash: string): void {
  const owner = state.accounts[state.nodeTokens.get(hash)?.account ?? -1]
  if (owner !== undefined) owner.openTokens -= 1
  state.nodeTokens.delete(hash)
}
