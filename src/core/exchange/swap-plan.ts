import {AMOUNT_MAX} from '../units.ts'
import {feeOf} from './escrow.ts'
import {CROSSINGS_MAX} from './limits.ts'
import {type Band, isBeyond, type Stop} from './order-book.ts'

/** A resting order on the way of a swap, best first, then as it waits. */
export interface MetOrder {
  readonly priceMicroGutta: number
  readonly lots: number
  /** It is of the one who swaps. */
  readonly isOwn: boolean
  /** Its time has come. */
  readonly isExpired: boolean
}

export interface SwapTerms {
  /** Which of the two sizes is exact: the other is the worst one accepted. */
  readonly exact: 'send' | 'receive'
  readonly sendLots: number
  readonly receiveLots: number
  readonly takerPpm: number
  /** True where own orders on the way are cancelled; else one of them refuses the swap. */
  readonly goesPastOwn: boolean
  /** What may still be traded of each under its limit. */
  readonly volumeLeft: {readonly from: number; readonly to: number}
  /** Prices that each may trade at; absent: any. */
  readonly bands: {readonly from: Band | undefined; readonly to: Band | undefined}
}

/** What is done in one of the two markets. The fee is on top of the notional where it buys, and out of it where it sells. */
export interface Leg {
  readonly lots: number
  readonly notionalMicroGutta: number
  readonly feeMicroGutta: number
  /** Of the last order that it takes. */
  readonly worstPriceMicroGutta: number
}

export interface SwapPlan {
  readonly selling: Leg
  readonly buying: Leg
}

/** Why there is no swap. `uncrossed`: the book has too little; `worst_price`: the other size would be worse than accepted. */
export interface SwapTrouble {
  readonly trouble: Exclude<Stop, 'filled'> | 'worst_price'
  readonly market: 'from' | 'to'
}

type Mutable<Value> = {-readonly [Name in keyof Value]: Value[Name]}
type Walked = Mutable<Leg> & {met: number}

/** How many lots of an order are wanted after what was taken, at most all of it, and whether enough was taken. */
interface Goal {
  wanted(taken: Leg, order: MetOrder): number
  isReached(taken: Leg): boolean
}

/**
 * What selling one incentive for Gutta and another for that Gutta comes to, changing nothing. Sending exactly, it buys as much as the proceeds pay for, with what
 * would not pay for another lot left over; receiving exactly, it sells the fewest lots whose proceeds pay. Whole or not at all.
 */
export function planSwap(
  books: {readonly bids: Iterable<MetOrder>; readonly asks: Iterable<MetOrder>},
  terms: SwapTerms
): SwapPlan | SwapTrouble {
  const {takerPpm: ppm, sendLots, receiveLots} = terms
  const sell = (goal: Goal, metBefore: number): Walked | SwapTrouble => walk(books.bids, goal, {...terms, market: 'from', metBefore})
  const buy = (goal: Goal, metBefore: number): Walked | SwapTrouble => walk(books.asks, goal, {...terms, market: 'to', metBefore})
  if (terms.exact === 'send') {
    const selling = sell(exactly(sendLots), 0)
    if ('trouble' in selling) return selling
    const buying = buy(asMuchAs(proceedsOf(selling), ppm), selling.met)
    if ('trouble' in buying) return buying
    return buying.lots < receiveLots ? {trouble: 'worst_price', market: 'to'} : {selling: legOf(selling), buying: legOf(buying)}
  }
  const buying = buy(exactly(receiveLots), 0)
  if ('trouble' in buying) return buying
  const selling = sell(enoughFor(costOf(buying), ppm), buying.met)
  if ('trouble' in selling) return selling
  return selling.lots > sendLots ? {trouble: 'worst_price', market: 'from'} : {selling: legOf(selling), buying: legOf(buying)}
}

/** A swap's trouble in words. */
export function swapRefusal(
  {trouble, market}: SwapTrouble,
  terms: Pick<SwapTerms, 'sendLots' | 'receiveLots'> & {readonly from: string; readonly to: string}
): {readonly code: 'rejected' | 'volume_limit' | 'price_band' | 'would_self_trade'; readonly message: string} {
  const incentive = terms[market]
  if (trouble === 'volume_limit')
    return {code: trouble, message: `The trade volume limit of ${incentive}, or your share of it, leaves too little for the whole swap.`}
  if (trouble === 'would_self_trade') return {code: trouble, message: `One of the orders for ${incentive} is your own.`}
  if (trouble === 'price_band') return {code: trouble, message: `The swap would trade ${incentive} beyond its price band.`}
  if (trouble === 'crossing_limit') return {code: 'rejected', message: 'The swap would meet more orders than one command may.'}
  if (trouble === 'uncrossed') return {code: 'rejected', message: `The book of ${incentive} has too little for the whole swap.`}
  const worse = market === 'to' ? `fewer than ${terms.receiveLots} lots delivered` : `more than ${terms.sendLots} lots sent`
  return {code: 'rejected', message: `It would be worse than accepted: ${worse} of ${incentive}.`}
}

/** What a sale brings. */
export function proceedsOf({notionalMicroGutta, feeMicroGutta}: Leg): number {
  return notionalMicroGutta - feeMicroGutta
}

/** What a purchase costs. */
export function costOf({notionalMicroGutta, feeMicroGutta}: Leg): number {
  return notionalMicroGutta + feeMicroGutta
}

function walk(
  orders: Iterable<MetOrder>,
  goal: Goal,
  terms: SwapTerms & {readonly market: 'from' | 'to'; readonly metBefore: number}
): Walked | SwapTrouble {
  const {market, metBefore, takerPpm} = terms
  const taken: Walked = {lots: 0, notionalMicroGutta: 0, feeMicroGutta: 0, worstPriceMicroGutta: 0, met: metBefore}
  for (const order of orders) {
    if (taken.met === CROSSINGS_MAX) return {trouble: 'crossing_limit', market}
    taken.met += 1
    if (order.isExpired) continue
    const lots = goal.wanted(taken, order)
    if (lots === 0) return taken
    if (order.isOwn && terms.goesPastOwn) continue
    if (order.isOwn) return {trouble: 'would_self_trade', market}
    const notional = lots * order.priceMicroGutta
    if (taken.notionalMicroGutta + notional > terms.volumeLeft[market]) return {trouble: 'volume_limit', market}
    if (isBeyond(terms.bands[market], order.priceMicroGutta)) return {trouble: 'price_band', market}
    if (costOf(taken) + notional + feeOf(notional, takerPpm) > AMOUNT_MAX) return {trouble: 'uncrossed', market}
    taken.lots += lots
    taken.notionalMicroGutta += notional
    taken.feeMicroGutta += feeOf(notional, takerPpm)
    taken.worstPriceMicroGutta = order.priceMicroGutta
    // A further lot would be of this order too, in one fill with those before: its fee may be more than that of two fills.
    if (lots < order.lots || goal.isReached(taken)) return taken
  }
  return {trouble: 'uncrossed', market}
}

function exactly(lots: number): Goal {
  return {
    wanted: (taken, order) => Math.min(order.lots, lots - taken.lots),
    isReached: (taken) => taken.lots === lots
  }
}

/** As many lots as this much Gutta pays for, fees with them. */
function asMuchAs(microGutta: number, ppm: number): Goal {
  const cost = (notional: number): number => notional + feeOf(notional, ppm)
  return {
    wanted: (taken, {lots, priceMicroGutta}) => {
      const left = microGutta - costOf(taken)
      const most = Math.min(lots, Math.floor(left / priceMicroGutta))
      return most - least(most, (fewer) => cost((most - fewer) * priceMicroGutta) <= left)
    },
    // Whatever comes next is not cheaper.
    isReached: (taken) => cost(taken.worstPriceMicroGutta) > microGutta - costOf(taken)
  }
}

/** As few lots as bring this much Gutta, fees taken off. */
function enoughFor(microGutta: number, ppm: number): Goal {
  return {
    wanted: (taken, {lots, priceMicroGutta}) => {
      const missing = microGutta - proceedsOf(taken)
      return least(lots, (some) => some * priceMicroGutta - feeOf(some * priceMicroGutta, ppm) >= missing)
    },
    isReached: (taken) => proceedsOf(taken) >= microGutta
  }
}

/** The least whole number up to `most` of which a claim holds that holds of all above it too; `most` where it holds of none below. */
function least(most: number, holds: (value: number) => boolean): number {
  let [low, high] = [0, most]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (holds(middle)) high = middle
    else low = middle + 1
  }
  return low
}

function legOf({met: _, ...leg}: Walked): Leg {
  return leg
}
