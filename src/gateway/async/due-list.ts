interface Due {
  readonly atMs: number
  readonly id: string
}

/** Calls that are to be tried again later, the last one first: what comes due is taken off the end. */
export class DueList {
  readonly #list: Due[] = []

  get nextMs(): number | undefined {
    return this.#list.at(-1)?.atMs
  }

  add(due: Due): void {
    this.#list.splice(this.#place(due), 0, due)
  }

  remove(due: Due): void {
    const place = this.#place(due)
    if (this.#list[place]?.id === due.id) this.#list.splice(place, 1)
  }

  /** One whose time has come, the earliest first. */
  take(nowMs: number): string | undefined {
    const last = this.#list.at(-1)
    return last !== undefined && last.atMs <= nowMs ? this.#list.pop()?.id : undefined
  }

  /** Before the first that comes due no later. */
  #place({atMs, id}: Due): number {
    let low = 0
    let high = this.#list.length
    while (low < high) {
      const middle = (low + high) >> 1
      const at = this.#list[middle]
      const isLater = at !== undefined && (at.atMs > atMs || (at.atMs === atMs && at.id > id))
      if (isLater) low = middle + 1
      else high = middle
    }
    return low
  }
}
