/** Consecutive windows, and a time by which all up to the last of them had begun. */
export interface Range {
  readonly first: number
  readonly last: number
  readonly latestMs: number
}

/** Numbers of receipt windows that were paid, as ranges: windows mostly come in order, so this stays small. */
export class PaidWindows {
  /** Rising, never touching. */
  readonly #ranges: Range[] = []
  /** Nothing below is remembered or taken any more. */
  #floor = 0

  /** What these floor and ranges were taken from. */
  static of(floor: number, ranges: readonly Range[]): PaidWindows {
    const windows = new PaidWindows()
    windows.#floor = floor
    windows.#ranges.push(...ranges)
    return windows
  }

  /** True for a window that is too old to be told from those that were paid. */
  isForgotten(window: number): boolean {
    return window < this.#floor
  }

  has(window: number): boolean {
    const range = this.#ranges[this.#rangeAtOrAfter(window)]
    return range !== undefined && range.first <= window
  }

  /** All windows with lower numbers had begun by `begunMs`. */
  add(window: number, begunMs: number): void {
    const index = this.#rangeAtOrAfter(window)
    if (this.has(window) || this.isForgotten(window)) return
    const before = this.#ranges[index - 1]
    const after = this.#ranges[index]
    const joinsBefore = before?.last === window - 1 ? before : undefined
    const joinsAfter = after?.first === window + 1 ? after : undefined
    const joined: Range = {
      first: joinsBefore?.first ?? window,
      last: joinsAfter?.last ?? window,
      latestMs: Math.max(begunMs, joinsBefore?.latestMs ?? 0, joinsAfter?.latestMs ?? 0)
    }
    const from = joinsBefore === undefined ? index : index - 1
    const to = joinsAfter === undefined ? index : index + 1
    this.#ranges.splice(from, to - from, joined)
  }

  /** Forgets the oldest ranges below which everything began before this time, and takes nothing below them any more. */
  forgetBefore(ms: number): void {
    const kept = this.#ranges.findIndex((range) => range.latestMs >= ms)
    const forgotten = this.#ranges.splice(0, kept === -1 ? this.#ranges.length : kept)
    this.#floor = Math.max(this.#floor, (forgotten.at(-1)?.last ?? -1) + 1)
  }

  get floor(): number {
    return this.#floor
  }

  get ranges(): readonly Range[] {
    return this.#ranges
  }

  /** Index of the first range whose last is at least this window. */
  #rangeAtOrAfter(window: number): number {
    let low = 0
    let high = this.#ranges.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#ranges[middle]?.last ?? 0) < window) low = middle + 1
      else high = middle
    }
    return low
  }
}
