import {Market} from '../../src/core/exchange/market.ts'
import {BUY, SELL, type Side} from '../../src/core/exchange/order-pool.ts'

/** Passive orders are this far from the middle at least, so that none of them crosses. */
const MIDDLE_MICRO_GUTTA = 1_000_000
/** The first half of them rests orders, the others take them, so that nobody meets an order of their own. */
export const OWNERS = 1000
const LOTS_MAX = 100
/** Of a hundred events. */
const ADDS = 60
const CANCELS = 25
/** A marketable order takes so many resting ones on the average that a book of the wanted size neither grows nor shrinks. */
const TAKEN_WHEN_FULL = 4
const TAKEN_BEFORE = 1

/** What a book looks like while its events come: how many prices there are on a side, and how many orders rest there. */
export interface BookShape {
  readonly levels: number
  readonly restingPerSide: number
}

/** Many prices with few orders each, few prices with few orders, few prices with long queues. */
export const SHAPES = {
  wide: {levels: 5000, restingPerSide: 10_000},
  thin: {levels: 50, restingPerSide: 5000},
  deep: {levels: 10, restingPerSide: 10_000}
} as const satisfies Record<string, BookShape>
export type ShapeName = keyof typeof SHAPES

/** One event; what a peer is given is made of it before the clock runs. */
export type BookEvent =
  | {
      readonly type: 'add' | 'take'
      readonly seq: number
      readonly owner: number
      readonly side: Side
      readonly price: number
      readonly lots: number
    }
  | {readonly type: 'cancel'; readonly seq: number; readonly order: number}

/** Numbers of 0 to 1 that are the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * A seeded stream: 60 % orders that rest, 25 % cancels of orders that are there, 15 % orders that trade at once. A market of creo runs along, off
 * the clock, to know what is there.
 */
export function bookEvents(shape: BookShape, {seed, count}: {readonly seed: number; readonly count: number}): BookEvent[] {
  const random = randomOf(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  const shadow = new ShadowMarket()
  const events: BookEvent[] = []
  for (let seq = 1; seq <= count; seq += 1) {
    const draw = below(100)
    const side = random() < 0.5 ? BUY : SELL
    const other = side === BUY ? SELL : BUY
    const distance = 1 + below(shape.levels)
    if (draw >= ADDS && draw < ADDS + CANCELS && shadow.orders.length > 0) {
      const order = shadow.orders[below(shadow.orders.length)] ?? 0
      shadow.cancel(order)
      events.push({type: 'cancel', seq, order})
    } else if (draw >= ADDS + CANCELS && shadow.resting(other) > 0) {
      const taken = shadow.resting(other) > shape.restingPerSide ? TAKEN_WHEN_FULL : TAKEN_BEFORE
      const price = side === BUY ? MIDDLE_MICRO_GUTTA + shape.levels : MIDDLE_MICRO_GUTTA - shape.levels
      const lots = 1 + below(LOTS_MAX * taken)
      const owner = OWNERS / 2 + below(OWNERS / 2)
      shadow.take({owner, side, priceMicroGutta: price, lots})
      events.push({type: 'take', seq, owner, side, price, lots})
    } else {
      const price = side === BUY ? MIDDLE_MICRO_GUTTA - distance : MIDDLE_MICRO_GUTTA + distance
      const add = {type: 'add', seq, owner: below(OWNERS / 2), side, price, lots: 1 + below(LOTS_MAX)} as const
      shadow.add(add)
      events.push(add)
    }
  }
  return events
}

/** Knows which orders rest, in an array from which one can be drawn. */
class ShadowMarket {
  readonly orders: number[] = []
  readonly #market = new Market(0)
  readonly #place = new Map<number, number>()
  readonly #resting: [number, number] = [0, 0]

  resting(side: Side): number {
    return this.#resting[side]
  }

  add({seq, owner, side, price, lots}: Exclude<BookEvent, {type: 'cancel'}>): void {
    this.#market.rest({seq, owner, book: 1, side, priceMicroGutta: price, lots, remaining: lots, expiresAtMs: 0})
    this.#place.set(seq, this.orders.length)
    this.orders.push(seq)
    this.#resting[side] += 1
  }

  cancel(order: number): void {
    const slot = this.#market.find(order) ?? 0
    this.#gone(slot)
    this.#market.remove(slot)
  }

  take(taker: {readonly owner: number; readonly side: Side; readonly priceMicroGutta: number; readonly lots: number}): void {
    this.#market.book(1).match(taker, Number.MAX_SAFE_INTEGER, 1, {
      filled: (maker, lots) => {
        if (this.#market.pool.remaining[maker] !== lots) return
        this.#gone(maker)
        this.#market.forget(maker)
      },
      expired: () => undefined,
      ownCancelled: () => undefined
    })
  }

  #gone(slot: number): void {
    const {pool} = this.#market
    const order = pool.seq[slot] ?? 0
    this.#resting[pool.side[slot] === BUY ? BUY : SELL] -= 1
    const place = this.#place.get(order) ?? 0
    const last = this.orders.pop() ?? 0
    this.#place.delete(order)
    if (last === order) return
    this.orders[place] = last
    this.#place.set(last, place)
  }
}
