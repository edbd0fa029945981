import {ChangedLevels} from './changed-levels.ts'
import {bidHold} from './escrow.ts'
import {OrderBook, sideOf} from './order-book.ts'
import {OrderIndex} from './order-index.ts'
import {BUY, NONE, OrderPool, type Side} from './order-pool.ts'
import {OrdersByOwner} from './orders-by-owner.ts'

/** An order to be put into a book. */
export interface RestingOrder {
  readonly seq: number
  readonly owner: number
  /** Asset number of the incentive. */
  readonly book: number
  readonly side: Side
  readonly priceMicroGutta: number
  readonly lots: number
  readonly remaining: number
  /** 0: none. */
  readonly expiresAtMs: number
  /** Absent: since its number. */
  readonly since?: number
}

/** All books over one pool of orders, and the way from an order's number to its place. */
export class Market {
  readonly pool = new OrderPool()
  /** By asset number. */
  readonly books: OrderBook[] = []
  readonly feePpmMax: number
  readonly changed = new ChangedLevels()
  readonly #slots = new OrderIndex(this.pool)
  readonly #byOwner = new OrdersByOwner(this.pool)
  #timedOrders = 0

  constructor(feePpmMax: number) {
    this.feePpmMax = feePpmMax
  }

  /** Resting orders that end at a time of their own. */
  get timedOrders(): number {
    return this.#timedOrders
  }

  book(asset: number): OrderBook {
    const known = this.books[asset]
    if (known !== undefined) return known
    const book = new OrderBook(this.pool, this.changed)
    this.books[asset] = book
    return book
  }

  /** The slot of a resting order by its command's sequence. */
  find(seq: number): number | undefined {
    const slot = this.#slots.find(seq)
    return slot === NONE ? undefined : slot
  }

  /** Slots of an owner's resting orders, in no order that means anything. */
  ordersOf(owner: number): Iterable<number> {
    return this.#byOwner.of(owner)
  }

  rest(order: RestingOrder): void {
    const {pool} = this
    const slot = pool.take()
    pool.seq[slot] = order.seq
    pool.since[slot] = order.since ?? order.seq
    pool.owner[slot] = order.owner
    pool.book[slot] = order.book
    pool.side[slot] = order.side
    pool.priceMicroGutta[slot] = order.priceMicroGutta
    pool.lots[slot] = order.lots
    pool.remaining[slot] = order.remaining
    pool.expiresAtMs[slot] = order.expiresAtMs
    this.#slots.add(slot)
    this.#byOwner.add(slot)
    if (order.expiresAtMs !== 0) this.#timedOrders += 1
    this.book(order.book).rest(slot)
  }

  /** A resting order as it was put in, with what remains of it. */
  orderAt(slot: number): RestingOrder {
    const {pool} = this
    const [seq, since] = [pool.seq[slot] ?? 0, pool.since[slot] ?? 0]
    return {
      seq,
      owner: pool.owner[slot] ?? 0,
      book: pool.book[slot] ?? 0,
      side: sideOf(pool, slot),
      priceMicroGutta: pool.priceMicroGutta[slot] ?? 0,
      lots: pool.lots[slot] ?? 0,
      remaining: pool.remaining[slot] ?? 0,
      expiresAtMs: pool.expiresAtMs[slot] ?? 0,
      ...(since !== seq && {since})
    }
  }

  /** Takes lots off a resting order, which stays where it is in its queue. */
  shrink(slot: number, {lots, remaining}: Pick<RestingOrder, 'lots' | 'remaining'>): void {
    const {pool} = this
    this.book(pool.book[slot] ?? 0)
      .side(sideOf(pool, slot))
      .reduce(slot, (pool.remaining[slot] ?? 0) - remaining)
    pool.lots[slot] = lots
  }

  /** Takes an order out of its book and gives its slot back. */
  remove(slot: number): void {
    this.forget(slot)
    this.book(this.pool.book[slot] ?? 0).remove(slot)
    this.pool.give(slot)
  }

  /** Drops the number of an order that its book is about to take out itself. */
  forget(slot: number): void {
    const isKnown = this.#slots.delete(slot)
    if (!isKnown) return
    this.#byOwner.remove(slot)
    if (this.pool.expiresAtMs[slot] !== 0) this.#timedOrders -= 1
  }

  /** What an order holds: micro-gutta for a bid, minor units of the incentive for an ask. */
  holdOf(side: Side, priceMicroGutta: number, lots: number, lotMinor: number): number {
    return side === BUY ? bidHold(priceMicroGutta, lots, this.feePpmMax) : lots * lotMinor
  }
}
