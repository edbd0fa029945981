import type {ChangedLevels} from './changed-levels.ts'
import {grownFloats, grownInts, NONE, type OrderPool, SELL, type Side} from './order-pool.ts'

const LEVELS_AT_START = 64

/**
 * One side of a book: its price levels sorted with the best price last, so that the common changes at the top move nothing. Each level is a
 * queue of orders in time order.
 */
export class PriceLevels {
  readonly #pool: OrderPool
  readonly #side: Side
  readonly #changed: ChangedLevels
  /** +1 for bids, −1 for asks: price × sign rises towards the best. */
  readonly #sign: number
  #keys = new Float64Array(LEVELS_AT_START)
  #levels = new Int32Array(LEVELS_AT_START)
  #count = 0
  #head = new Int32Array(LEVELS_AT_START)
  #tail = new Int32Array(LEVELS_AT_START)
  #lots = new Float64Array(LEVELS_AT_START)
  #price = new Float64Array(LEVELS_AT_START)
  #nextFree = new Int32Array(LEVELS_AT_START)
  #free = NONE
  #used = 0

  constructor(pool: OrderPool, side: Side, changed: ChangedLevels) {
    this.#pool = pool
    this.#side = side
    this.#changed = changed
    this.#sign = side === SELL ? -1 : 1
  }

  get count(): number {
    return this.#count
  }

  /** Price of the n-th best level, from 0; `undefined` past the last. */
  priceAt(rank: number): number | undefined {
    return rank < this.#count ? this.#price[this.#levels[this.#count - 1 - rank] ?? 0] : undefined
  }

  lotsAt(rank: number): number {
    return this.#lots[this.#levels[this.#count - 1 - rank] ?? 0] ?? 0
  }

  /** Of the level at this price; 0 where there is none. */
  lotsOf(priceMicroGutta: number): number {
    const key = priceMicroGutta * this.#sign
    const index = this.#search(key)
    return index < this.#count && this.#keys[index] === key ? (this.#lots[this.#levels[index] ?? 0] ?? 0) : 0
  }

  /** Oldest order of the n-th best level. */
  headAt(rank: number): number {
    return this.#head[this.#levels[this.#count - 1 - rank] ?? 0] ?? NONE
  }

  /** Puts an order, whose columns are filled in, at the end of its price's queue. */
  append(order: number): void {
    const pool = this.#pool
    const price = pool.priceMicroGutta[order] ?? 0
    const level = this.#levelOf(price)
    const tail = this.#tail[level] ?? NONE
    pool.level[order] = level
    pool.previous[order] = tail
    pool.next[order] = NONE
    if (tail === NONE) this.#head[level] = order
    else pool.next[tail] = order
    this.#tail[level] = order
    this.#lots[level] = (this.#lots[level] ?? 0) + (pool.remaining[order] ?? 0)
    if (this.#changed.isKept) this.#changed.add(pool.book[order] ?? 0, this.#side, price)
  }

  /** Takes filled lots off an order and its level; the order stays, even at zero. */
  reduce(order: number, lots: number): void {
    const level = this.#pool.level[order] ?? 0
    this.#pool.remaining[order] = (this.#pool.remaining[order] ?? 0) - lots
    this.#lots[level] = (this.#lots[level] ?? 0) - lots
    if (this.#changed.isKept) this.#changed.add(this.#pool.book[order] ?? 0, this.#side, this.#price[level] ?? 0)
  }

  remove(order: number): void {
    const pool = this.#pool
    const level = pool.level[order] ?? 0
    const previous = pool.previous[order] ?? NONE
    const next = pool.next[order] ?? NONE
    if (previous === NONE) this.#head[level] = next
    else pool.next[previous] = next
    if (next === NONE) this.#tail[level] = previous
    else pool.previous[next] = previous
    this.#lots[level] = (this.#lots[level] ?? 0) - (pool.remaining[order] ?? 0)
    if (this.#changed.isKept) this.#changed.add(pool.book[order] ?? 0, this.#side, this.#price[level] ?? 0)
    if (this.#head[level] === NONE) this.#dropLevel(level)
  }

  /** Index of the first level whose key is at least this one. */
  #search(key: number): number {
    let low = 0
    let high = this.#count
    if (high > 0 && (this.#keys[high - 1] ?? 0) < key) return high
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#keys[middle] ?? 0) < key) low = middle + 1
      else high = middle
    }
    return low
  }

  #levelOf(price: number): number {
    const key = price * this.#sign
    const index = this.#search(key)
    if (index < this.#count && this.#keys[index] === key) return this.#levels[index] ?? 0
    const level = this.#takeLevel()
    this.#price[level] = price
    this.#lots[level] = 0
    this.#head[level] = NONE
    this.#tail[level] = NONE
    this.#keys.copyWithin(index + 1, index, this.#count)
    this.#levels.copyWithin(index + 1, index, this.#count)
    this.#keys[index] = key
    this.#levels[index] = level
    this.#count += 1
    return level
  }

  #takeLevel(): number {
    if (this.#free !== NONE) {
      const level = this.#free
      this.#free = this.#nextFree[level] ?? NONE
      return level
    }
    if (this.#used === this.#keys.length) this.#grow()
    this.#used += 1
    return this.#used - 1
  }

  #dropLevel(level: number): void {
    const index = this.#search((this.#price[level] ?? 0) * this.#sign)
    this.#keys.copyWithin(index, index + 1, this.#count)
    this.#levels.copyWithin(index, index + 1, this.#count)
    this.#count -= 1
    this.#nextFree[level] = this.#free
    this.#free = level
  }

  #grow(): void {
    const length = this.#keys.length * 2
    this.#keys = grownFloats(this.#keys, length)
    this.#levels = grownInts(this.#levels, length)
    this.#head = grownInts(this.#head, length)
    this.#tail = grownInts(this.#tail, length)
    this.#lots = grownFloats(this.#lots, length)
    this.#price = grownFloats(this.#price, length)
    this.#nextFree = grownInts(this.#nextFree, length)
  }
}
