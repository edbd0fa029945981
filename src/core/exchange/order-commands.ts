import type {CommandOf} from '../protocol/commands.ts'
import {AMOUNT_MAX} from '../units.ts'
import {bandOf, beginAuction} from './auction.ts'
import {AVAILABLE, HELD} from './balances.ts'
import {refuseOtherMeasure} from './incentive-commands.ts'
import {OPEN_ORDERS_MAX, OPEN_ORDERS_PER_ACCOUNT_MAX, OPEN_ORDERS_PER_INCENTIVE_MAX, ORDER_LIFETIME_MAX_MS} from './limits.ts'
import {isOpen, type MarketStop, meetMarket} from './meet-market.ts'
import type {Stop} from './order-book.ts'
import {orderId} from './order-ids.ts'
import {BUY, SELL} from './order-pool.ts'
import {type OrderChanged, refuse} from './outcome.ts'
import {freeHold, holdOf, orderChanged, Settlement, type TakingOrder} from './settlement.ts'
import type {AccountState, CommandContext, IncentiveState, LedgerState, Result} from './state.ts'
import {volumeLeft} from './volume-left.ts'

type Placing = CommandOf<'order.place'>

/** Holds what the order may cost, meets the book, then rests, fills or ends. */
export function placeOrder(context: CommandContext, owner: AccountState, body: Placing): Result {
  const {state, seq, atMs, effects} = context
  const incentive = state.incentive(body.incentive)
  state.exchangeOrg()
  refuseOtherMeasure(incentive, body.measure)
  checkShape(body, atMs)
  checkSize(context, incentive, body)
  const side = body.side === 'buy' ? BUY : SELL
  const book = state.market.book(incentive.asset)
  const taker = {owner: owner.index, side, priceMicroGutta: body.priceMicroGutta, lots: body.lots, selfTrade: body.selfTrade} as const
  if (body.kind === 'post-only' && book.wouldTrade(side, body.priceMicroGutta, atMs))
    refuse('rejected', 'A post-only order at this price would trade at once.')
  const waits = mayRest(body)
  if (!isOpen(incentive) && !waits) refuse('in_auction', `The market of ${incentive.id} is in an auction: orders wait for its end.`)
  const full = waits ? fullness(state, owner, incentive) : undefined
  if (full !== undefined && !(isOpen(incentive) && book.wouldTrade(side, body.priceMicroGutta, atMs))) refuse('rejected', full)
  if (body.timeInForce === 'FOK')
    refuseUnlessFilled(book.foresee({...taker, band: bandOf(state, incentive)}, volumeLeft(incentive, owner.index, atMs), atMs))
  hold(context, owner, incentive, body)

  const id = orderId(seq)
  effects.push({
    type: 'order',
    id,
    account: owner.id,
    incentive: incentive.id,
    side: body.side,
    priceMicroGutta: body.priceMicroGutta,
    lots: body.lots
  })
  const order: TakingOrder = {id, owner: owner.index, side: body.side, priceMicroGutta: body.priceMicroGutta, remaining: body.lots}
  const settlement = new Settlement(context, incentive, order)
  const stop = meetMarket(context, incentive, {...taker, waits}, settlement)
  const ending = endOf(order, full === undefined ? stop : fullStop(stop), waits)
  if (ending.status === 'open') rest(context, owner, incentive, body, order.remaining)
  else if (order.remaining > 0)
    freeHold(state, {
      owner: owner.index,
      asset: incentive.asset,
      side: body.side,
      priceMicroGutta: body.priceMicroGutta,
      lots: order.remaining
    })
  effects.push(ending)
  if (isBreach(stop, ending)) beginAuction(context, incentive)
  return orderResult(body, ending, settlement)
}

/** What an order has come to, all its fills counted, and what the fills of this command cost. */
export function orderResult(
  order: Pick<Placing, 'incentive' | 'side' | 'priceMicroGutta' | 'lots'>,
  {id, remainingLots, status, reason}: OrderChanged,
  settlement: Pick<Settlement, 'notionalMicroGutta' | 'feeMicroGutta'>
): Result {
  return {
    order: id,
    incentive: order.incentive,
    side: order.side,
    priceMicroGutta: String(order.priceMicroGutta),
    lots: String(order.lots),
    filledLots: String(order.lots - remainingLots),
    remainingLots: String(remainingLots),
    status,
    reason,
    notionalMicroGutta: String(settlement.notionalMicroGutta),
    feeMicroGutta: String(settlement.feeMicroGutta)
  }
}

function checkShape(body: Placing, atMs: number): void {
  const {kind, timeInForce, expiresAtMs} = body
  const rests = mayRest(body)
  if (kind === 'market' && rests) refuse('invalid_input', 'A market order is IOC or FOK: it never rests.')
  if (kind === 'post-only' && !rests) refuse('invalid_input', 'A post-only order is GTC or GTT: it only rests.')
  if (timeInForce === 'GTT' && (expiresAtMs === undefined || expiresAtMs <= atMs))
    refuse('invalid_input', 'A GTT order needs a time to come.')
  if (expiresAtMs !== undefined && expiresAtMs > atMs + ORDER_LIFETIME_MAX_MS)
    refuse('invalid_input', 'The time of a GTT order lies at most 366 days ahead.')
  if (timeInForce !== 'GTT' && expiresAtMs !== undefined) refuse('invalid_input', 'Only a GTT order has a time.')
}

function mayRest({timeInForce}: Placing): boolean {
  return timeInForce === 'GTC' || timeInForce === 'GTT'
}

export function checkSize(context: CommandContext, incentive: IncentiveState, body: Pick<Placing, 'lots' | 'priceMicroGutta'>): void {
  const {market} = context.state
  if (body.lots * incentive.lotMinor > AMOUNT_MAX) refuse('invalid_input', 'So many lots are more than any supply.')
  const notional = body.priceMicroGutta * body.lots
  if (notional * (1 + market.feePpmMax / 1e6) >= AMOUNT_MAX) refuse('invalid_input', 'Price times lots is more than any supply of Gutta.')
}

/** Why no further order may rest, if none may. One that trades at once may still do that. */
function fullness(state: LedgerState, owner: AccountState, incentive: IncentiveState): string | undefined {
  if (owner.openOrders >= OPEN_ORDERS_PER_ACCOUNT_MAX) return `An account has at most ${OPEN_ORDERS_PER_ACCOUNT_MAX} open orders.`
  if (incentive.openOrders >= OPEN_ORDERS_PER_INCENTIVE_MAX) return `The market of ${incentive.id} holds as many orders as it can.`
  return state.market.pool.count >= OPEN_ORDERS_MAX ? 'The markets hold as many orders as they can.' : undefined
}

function refuseUnlessFilled(stop: Stop): void {
  if (stop === 'volume_limit') refuse('volume_limit', 'The trade volume limit, or your share of it, leaves too little for the whole order.')
  if (stop === 'would_self_trade') refuse('would_self_trade', 'One of the orders on the other side is your own.')
  if (stop === 'price_band') refuse('price_band', 'The whole order would trade beyond the price band.')
  if (stop !== 'filled') refuse('rejected', 'The book can not fill the whole order at this price.')
}

function hold(context: CommandContext, owner: AccountState, incentive: IncentiveState, body: Placing): void {
  const {state} = context
  const {heldAsset, amount} = holdOf(state, {
    asset: incentive.asset,
    side: body.side,
    priceMicroGutta: body.priceMicroGutta,
    lots: body.lots
  })
  const available = state.slot(owner.index, heldAsset, AVAILABLE)
  const has = state.balances.at(available)
  if (has < amount)
    refuse(
      'insufficient_funds',
      `The order would hold ${state.amountText(heldAsset, amount)}; ${state.amountText(heldAsset, has)} is available.`
    )
  state.balances.move(available, state.slot(owner.index, heldAsset, HELD), amount)
}

/** Where no order may rest any more, what would have rested expires. */
function fullStop(stop: MarketStop): MarketStop | 'open_orders_limit' {
  return stop === 'uncrossed' || stop === 'price_band' ? 'open_orders_limit' : stop
}

/** True for what would have traded on beyond a band, and is not gone for another reason. */
export function isBreach(stop: MarketStop, {reason}: OrderChanged): boolean {
  return stop === 'price_band' && (reason === null || reason === stop)
}

/** What becomes of the order after it met the book. */
export function endOf({id, remaining}: TakingOrder, stop: MarketStop | 'open_orders_limit', rests: boolean): OrderChanged {
  if (remaining === 0) return orderChanged(id, 0, 'filled', null)
  if (stop === 'would_self_trade') return orderChanged(id, remaining, 'cancelled', stop)
  if (stop === 'volume_limit' || stop === 'crossing_limit' || stop === 'open_orders_limit')
    return orderChanged(id, remaining, 'expired', stop)
  if (rests) return orderChanged(id, remaining, 'open', null)
  return orderChanged(id, remaining, 'expired', stop === 'price_band' ? stop : 'immediate')
}

function rest(context: CommandContext, owner: AccountState, incentive: IncentiveState, body: Placing, remaining: number): void {
  const {state, seq} = context
  const expiresAtMs = body.expiresAtMs ?? 0
  state.market.rest({
    seq,
    owner: owner.index,
    book: incentive.asset,
    side: body.side === 'buy' ? BUY : SELL,
    priceMicroGutta: body.priceMicroGutta,
    lots: body.lots,
    remaining,
    expiresAtMs
  })
  owner.openOrders += 1
  incentive.openOrders += 1
  if (expiresAtMs !== 0) state.expiries.push({atMs: expiresAtMs, seq, what: 'order', id: orderId(seq)})
}
