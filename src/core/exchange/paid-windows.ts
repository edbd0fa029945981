/** Numbers of receipt windows that were paid, as ranges: windows mostly come in order, so this stays small for ever. */
export class PaidWindows {
  /** Alternating first and last of each range, rising, never touching. */
  readonly #bounds: number[] = []

  has(window: number): boolean {
    const index = this.#rangeAtOrAfter(window)
    return index < this.#bounds.length && (this.#bounds[index] ?? 0) <= window
  }

  add(window: number): void {
    const bounds = this.#bounds
    const index = this.#rangeAtOrAfter(window)
    if (index < bounds.length && (bounds[index] ?? 0) <= window) return
    const joinsBefore = index > 0 && bounds[index - 1] === window - 1
    const joinsAfter = bounds[index] === window + 1
    if (joinsBefore && joinsAfter) bounds.splice(index - 1, 2)
    else if (joinsBefore) bounds[index - 1] = window
    else if (joinsAfter) bounds[index] = window
    else bounds.splice(index, 0, window, window)
  }

  bounds(): readonly number[] {
    return this.#bounds
  }

  /** Index of the first range whose last is at least this window. */
  #rangeAtOrAfter(window: number): number {
    let low = 0
    let high = this.#bounds.length / 2
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#bounds[2 * middle + 1] ?? 0) < window) low = middle + 1
      else high = middle
    }
    return 2 * low
  }
}
