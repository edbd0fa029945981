import assert from 'node:assert'
import type {CommandOf} from '../protocol/commands.ts'
import {beginAuction} from './auction.ts'
import {AVAILABLE, HELD} from './balances.ts'
import {restingOf} from './cancel-commands.ts'
import type {RestingOrder} from './market.ts'
import {meetMarket} from './meet-market.ts'
import {checkSize, endOf, isBreach, orderResult} from './order-commands.ts'
import {BUY} from './order-pool.ts'
import {refuse} from './outcome.ts'
import {forgetOrder, freeHold, type HoldingOrder, holdOf, orderChanged, Settlement} from './settlement.ts'
import type {AccountState, CommandContext, LedgerState, Result} from './state.ts'

type Replacing = CommandOf<'order.replace'>

/**
 * Gives an open order another price, another size, or both, in one step. Smaller at the same price it keeps its place in the queue; else it meets the book
 * like a new one and waits behind those that are there. It keeps its number and its time. Refused, it stays as it was.
 */
export function replaceOrder(context: CommandContext, owner: AccountState, body: Replacing): Result {
  const {state, atMs, effects} = context
  const slot = restingOf(state, owner, body.order)
  const before = state.market.orderAt(slot)
  if (before.expiresAtMs !== 0 && before.expiresAtMs <= atMs) refuse('not_found', `The time of ${body.order} has come.`)
  const after = changed(before, body)
  const incentive = state.incentives[before.book]
  assert(incentive !== undefined, 'an order without its incentive')
  checkSize(context, incentive, after)
  const keepsPlace = after.priceMicroGutta === before.priceMicroGutta && after.remaining <= before.remaining
  if (!keepsPlace && body.postOnly && state.market.book(before.book).wouldTrade(before.side, after.priceMicroGutta, atMs))
    refuse('rejected', 'At this price the order would trade at once.')
  moveHold(state, holdingOf(before), holdingOf(after))
  const terms = {...holdingOf(after), incentive: incentive.id, lots: after.lots}
  effects.push({type: 'order.replaced', id: body.order, priceMicroGutta: after.priceMicroGutta, lots: after.lots})
  if (keepsPlace) {
    const ending = orderChanged(body.order, after.remaining, 'open', null)
    state.market.shrink(slot, after)
    effects.push(ending)
    const unmet = {notionalMicroGutta: 0, feeMicroGutta: 0}
    return {...orderResult(terms, ending, unmet), keptPriority: true}
  }
  const order = {id: body.order, ...holdingOf(after), remaining: after.remaining}
  const settlement = new Settlement(context, incentive, order)
  // The order itself still stands in the book meanwhile, on its own side, which it never meets: a refusal has changed nothing.
  const taker = {...after, lots: after.remaining, selfTrade: body.selfTrade, waits: true}
  const stop = meetMarket(context, incentive, taker, settlement)
  const ending = endOf(order, stop, true)
  forgetOrder(state, slot)
  state.market.remove(slot)
  if (ending.status === 'open') {
    const since = state.genesis.protection === undefined ? {} : {since: context.seq}
    state.market.rest({...after, remaining: ending.remainingLots, ...since})
    owner.openOrders += 1
    incentive.openOrders += 1
  } else if (ending.remainingLots > 0) freeHold(state, {...holdingOf(after), lots: ending.remainingLots})
  effects.push(ending)
  if (isBreach(stop, ending)) beginAuction(context, incentive)
  return {...orderResult(terms, ending, settlement), keptPriority: false}
}

/** `lots` is the whole size, with what is filled: a fill on the way is then not traded twice. */
function changed(before: RestingOrder, body: Replacing): RestingOrder {
  const filled = before.lots - before.remaining
  const {priceMicroGutta = before.priceMicroGutta, lots = before.lots} = body
  if (lots <= filled) refuse('rejected', `${filled} lots of ${body.order} are filled already; to take back the rest, cancel it.`)
  return {...before, priceMicroGutta, lots, remaining: lots - filled}
}

function holdingOf(order: RestingOrder): HoldingOrder {
  return {
    owner: order.owner,
    asset: order.book,
    side: order.side === BUY ? 'buy' : 'sell',
    priceMicroGutta: order.priceMicroGutta,
    lots: order.remaining
  }
}

/** Posts what the order holds more, or less, than before. */
function moveHold(state: LedgerState, before: HoldingOrder, after: HoldingOrder): void {
  const {heldAsset, amount} = holdOf(state, after)
  const more = amount - holdOf(state, before).amount
  const available = state.slot(after.owner, heldAsset, AVAILABLE)
  const held = state.slot(after.owner, heldAsset, HELD)
  const has = state.balances.at(available)
  if (has < more)
    refuse(
      'insufficient_funds',
      `The order would hold ${state.amountText(heldAsset, more)} more; ${state.amountText(heldAsset, has)} is available.`
    )
  if (more > 0) state.balances.move(available, held, more)
  else state.balances.move(held, available, -more)
}
