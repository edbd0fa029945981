import type {ChangedLevels} from './changed-levels.ts'
import {grownFloats, grownInts, NONE, type OrderPool, SELL, type Side} from './order-pool.ts'

const LEVELS_AT_START = 64
/** So many empty levels may stay besides one for each that is not: fewer would be dropped too often in a small book. */
const EMPTY_SPARE = 64
/** Up to here moving places one by one is faster than calling for it. */
const MOVED_SINGLY_MAX = 32

/**
 * One side of a book: its price levels sorted with the best price last, so that the common changes at the top move nothing. Each level is a
 * queue of orders in time order. A level that empties below the best one keeps its place until an order comes to it or near it, or until more levels are empty
 * than not: most prices that empty fill again, and taking each out and in moved all that lay above it. The best level is never empty.
 */
export class PriceLevels {
  readonly #pool: OrderPool
  readonly #side: Side
  readonly #changed: ChangedLevels
  /** +1 for bids, −1 for asks: price × sign rises towards the best. */
  readonly #sign: number
  #keys = new Float64Array(LEVELS_AT_START)
  #levels = new Int32Array(LEVELS_AT_START)
  /** Places in use, empty levels among them. */
  #count = 0
  #empty = 0
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

  /** Levels with orders. */
  get count(): number {
    return this.#count - this.#empty
  }

  /** Place of the best level; `NONE` if there is none. A place holds until the next change. */
  get best(): number {
    return this.#count - 1
  }

  /** Place of the next worse level with orders; `NONE` past the last. */
  worse(place: number): number {
    let next = place - 1
    while (next >= 0 && this.#head[this.#levels[next] ?? 0] === NONE) next -= 1
    return next
  }

  /** `undefined` if there is no order. */
  get bestPriceMicroGutta(): number | undefined {
    return this.#count === 0 ? undefined : this.priceAt(this.#count - 1)
  }

  /** Oldest order of the best level; `NONE` if there is none. */
  get bestHead(): number {
    return this.#count === 0 ? NONE : this.headAt(this.#count - 1)
  }

  priceAt(place: number): number {
    return this.#price[this.#levels[place] ?? 0] ?? 0
  }

  lotsAt(place: number): number {
    return this.#lots[this.#levels[place] ?? 0] ?? 0
  }

  /** Oldest order of the level. */
  headAt(place: number): number {
    return this.#head[this.#levels[place] ?? 0] ?? NONE
  }

  /** Of the level at this price; 0 where there is none. */
  lotsOf(priceMicroGutta: number): number {
    const key = priceMicroGutta * this.#sign
    const index = this.#search(key)
    return index < this.#count && this.#keys[index] === key ? (this.#lots[this.#levels[index] ?? 0] ?? 0) : 0
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
    if (this.#head[level] === NONE) this.#emptied(level)
  }

  /** The first place whose key is at least this one. */
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

  /** The level of a price, an empty one where there was none; an order comes to it next. */
  #levelOf(price: number): number {
    const key = price * this.#sign
    const place = this.#search(key)
    if (place === this.#count) return this.#insert(place, price)
    const level = this.#levels[place] ?? 0
    if (this.#keys[place] === key) {
      if (this.#head[level] === NONE) this.#empty -= 1
      return level
    }
    if (this.#head[level] === NONE) return this.#reuse(place, price)
    if (place > 0 && this.#head[this.#levels[place - 1] ?? 0] === NONE) return this.#reuse(place - 1, price)
    return this.#insert(place, price)
  }

  /** Makes an empty level another price's, which lies between those of its neighbours. */
  #reuse(place: number, price: number): number {
    const level = this.#levels[place] ?? 0
    this.#empty -= 1
    this.#keys[place] = price * this.#sign
    this.#price[level] = price
    return level
  }

  #insert(place: number, price: number): number {
    const level = this.#takeLevel()
    this.#price[level] = price
    this.#lots[level] = 0
    this.#head[level] = NONE
    this.#tail[level] = NONE
    this.#moveUp(place)
    this.#keys[place] = price * this.#sign
    this.#levels[place] = level
    this.#count += 1
    return level
  }

  /** Makes room at a place. */
  #moveUp(place: number): void {
    const keys = this.#keys
    const levels = this.#levels
    const count = this.#count
    if (count - place > MOVED_SINGLY_MAX) {
      keys.copyWithin(place + 1, place, count)
      levels.copyWithin(place + 1, place, count)
      return
    }
    for (let to = count; to > place; to -= 1) {
      keys[to] = keys[to - 1] ?? 0
      levels[to] = levels[to - 1] ?? 0
    }
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

  /** Drops a level that was the best, with the empty ones that come after it; leaves another in its place. */
  #emptied(level: number): void {
    this.#empty += 1
    if (this.#levels[this.#count - 1] === level) {
      while (this.#count > 0) {
        const last = this.#levels[this.#count - 1] ?? 0
        if (this.#head[last] !== NONE) break
        this.#count -= 1
        this.#empty -= 1
        this.#giveLevel(last)
      }
    } else if (this.#empty > this.#count - this.#empty + EMPTY_SPARE) this.#dropEmpty()
  }

  #dropEmpty(): void {
    let kept = 0
    for (let place = 0; place < this.#count; place += 1) {
      const level = this.#levels[place] ?? 0
      if (this.#head[level] === NONE) this.#giveLevel(level)
      else {
        this.#keys[kept] = this.#keys[place] ?? 0
        this.#levels[kept] = level
        kept += 1
      }
    }
    this.#count = kept
    this.#empty = 0
  }

  #giveLevel(level: number): void {
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
