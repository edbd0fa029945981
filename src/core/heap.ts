/** A binary heap: the first of its items by `isBefore` is found at once, and taken or put back in logarithmic time. */
export class Heap<T> {
  readonly #items: T[]
  readonly #isBefore: (a: T, b: T) => boolean

  /** Takes the array over. Linear in its length. */
  constructor(items: T[], isBefore: (a: T, b: T) => boolean) {
    this.#items = items
    this.#isBefore = isBefore
    for (let place = (items.length >> 1) - 1; place >= 0; place -= 1) this.#sink(place)
  }

  get first(): T | undefined {
    return this.#items[0]
  }

  /** Removes the first. */
  take(): T | undefined {
    const [first] = this.#items
    const last = this.#items.pop()
    if (last !== undefined && this.#items.length > 0) {
      this.#items[0] = last
      this.#sink(0)
    }
    return first
  }

  /** The first has changed so that others may come before it. */
  firstChanged(): void {
    this.#sink(0)
  }

  #sink(from: number): void {
    const items = this.#items
    const item = items[from]
    if (item === undefined) return
    for (let place = from; ; ) {
      const left = 2 * place + 1
      const [a, b] = [items[left], items[left + 1]]
      const isRight = a !== undefined && b !== undefined && this.#isBefore(b, a)
      const child = isRight ? b : a
      if (child === undefined || !this.#isBefore(child, item)) {
        items[place] = item
        return
      }
      items[place] = child
      place = isRight ? left + 1 : left
    }
  }
}
