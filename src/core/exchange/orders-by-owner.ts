import {grownInts, NONE, type OrderPool} from './order-pool.ts'

/**
 * The resting orders of each owner, a doubly linked list over the pool's slots: so that taking all of one account's back costs what that account has open,
 * not what the books hold. Its order says nothing: a machine that was brought back has another one.
 */
export class OrdersByOwner {
  readonly #pool: OrderPool
  /** By account number. */
  #first = new Int32Array(64).fill(NONE)
  #next: Int32Array<ArrayBuffer>
  #previous: Int32Array<ArrayBuffer>

  constructor(pool: OrderPool) {
    this.#pool = pool
    this.#next = new Int32Array(pool.seq.length)
    this.#previous = new Int32Array(pool.seq.length)
  }

  /** Adds a slot whose owner is in the pool already. */
  add(slot: number): void {
    const owner = this.#pool.owner[slot] ?? 0
    this.#makeRoom(owner)
    const first = this.#first[owner] ?? NONE
    this.#next[slot] = first
    this.#previous[slot] = NONE
    if (first !== NONE) this.#previous[first] = slot
    this.#first[owner] = slot
  }

  remove(slot: number): void {
    const next = this.#next[slot] ?? NONE
    const previous = this.#previous[slot] ?? NONE
    if (previous === NONE) this.#first[this.#pool.owner[slot] ?? 0] = next
    else this.#next[previous] = next
    if (next !== NONE) this.#previous[next] = previous
  }

  /** Slots of one owner, at most as many as an account may have open. */
  *of(owner: number): Generator<number> {
    for (let slot = this.#first[owner] ?? NONE; slot !== NONE; slot = this.#next[slot] ?? NONE) yield slot
  }

  #makeRoom(owner: number): void {
    if (this.#next.length < this.#pool.seq.length) {
      this.#next = grownInts(this.#next, this.#pool.seq.length)
      this.#previous = grownInts(this.#previous, this.#pool.seq.length)
    }
    const before = this.#first.length
    if (owner < before) return
    this.#first = grownInts(this.#first, Math.max(owner + 1, 2 * before)).fill(NONE, before)
  }
}
