import type {Side} from './order-pool.ts'

/** Where a level is that changed. */
export interface LevelChange {
  /** Asset number of the incentive. */
  readonly book: number
  readonly side: Side
  readonly priceMicroGutta: number
}

/** Which price levels a command touched, once for all books; nothing is kept until somebody wants to tell of them. */
export class ChangedLevels {
  isKept = false
  #changes: LevelChange[] = []

  /** Called with each order that comes, goes or shrinks, so mostly for the level of the one before. */
  add(book: number, side: Side, priceMicroGutta: number): void {
    const last = this.#changes.at(-1)
    if (last !== undefined && last.priceMicroGutta === priceMicroGutta && last.side === side && last.book === book) return
    this.#changes.push({book, side, priceMicroGutta})
  }

  /** Each level once; what comes after this is of the next command. */
  take(): LevelChange[] {
    const changes = this.#changes
    if (changes.length === 0) return []
    this.#changes = []
    return [...new Map(changes.map((change) => [`${change.book}/${change.side}/${change.priceMicroGutta}`, change])).values()]
  }
}
