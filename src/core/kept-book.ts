import {BOOK_LEVELS_MAX, type BookView} from './protocol/api.ts'

/** Of a side; beyond it the worst are forgotten. */
const KEPT_LEVELS_MAX = 1000

export type BookNews = BookView & {readonly whole: boolean}
type Level = BookView['bids'][number]

/**
 * A market's book, kept from the events `book` that are told of it. It has what `GET …/book` has as of the same sequence: all levels of a side, or, where
 * there were more than are shown at once, those down to the worst that is known for sure.
 */
export class KeptBook {
  readonly #bids = new KeptSide(-1)
  readonly #asks = new KeptSide(1)
  #incentive = ''
  #sequence: number | undefined

  /** True if it changed; false for what is older than the book, or can't be said of one that is not there. */
  take({incentive, sequence, whole, bids, asks}: BookNews): boolean {
    if (whole) {
      // One that was read beside the stream may be behind it.
      if (this.#sequence !== undefined && sequence < this.#sequence) return false
      this.#bids.replace(bids)
      this.#asks.replace(asks)
    } else {
      if (this.#sequence === undefined || sequence <= this.#sequence) return false
      this.#bids.change(bids)
      this.#asks.change(asks)
    }
    this.#incentive = incentive
    this.#sequence = sequence
    return true
  }

  /** What is told from now on does not go on from this book: the next one is a whole one. */
  forget(): void {
    this.#sequence = undefined
  }

  /** True where there may be more levels than are known, of the first so many: a whole book says. */
  isShallow(levels: number): boolean {
    return this.#sequence !== undefined && (this.#bids.isShallow(levels) || this.#asks.isShallow(levels))
  }

  /** Undefined before the first whole one. */
  view(): BookView | undefined {
    if (this.#sequence === undefined) return undefined
    return {incentive: this.#incentive, sequence: this.#sequence, bids: this.#bids.best(), asks: this.#asks.best()}
  }
}

/** One side, best price first. */
class KeptSide {
  /** Price × sign rises from the best to the worst. */
  readonly #sign: 1 | -1
  #levels: Level[] = []
  /** Price × sign beyond which nothing is known; undefined where all is. */
  #horizon: number | undefined

  constructor(sign: 1 | -1) {
    this.#sign = sign
  }

  replace(levels: readonly Level[]): void {
    this.#levels = [...levels]
    this.#horizon = levels.length < BOOK_LEVELS_MAX ? undefined : this.#keyOf(levels.at(-1))
  }

  change(levels: readonly Level[]): void {
    for (const level of levels) {
      const key = this.#keyOf(level)
      if (this.#horizon !== undefined && key > this.#horizon) continue
      const at = this.#placeOf(key)
      const isKnown = this.#keyOf(this.#levels[at]) === key
      this.#levels.splice(at, isKnown ? 1 : 0, ...(level.lots === 0 ? [] : [level]))
    }
    if (this.#levels.length <= KEPT_LEVELS_MAX) return
    this.#levels.length = KEPT_LEVELS_MAX
    this.#horizon = this.#keyOf(this.#levels.at(-1))
  }

  isShallow(levels: number): boolean {
    return this.#horizon !== undefined && this.#levels.length < levels
  }

  best(): Level[] {
    return this.#levels.slice(0, BOOK_LEVELS_MAX)
  }

  #keyOf(level: Level | undefined): number {
    return level === undefined ? Number.POSITIVE_INFINITY : level.priceMicroGutta * this.#sign
  }

  /** Index of the first level that is not better. */
  #placeOf(key: number): number {
    let [low, high] = [0, this.#levels.length]
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (this.#keyOf(this.#levels[middle]) < key) low = middle + 1
      else high = middle
    }
    return low
  }
}
