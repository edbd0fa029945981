export const NONE = -1
const SLOTS_AT_START = 1024

export const BUY = 0
export const SELL = 1
export type Side = typeof BUY | typeof SELL

/**
 * Resting orders of all books as columns of typed arrays. A slot is an order while it rests and is reused afterwards; orders of one price
 * level are a doubly linked list in time order.
 */
export class OrderPool {
  /** Sequence of the command that placed it: the order's number for the outside. */
  seq = new Float64Array(SLOTS_AT_START)
  /** Sequence of the command since which it waits where it waits: a later one than its number after it was replaced. */
  since = new Float64Array(SLOTS_AT_START)
  owner = new Int32Array(SLOTS_AT_START)
  book = new Int32Array(SLOTS_AT_START)
  side = new Uint8Array(SLOTS_AT_START)
  priceMicroGutta = new Float64Array(SLOTS_AT_START)
  lots = new Float64Array(SLOTS_AT_START)
  remaining = new Float64Array(SLOTS_AT_START)
  /** 0: none. */
  expiresAtMs = new Float64Array(SLOTS_AT_START)
  level = new Int32Array(SLOTS_AT_START)
  next = new Int32Array(SLOTS_AT_START)
  previous = new Int32Array(SLOTS_AT_START)
  #used = 0
  #free = NONE
  #count = 0

  get count(): number {
    return this.#count
  }

  take(): number {
    this.#count += 1
    if (this.#free !== NONE) {
      const slot = this.#free
      this.#free = this.next[slot] ?? NONE
      return slot
    }
    if (this.#used === this.seq.length) this.#grow()
    this.#used += 1
    return this.#used - 1
  }

  give(slot: number): void {
    this.#count -= 1
    this.next[slot] = this.#free
    this.#free = slot
  }

  #grow(): void {
    const length = this.seq.length * 2
    this.seq = grownFloats(this.seq, length)
    this.since = grownFloats(this.since, length)
    this.owner = grownInts(this.owner, length)
    this.book = grownInts(this.book, length)
    const side = new Uint8Array(length)
    side.set(this.side)
    this.side = side
    this.priceMicroGutta = grownFloats(this.priceMicroGutta, length)
    this.lots = grownFloats(this.lots, length)
    this.remaining = grownFloats(this.remaining, length)
    this.expiresAtMs = grownFloats(this.expiresAtMs, length)
    this.level = grownInts(this.level, length)
    this.next = grownInts(this.next, length)
    this.previous = grownInts(this.previous, length)
  }
}

export function grownFloats(column: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(length)
  grown.set(column)
  return grown
}

export function grownInts(column: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(length)
  grown.set(column)
  return grown
}
