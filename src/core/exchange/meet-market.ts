import {bandOf} from './auction.ts'
import {CROSSINGS_MAX} from './limits.ts'
import {type Band, isExpired, type Stop, type Taker} from './order-book.ts'
import {BUY, NONE} from './order-pool.ts'
import {refuse} from './outcome.ts'
import type {Settlement} from './settlement.ts'
import type {CommandContext, IncentiveState, LedgerState} from './state.ts'
import {volumeLeft} from './volume-left.ts'

/** Why an order met no further one; `in_auction`: it met none, since they all wait. */
export type MarketStop = Stop | 'in_auction'

/**
 * Lets an order trade with those that wait, as far as the market is open, the bands go and the volume limit reaches. What of it would then wait across others, in
 * an auction, must not wait across its owner's: what becomes of those it says itself, as where they meet.
 */
export function meetMarket(
  context: CommandContext,
  incentive: IncentiveState,
  order: Omit<Taker, 'band'> & {readonly waits: boolean},
  settlement: Settlement
): MarketStop {
  const {state, atMs} = context
  const stop = isOpen(incentive)
    ? state.market
        .book(incentive.asset)
        .match({...order, band: bandOf(state, incentive)}, volumeLeft(incentive, order.owner, atMs), atMs, settlement).stop
    : 'in_auction'
  const waitsAcross = order.waits && (stop === 'in_auction' || stop === 'price_band')
  const last = waitsAcross ? (passOwn(context, incentive, order, settlement) ?? stop) : stop
  if (last === 'would_self_trade' && settlement.isUntouched) refuse('would_self_trade', 'The best order on the other side is your own.')
  return last
}

/** True where orders meet as they come. */
export function isOpen({auction}: IncentiveState): boolean {
  return auction === undefined
}

/** What an order of an account, or of anybody, may do in a market now. */
export interface TradingRoom {
  readonly volumeLeftMicroGutta: number
  readonly band: Band | undefined
  readonly isOpen: boolean
}

export function tradingRoom(
  state: LedgerState,
  of: {readonly incentive: string; readonly account: string | undefined},
  atMs: number
): TradingRoom {
  const incentive = state.incentive(of.incentive)
  const owner = state.accountsById.get(of.account ?? '')?.index ?? NONE
  return {volumeLeftMicroGutta: volumeLeft(incentive, owner, atMs), band: bandOf(state, incentive), isOpen: isOpen(incentive)}
}

/** Takes own orders out of the way as the order says; answers why it can't wait, if it can't. */
function passOwn({state, atMs}: CommandContext, incentive: IncentiveState, order: Taker, settlement: Settlement): Stop | undefined {
  const {market} = state
  for (const [met, slot] of ownAcross(state, incentive, order).entries()) {
    if (met === CROSSINGS_MAX) return 'crossing_limit'
    const isOver = isExpired(market.pool, slot, atMs)
    if (!isOver && order.selfTrade === undefined) return 'would_self_trade'
    if (isOver) settlement.expired(slot)
    else settlement.ownCancelled(slot)
    market.remove(slot)
    if (!isOver && order.selfTrade === 'cancel-both') return 'would_self_trade'
  }
  return undefined
}

/** The owner's orders that this one would cross, best first, then oldest. */
function ownAcross({market}: LedgerState, {asset}: IncentiveState, {owner, side, priceMicroGutta}: Taker): number[] {
  const {pool} = market
  const priceOf = (slot: number): number => pool.priceMicroGutta[slot] ?? 0
  const across: number[] = []
  for (const slot of market.ordersOf(owner)) {
    if (pool.book[slot] !== asset || pool.side[slot] === side) continue
    if (side === BUY ? priceOf(slot) <= priceMicroGutta : priceOf(slot) >= priceMicroGutta) across.push(slot)
  }
  const worse = side === BUY ? 1 : -1
  return across.sort((a, b) => worse * (priceOf(a) - priceOf(b)) || (pool.since[a] ?? 0) - (pool.since[b] ?? 0))
}
