export type Expiring = 'order' | 'redemption' | 'lease' | 'token' | 'invite' | 'recovery' | 'auction'

export interface Expiry {
  readonly atMs: number
  /** Order among equal times: the sequence of the command that made it. */
  readonly seq: number
  readonly what: Expiring
  readonly id: string
}

/** What ends by itself and when: a binary heap, earliest first. What ended before its time stays until it is popped, and is then ignored. */
export class ExpiryQueue {
  readonly #heap: Expiry[] = []

  get size(): number {
    return this.#heap.length
  }

  push(expiry: Expiry): void {
    const heap = this.#heap
    let index = heap.length
    heap.push(expiry)
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent]
      if (above === undefined || !isBefore(expiry, above)) break
      heap[index] = above
      index = parent
    }
    heap[index] = expiry
  }

  /** All that is in it, in an order in which pushing them makes the same queue again. */
  entries(): Iterable<Expiry> {
    return this.#heap.values()
  }

  /** What comes first. */
  get next(): Expiry | undefined {
    return this.#heap[0]
  }

  /** True if something's time has come. */
  isDue(atMs: number): boolean {
    const first = this.#heap[0]
    return first !== undefined && first.atMs <= atMs
  }

  /** Keeps what this says yes to. */
  keep(isOpen: (expiry: Expiry) => boolean): void {
    const kept = this.#heap.filter(isOpen).sort((a, b) => (isBefore(a, b) ? -1 : 1))
    this.#heap.length = 0
    for (const expiry of kept) this.#heap.push(expiry)
  }

  pop(): Expiry | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      const left = heap[child]
      const right = heap[child + 1]
      if (left === undefined) break
      if (right !== undefined && isBefore(right, left)) child += 1
      const smaller = heap[child]
      if (smaller === undefined || !isBefore(smaller, last)) break
      heap[index] = smaller
      index = child
    }
    heap[index] = last
    return first
  }
}

function isBefore(a: Expiry, b: Expiry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq)
}
