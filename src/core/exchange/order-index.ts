import {NONE, type OrderPool} from './order-pool.ts'

const PLACES_AT_START = 2048
/** Knuth's multiplier, 2^32 divided by the golden ratio: sequences that follow each other land far apart. */
const SCATTER = 0x9e3779b1

/**
 * The way from an order's number to its slot in the pool: open addressing with linear probing, at most half full, whose places hold slots alone, since
 * the pool knows each slot's number. A JavaScript Map of the same costs several times as much and stalls when it grows.
 */
export class OrderIndex {
  readonly #pool: OrderPool
  #places = new Int32Array(PLACES_AT_START).fill(NONE)
  #mask = PLACES_AT_START - 1
  #shift = 32 - Math.log2(PLACES_AT_START)
  #count = 0

  constructor(pool: OrderPool) {
    this.#pool = pool
  }

  /** The slot of a resting order; `NONE` if there is none of this number. */
  find(seq: number): number {
    const places = this.#places
    const numbers = this.#pool.seq
    for (let place = this.#home(seq); ; place = (place + 1) & this.#mask) {
      const slot = places[place] ?? NONE
      if (slot === NONE || numbers[slot] === seq) return slot
    }
  }

  /** Adds a slot whose number is in the pool already, and is not in here. */
  add(slot: number): void {
    if (2 * (this.#count + 1) > this.#places.length) this.#grow()
    this.#put(slot)
    this.#count += 1
  }

  /** True if it was there. What came after it in its run moves up, so that no gap hides it. */
  delete(slot: number): boolean {
    const places = this.#places
    const numbers = this.#pool.seq
    let gap = this.#home(numbers[slot] ?? 0)
    for (; places[gap] !== slot; gap = (gap + 1) & this.#mask) if (places[gap] === NONE) return false
    for (let place = (gap + 1) & this.#mask; ; place = (place + 1) & this.#mask) {
      const next = places[place] ?? NONE
      if (next === NONE) break
      const fromHome = (place - this.#home(numbers[next] ?? 0)) & this.#mask
      if (fromHome < ((place - gap) & this.#mask)) continue
      places[gap] = next
      gap = place
    }
    places[gap] = NONE
    this.#count -= 1
    return true
  }

  #home(seq: number): number {
    return Math.imul(seq, SCATTER) >>> this.#shift
  }

  #put(slot: number): void {
    const places = this.#places
    let place = this.#home(this.#pool.seq[slot] ?? 0)
    while (places[place] !== NONE) place = (place + 1) & this.#mask
    places[place] = slot
  }

  #grow(): void {
    const before = this.#places
    this.#places = new Int32Array(before.length * 2).fill(NONE)
    this.#mask = this.#places.length - 1
    this.#shift -= 1
    for (const slot of before) if (slot !== NONE) this.#put(slot)
  }
}
