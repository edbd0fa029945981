import type {CommandOf} from '../protocol/commands.ts'
import {CANCELLED_MAX} from './limits.ts'
import {orderId, orderSeq} from './order-ids.ts'
import {BUY} from './order-pool.ts'
import {refuse} from './outcome.ts'
import {forgetOrder, freeResting} from './settlement.ts'
import type {AccountState, CommandContext, LedgerState, Result} from './state.ts'

export function cancelOrder(context: CommandContext, owner: AccountState, {order}: CommandOf<'order.cancel'>): Result {
  const {market} = context.state
  const slot = restingOf(context.state, owner, order)
  const remaining = market.pool.remaining[slot] ?? 0
  cancel(context, slot)
  return {order, status: 'cancelled', remainingLots: String(remaining)}
}

/**
 * Takes back the account's open orders, of one market and of one side if it says so, oldest first. At most `CANCELLED_MAX` of them: `more` says whether
 * others are left, for the same command under a key of its own. None is no error.
 */
export function cancelOrders(context: CommandContext, owner: AccountState, body: CommandOf<'orders.cancel'>): Result {
  const {market} = context.state
  const asset = body.incentive === undefined ? undefined : context.state.incentive(body.incentive).asset
  const slots: number[] = []
  for (const slot of market.ordersOf(owner.index)) {
    if (asset !== undefined && market.pool.book[slot] !== asset) continue
    if (body.side !== undefined && (market.pool.side[slot] === BUY) !== (body.side === 'buy')) continue
    slots.push(slot)
  }
  const seqOf = (slot: number): number => market.pool.seq[slot] ?? 0
  slots.sort((a, b) => seqOf(a) - seqOf(b))
  const taken = slots.slice(0, CANCELLED_MAX)
  const cancelled = taken.map((slot) => orderId(seqOf(slot)))
  for (const slot of taken) cancel(context, slot)
  return {cancelled, more: slots.length > taken.length}
}

/** The slot of an open order that this account has. */
export function restingOf({market}: LedgerState, owner: AccountState, order: string): number {
  const slot = market.find(orderSeq(order))
  if (slot === undefined) refuse('not_found', `There is no open order ${order}.`)
  if (market.pool.owner[slot] !== owner.index) refuse('forbidden', `${order} belongs to another account.`)
  return slot
}

function cancel({state, effects}: CommandContext, slot: number): void {
  effects.push(freeResting(state, slot, 'cancelled', 'by_owner'))
  forgetOrder(state, slot)
  state.market.remove(slot)
}
