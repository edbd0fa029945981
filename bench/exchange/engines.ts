import {createHash} from 'node:crypto'
import hft from 'hft-limit-order-book'
import nodejs from 'nodejs-order-book'
import {Market} from '../../src/core/exchange/market.ts'
import type {MatchListener, Taker} from '../../src/core/exchange/order-book.ts'
import {BUY, NONE, SELL, type Side} from '../../src/core/exchange/order-pool.ts'
import type {BookEvent} from './book-events.ts'

/** [price, lots] of each level, best first. */
export type Depth = readonly (readonly [number, number])[]

/** A book with its input, prepared and not yet run. */
export interface Run {
  /** Carries out the event of this place. */
  step(index: number): void
  /** Bids, asks. */
  depth(): readonly [Depth, Depth]
}

export type Engine = (events: readonly BookEvent[]) => Run

/** What a book has in the end, in one line: engines whose lines differ have not done the same work. */
export function depthHash([bids, asks]: readonly [Depth, Depth]): string {
  return createHash('sha256')
    .update(JSON.stringify([bids, asks]))
    .digest('hex')
}

const EVERYTHING = Number.MAX_SAFE_INTEGER
const AT_MS = 1

/**
 * Creo's market with all of its checks on: the owner of each order it meets, its time, the volume that is left, and the way from an order's number
 * to its place. What it hears of fills is what settlement hears. Money, and the changed levels that a coordinator keeps for its watchers, are in `durable.*`.
 */
export const creoMarket: Engine = (events) => {
  const market = new Market(2000)
  const {pool} = market
  const book = market.book(1)
  const listener: MatchListener = {
    filled: (maker, lots) => {
      if (pool.remaining[maker] === lots) market.forget(maker)
    },
    expired: (maker) => market.forget(maker),
    ownCancelled: (maker) => market.forget(maker)
  }
  const steps = events.map((event) => {
    if (event.type === 'cancel') return {type: event.type, order: event.order} as const
    const {owner, side, price, lots, seq} = event
    if (event.type === 'take') return {type: event.type, taker: {owner, side, priceMicroGutta: price, lots} satisfies Taker} as const
    return {type: event.type, order: {seq, owner, book: 1, side, priceMicroGutta: price, lots, remaining: lots, expiresAtMs: 0}} as const
  })
  return {
    step: (index) => {
      const step = steps[index]
      if (step?.type === 'add') market.rest(step.order)
      else if (step?.type === 'take') book.match(step.taker, EVERYTHING, AT_MS, listener)
      else if (step !== undefined) market.remove(market.find(step.order) ?? -1)
    },
    depth: () => [depthOf(market, BUY), depthOf(market, SELL)]
  }
}

function depthOf(market: Market, side: Side): Depth {
  const levels = market.book(1).side(side)
  const depth: (readonly [number, number])[] = []
  for (let place = levels.best; place !== NONE; place = levels.worse(place)) depth.push([levels.priceAt(place), levels.lotsAt(place)])
  return depth
}

export const nodejsOrderBook: Engine = (events) => peerRun(new nodejs.OrderBook(), events, nodejs.Side)

export const hftLimitOrderBook: Engine = (events) => peerRun(new hft.OrderBook(), events, hft.Side)

/** What of the two peers' books is used; one descends from the other. Marketable orders are what they call market orders. */
interface PeerBook<S> {
  limit(order: {readonly id: string; readonly side: S; readonly size: number; readonly price: number}): unknown
  market(order: {readonly side: S; readonly size: number}): unknown
  cancel(id: string): unknown
  depth(): [[number, number][], [number, number][]]
}

function peerRun<S>(book: PeerBook<S>, events: readonly BookEvent[], {BUY: buy, SELL: sell}: {readonly BUY: S; readonly SELL: S}): Run {
  const steps = events.map((event) => {
    if (event.type === 'cancel') return {type: event.type, id: String(event.order)} as const
    const {type, seq, price, lots} = event
    const side = event.side === BUY ? buy : sell
    return type === 'add'
      ? ({type, order: {id: String(seq), side, size: lots, price}} as const)
      : ({type, order: {side, size: lots}} as const)
  })
  return {
    step: (index) => {
      const step = steps[index]
      if (step?.type === 'add') book.limit(step.order)
      else if (step?.type === 'take') book.market(step.order)
      else if (step !== undefined) book.cancel(step.id)
    },
    depth: () => bestFirst(book.depth())
  }
}

/** The peers give asks from the highest price down. */
function bestFirst([asks, bids]: readonly [Depth, Depth]): [Depth, Depth] {
  return [bids.toSorted(([a], [b]) => b - a), asks.toSorted(([a], [b]) => a - b)]
}
