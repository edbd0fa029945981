import assert from 'node:assert'
import {AMOUNT_MAX, mulDivFloor} from '../units.ts'
import {auctionPrice, type PricedLots} from './auction-price.ts'
import type {Expiry} from './expiry-queue.ts'
import {AUCTION_LOOKED_MAX, CROSSINGS_MAX} from './limits.ts'
import {type Band, isExpired, type OrderBook} from './order-book.ts'
import {orderId} from './order-ids.ts'
import {BUY, NONE, type OrderPool, SELL, type Side} from './order-pool.ts'
import {forgetOrder, freeResting, orderChanged, Settlement} from './settlement.ts'
import type {AuctionState, CommandContext, IncentiveState, LedgerState} from './state.ts'
import {volumeLeft} from './volume-left.ts'

const PER_MILLION = 1_000_000
/** Before the first price no trade is within a band. */
const NO_PRICE: Band = {lowMicroGutta: Number.POSITIVE_INFINITY, highMicroGutta: 0}

/** Prices that orders of this market may trade at outside an auction. Absent: any. A band has room for one step at least. */
export function bandOf({genesis: {protection}}: LedgerState, {prices}: IncentiveState): Band | undefined {
  if (protection === undefined) return undefined
  if (prices === undefined) return NO_PRICE
  const bands = [
    [prices.referenceMicroGutta, protection.staticPpm],
    [prices.lastMicroGutta, protection.dynamicPpm]
  ] as const
  const steps = bands.flatMap(([price, ppm]) =>
    ppm === undefined ? [] : [[price, Math.max(1, mulDivFloor(price, ppm, PER_MILLION).quotient)] as const]
  )
  return {
    lowMicroGutta: Math.max(0, ...steps.map(([price, step]) => price - step)),
    highMicroGutta: Math.min(AMOUNT_MAX, ...steps.map(([price, step]) => price + step))
  }
}

/** From now on orders gather: before the first price until the market opens, else for the time of a breach. */
export function beginAuction({state, seq, atMs, effects}: CommandContext, incentive: IncentiveState): void {
  const {protection} = state.genesis
  assert(protection !== undefined && incentive.auction === undefined, 'an auction where there is none to be')
  const kind = incentive.prices === undefined ? 'opening' : 'breach'
  const endsAtMs = atMs + (kind === 'opening' ? protection.openingMs : protection.auctionMs)
  incentive.auction = {kind, endsAtMs}
  state.auctions.add(incentive.asset)
  state.expiries.push({atMs: endsAtMs, seq, what: 'auction', id: incentive.id})
  effects.push({type: 'market.phase', incentive: incentive.id, phase: phaseOf(incentive.auction), endsAtMs})
}

/**
 * Ends an auction: what crosses trades at one price, by price and then time, as if of each two orders the later one had met the earlier. Meets at most
 * `CROSSINGS_MAX` orders; where more cross, the auction stays due and the next command goes on, at the same price unless somebody came or went between.
 * An order for which the trade volume limit or its owner's share of it leaves no lot expires; what then still crosses has a price of its own. In the end nothing crosses.
 */
export function uncross(context: CommandContext, due: Expiry): void {
  const {state, effects} = context
  const incentive = state.incentivesById.get(due.id)
  assert(incentive?.auction !== undefined, 'the end of no auction')
  const book = state.market.book(incentive.asset)
  const progress: Progress = {met: 0, trades: 0}
  let looked = 0
  do {
    const orders = crossingOrders(state, book, context.atMs)
    looked += orders.bids.length + orders.asks.length
    const price = auctionPrice(orders, incentive.prices?.referenceMicroGutta)
    tradeAt(context, incentive, {price, isLastPrice: looked >= AUCTION_LOOKED_MAX, progress})
  } while (isCrossed(book) && progress.met < CROSSINGS_MAX)
  if (progress.trades > 0 && incentive.prices !== undefined) incentive.prices.referenceMicroGutta = incentive.prices.lastMicroGutta
  if (isCrossed(book)) {
    state.expiries.push(due)
    return
  }
  delete incentive.auction
  state.auctions.delete(incentive.asset)
  effects.push({type: 'market.phase', incentive: incentive.id, phase: 'continuous', endsAtMs: null})
}

export function phaseOf({kind}: AuctionState): 'opening' | 'auction' {
  return kind === 'opening' ? 'opening' : 'auction'
}

function isCrossed({bids, asks}: OrderBook): boolean {
  const [bid, ask] = [bids.bestPriceMicroGutta, asks.bestPriceMicroGutta]
  return bid !== undefined && ask !== undefined && bid >= ask
}

/** Those that cross the other side's best, and whose time has not come. */
function crossingOrders({market}: LedgerState, book: OrderBook, atMs: number): {readonly bids: PricedLots[]; readonly asks: PricedLots[]} {
  const {pool} = market
  const living = (side: Side): {readonly orders: PricedLots[]} => {
    const reach = book.side(side === BUY ? SELL : BUY).bestPriceMicroGutta
    const orders: PricedLots[] = []
    for (const slot of reach === undefined ? [] : book.orders(side)) {
      const priceMicroGutta = pool.priceMicroGutta[slot] ?? 0
      if (side === BUY ? priceMicroGutta < (reach ?? 0) : priceMicroGutta > (reach ?? 0)) break
      if (!isExpired(pool, slot, atMs)) orders.push({priceMicroGutta, lots: pool.remaining[slot] ?? 0})
    }
    return {orders}
  }
  return {bids: living(BUY).orders, asks: living(SELL).orders}
}

/** What one command did of an auction. */
interface Progress {
  met: number
  trades: number
}

interface Pricing {
  /** Absent: there are no trades, only orders whose time has come. */
  readonly price: number | undefined
  /** No other is looked for: where nothing crosses at it any more, what is nearest to it of the prices of both orders is taken. */
  readonly isLastPrice: boolean
  readonly progress: Progress
}

/** Goes on until nothing crosses at this price, or the command has met as many as it may. */
function tradeAt(context: CommandContext, incentive: IncentiveState, {price, isLastPrice, progress}: Pricing): void {
  const {state, atMs} = context
  const {pool} = state.market
  const book = state.market.book(incentive.asset)
  for (; progress.met < CROSSINGS_MAX && isCrossed(book); progress.met += 1) {
    const [bid, ask] = [book.bids.bestHead, book.asks.bestHead]
    const over = [bid, ask].find((slot) => isExpired(pool, slot, atMs))
    if (over !== undefined) {
      expire(context, over, 'time')
      continue
    }
    assert(price !== undefined && bid !== NONE && ask !== NONE, 'an auction without a price')
    const nearest = Math.min(pool.priceMicroGutta[bid] ?? 0, Math.max(pool.priceMicroGutta[ask] ?? 0, price))
    if (nearest !== price && !isLastPrice) return
    const [earlier, later] = isLater(pool, bid, ask) ? [ask, bid] : [bid, ask]
    const fits = Math.floor(volumeLeft(incentive, pool.owner[later] ?? 0, atMs) / nearest)
    const lots = Math.min(fits, pool.remaining[bid] ?? 0, pool.remaining[ask] ?? 0)
    if (lots === 0) {
      expire(context, later, 'volume_limit')
      continue
    }
    trade(context, incentive, {earlier, later, lots, price: nearest, index: progress.trades})
    progress.trades += 1
  }
}

function isLater({since}: OrderPool, order: number, other: number): boolean {
  return (since[order] ?? 0) > (since[other] ?? 0)
}

function expire({state, effects}: CommandContext, slot: number, reason: 'time' | 'volume_limit'): void {
  effects.push(freeResting(state, slot, 'expired', reason))
  forgetOrder(state, slot)
  state.market.remove(slot)
}

interface Pairing {
  readonly earlier: number
  readonly later: number
  readonly lots: number
  readonly price: number
  readonly index: number
}

function trade(context: CommandContext, incentive: IncentiveState, {earlier, later, lots, price, index}: Pairing): void {
  const {state, effects} = context
  const {pool} = state.market
  const order = state.market.orderAt(later)
  assert(order.owner !== pool.owner[earlier], 'nobody trades with themselves')
  const {owner, priceMicroGutta, remaining} = order
  const taker = {id: orderId(order.seq), owner, side: order.side === BUY ? 'buy' : 'sell', priceMicroGutta, remaining} as const
  const settlement = new Settlement(context, incentive, {...taker}, index)
  settlement.filled(earlier, lots, price)
  const rest = remaining - lots
  effects.push(orderChanged(taker.id, rest, rest === 0 ? 'filled' : 'open', null))
  if (rest === 0) forgetOrder(state, later)
  for (const slot of [earlier, later]) {
    const of = state.market.book(incentive.asset).side(slot === earlier ? otherSide(order.side) : order.side)
    of.reduce(slot, lots)
    if (pool.remaining[slot] === 0) state.market.remove(slot)
  }
}

function otherSide(side: Side): Side {
  return side === BUY ? SELL : BUY
}
