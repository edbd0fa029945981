import assert from 'node:assert'
import type {ChangedLevels} from './changed-levels.ts'
import {CROSSINGS_MAX} from './limits.ts'
import {BUY, NONE, type OrderPool, SELL, type Side} from './order-pool.ts'
import {PriceLevels} from './price-levels.ts'

/** An order that meets the book: lots it still wants, at this price or better. */
export interface Taker {
  readonly owner: number
  readonly side: Side
  readonly priceMicroGutta: number
  readonly lots: number
  /** What becomes of an own order that it meets. Absent: it stays, and the taker stops. */
  readonly selfTrade?: SelfTrade | undefined
  /** Prices that it may trade at. Absent: all up to its own. */
  readonly band?: Band | undefined
}

/** Both ends belong to it. */
export interface Band {
  readonly lowMicroGutta: number
  readonly highMicroGutta: number
}

export function isBeyond(band: Band | undefined, priceMicroGutta: number): boolean {
  return band !== undefined && (priceMicroGutta < band.lowMicroGutta || priceMicroGutta > band.highMicroGutta)
}

/** Which of two orders of one owner is cancelled when they meet, where it is not the newer one alone. */
export type SelfTrade = 'cancel-oldest' | 'cancel-both'

/** Why a taker met no further resting order. */
export type Stop = 'filled' | 'uncrossed' | 'volume_limit' | 'would_self_trade' | 'crossing_limit' | 'price_band'

/** Hears of each meeting before the book changes, while the maker's columns still say what was. */
export interface MatchListener {
  filled(maker: number, lots: number, priceMicroGutta: number): void
  expired(maker: number): void
  /** It is the taker's own, and goes so that the taker can go on or go too. */
  ownCancelled(maker: number): void
}

/**
 * One incentive's book: price, then time. It knows numbers of orders and owners and nothing of money; the market settles what it hears.
 */
export class OrderBook {
  readonly bids: PriceLevels
  readonly asks: PriceLevels
  readonly #pool: OrderPool

  constructor(pool: OrderPool, changed: ChangedLevels) {
    this.#pool = pool
    this.bids = new PriceLevels(pool, BUY, changed)
    this.asks = new PriceLevels(pool, SELL, changed)
  }

  side(side: Side): PriceLevels {
    return side === BUY ? this.bids : this.asks
  }

  /** True if an order of this side and price meets a resting one. */
  crosses(side: Side, priceMicroGutta: number): boolean {
    const best = this.side(side === BUY ? SELL : BUY).bestPriceMicroGutta
    return best !== undefined && (side === BUY ? best <= priceMicroGutta : best >= priceMicroGutta)
  }

  /** True if an order of this side and price meets one whose time has not come, or too many to tell. */
  wouldTrade(side: Side, priceMicroGutta: number, atMs: number): boolean {
    const levels = this.side(side === BUY ? SELL : BUY)
    let met = 0
    for (let place = levels.best; place !== NONE; place = levels.worse(place)) {
      const price = levels.priceAt(place)
      if (side === BUY ? price > priceMicroGutta : price < priceMicroGutta) return false
      for (let maker = levels.headAt(place); maker !== NONE; maker = this.#pool.next[maker] ?? NONE) {
        if (met === CROSSINGS_MAX || !isExpired(this.#pool, maker, atMs)) return true
        met += 1
      }
    }
    return false
  }

  rest(order: number): void {
    this.side(sideOf(this.#pool, order)).append(order)
  }

  remove(order: number): void {
    this.side(sideOf(this.#pool, order)).remove(order)
  }

  /**
   * Fills the taker from the best resting orders, at their prices. Meets at most `CROSSINGS_MAX` of them; resting orders whose time has come
   * are taken out on the way, and own ones as the taker says. `volumeLeftMicroGutta` bounds the executed notional.
   */
  match(
    taker: Taker,
    volumeLeftMicroGutta: number,
    atMs: number,
    listener: MatchListener
  ): {readonly remaining: number; readonly stop: Stop} {
    const pool = this.#pool
    const levels = this.side(taker.side === BUY ? SELL : BUY)
    let remaining = taker.lots
    let volumeLeft = volumeLeftMicroGutta
    for (let met = 0; remaining > 0; met += 1) {
      const maker = levels.bestHead
      if (maker === NONE) return {remaining, stop: 'uncrossed'}
      const price = pool.priceMicroGutta[maker] ?? 0
      if (taker.side === BUY ? price > taker.priceMicroGutta : price < taker.priceMicroGutta) return {remaining, stop: 'uncrossed'}
      if (met === CROSSINGS_MAX) return {remaining, stop: 'crossing_limit'}
      if (isExpired(pool, maker, atMs)) {
        listener.expired(maker)
        this.#drop(levels, maker)
        continue
      }
      if (pool.owner[maker] === taker.owner) {
        if (taker.selfTrade === undefined) return {remaining, stop: 'would_self_trade'}
        listener.ownCancelled(maker)
        this.#drop(levels, maker)
        if (taker.selfTrade === 'cancel-both') return {remaining, stop: 'would_self_trade'}
        continue
      }
      const lots = Math.min(remaining, pool.remaining[maker] ?? 0, Math.floor(volumeLeft / price))
      if (lots === 0) return {remaining, stop: 'volume_limit'}
      if (isBeyond(taker.band, price)) return {remaining, stop: 'price_band'}
      listener.filled(maker, lots, price)
      remaining -= lots
      volumeLeft -= lots * price
      levels.reduce(maker, lots)
      if (pool.remaining[maker] === 0) this.#drop(levels, maker)
    }
    return {remaining, stop: 'filled'}
  }

  /** What `match` would come to, changing nothing: for orders that fill whole or not at all. */
  foresee(taker: Taker, volumeLeftMicroGutta: number, atMs: number): Stop {
    const pool = this.#pool
    const levels = this.side(taker.side === BUY ? SELL : BUY)
    let remaining = taker.lots
    let volumeLeft = volumeLeftMicroGutta
    let met = 0
    for (let place = levels.best; place !== NONE; place = levels.worse(place)) {
      const price = levels.priceAt(place)
      if (taker.side === BUY ? price > taker.priceMicroGutta : price < taker.priceMicroGutta) return 'uncrossed'
      for (let maker = levels.headAt(place); maker !== NONE; maker = pool.next[maker] ?? NONE) {
        if (met === CROSSINGS_MAX) return 'crossing_limit'
        met += 1
        if (isExpired(pool, maker, atMs)) continue
        if (pool.owner[maker] === taker.owner) {
          if (taker.selfTrade === 'cancel-oldest') continue
          return 'would_self_trade'
        }
        const wanted = Math.min(remaining, pool.remaining[maker] ?? 0)
        const fits = Math.floor(volumeLeft / price)
        if (fits > 0 && isBeyond(taker.band, price)) return 'price_band'
        if (fits < wanted) return 'volume_limit'
        remaining -= wanted
        volumeLeft -= wanted * price
        if (remaining === 0) return 'filled'
      }
    }
    return 'uncrossed'
  }

  /** Resting orders of one side, best first, then oldest first. */
  *orders(side: Side): Generator<number> {
    const levels = this.side(side)
    for (let place = levels.best; place !== NONE; place = levels.worse(place)) {
      for (let order = levels.headAt(place); order !== NONE; order = this.#pool.next[order] ?? NONE) yield order
    }
  }

  #drop(levels: PriceLevels, order: number): void {
    levels.remove(order)
    this.#pool.give(order)
  }
}

export function sideOf(pool: OrderPool, order: number): Side {
  const side = pool.side[order]
  assert(side === BUY || side === SELL, 'an order without a side')
  return side
}

/** True where its time has come. */
export function isExpired(pool: OrderPool, order: number, atMs: number): boolean {
  const expiresAtMs = pool.expiresAtMs[order] ?? 0
  return expiresAtMs !== 0 && expiresAtMs <= atMs
}
