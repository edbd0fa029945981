/** Books of the markets that are watched: each is read once, and then kept by what is told of its levels. */

/** Levels of a side that a book is read and told with, and those that are kept of it. */
const LEVELS_TOLD_MAX = 100
const LEVELS_KEPT_MAX = 1_000
/** Of a book that had more, fewer are not enough: it is read again. */
const LEVELS_LEFT_MIN = 50
/** Changes that come while a book is read; after more it is read once more. */
const WAITING_MAX = 1_000
/** A market that is not there, or that nobody could say anything of, is asked for again only then. */
const FAILED_AGAIN_MS = 5_000

let generations = 0

export class Books {
  #reads
  #nowMs
  #books = new Map()
  /** The newest that was told of any book. */
  #sequence = 0

  constructor(reads, nowMs = () => performance.now()) {
    this.#reads = reads
    this.#nowMs = nowMs
  }

  /** The market's book; undefined while it is read, as of `sequence` or later. */
  at(incentive, sequence) {
    const known = this.#books.get(incentive)
    if (known === undefined || known.isShallow) this.#read(incentive, known ?? new Book(), Math.max(sequence, this.#sequence))
    return known?.isThere ? known : undefined
  }

  /** Changed levels, as they are now, or a whole book where it says so. */
  change({incentive, ...news}) {
    this.#sequence = Math.max(this.#sequence, news.sequence)
    this.#books.get(incentive)?.take(news)
  }

  /** How a market trades from now on: `auction` is left out where orders trade as they come. */
  phase({incentive, auction}) {
    this.#books.get(incentive)?.begins(auction)
  }

  /** Only of these markets. */
  keep(incentives) {
    for (const incentive of this.#books.keys()) if (!incentives.has(incentive)) this.#books.delete(incentive)
  }

  forget() {
    this.#books.clear()
    this.#sequence = 0
  }

  #read(incentive, book, after) {
    this.#books.set(incentive, book)
    if (book.isRead || this.#nowMs() < book.notBeforeMs) return
    book.isRead = true
    this.#reads.readJson(`/v1/markets/${incentive}/book`, after).then(
      (whole) => book.begin(whole),
      () => {
        if (this.#books.get(incentive) !== book) return
        const again = new Book()
        again.notBeforeMs = this.#nowMs() + FAILED_AGAIN_MS
        this.#books.set(incentive, again)
      }
    )
  }
}

class Book {
  /** Another one for each time that it was had whole: who was told of that goes on by changes. */
  generation = 0
  isRead = false
  /** Of the next time that it is read. */
  notBeforeMs = 0
  #sequence
  #auction
  /** What is being read may be from before the market's phase changed. */
  #isOld = false
  #bids = new Side(-1)
  #asks = new Side(1)
  #waiting = []
  #hasNews = false

  get isThere() {
    return this.#sequence !== undefined
  }

  get isShallow() {
    return !this.isThere || this.#bids.isShallow || this.#asks.isShallow
  }

  begin(whole) {
    this.isRead = false
    const waiting = this.#waiting
    this.#waiting = []
    const isOld = this.#isOld
    this.#isOld = false
    if (waiting.length > WAITING_MAX || isOld) return
    if (!this.isThere || whole.sequence >= this.#sequence) {
      this.#auction = whole.auction
      this.#replace(whole)
    }
    for (const news of waiting) this.take(news)
  }

  take(news) {
    if (this.isRead && this.#waiting.length <= WAITING_MAX) this.#waiting.push(news)
    if (!this.isThere || news.sequence <= this.#sequence) return
    if (news.whole) return this.#replace(news)
    this.#sequence = news.sequence
    this.#bids.change(news.bids)
    this.#asks.change(news.asks)
    this.#hasNews = true
  }

  /** All who watch are told of it with the whole book. */
  begins(auction) {
    this.#auction = auction
    this.#isOld = this.isRead
    generations += 1
    this.generation = generations
  }

  whole() {
    return {sequence: this.#sequence, ...(this.#auction && {auction: this.#auction}), bids: this.#bids.best(), asks: this.#asks.best()}
  }

  /** The levels that changed since the last time; undefined when none did. */
  takeNews() {
    if (!this.#hasNews) return undefined
    this.#hasNews = false
    return {sequence: this.#sequence, bids: this.#bids.takeChanged(), asks: this.#asks.takeChanged()}
  }

  #replace({sequence, bids, asks}) {
    generations += 1
    this.generation = generations
    this.#sequence = sequence
    this.#bids.replace(bids)
    this.#asks.replace(asks)
    this.#hasNews = false
  }
}

class Side {
  /** Price × sign rises from the best to the worst. */
  #sign
  /** Lots by price, both as they were written. */
  #levels = new Map()
  #changed = new Map()
  /** Price × sign beyond which nothing is known; undefined where all is. */
  #horizon

  constructor(sign) {
    this.#sign = sign
  }

  get isShallow() {
    return this.#horizon !== undefined && this.#levels.size < LEVELS_LEFT_MIN
  }

  replace(levels) {
    this.#levels = new Map(levels.map(({priceMicroGutta, lots}) => [priceMicroGutta, lots]))
    this.#changed.clear()
    this.#horizon = levels.length < LEVELS_TOLD_MAX ? undefined : this.#key(levels.at(-1).priceMicroGutta)
  }

  change(levels) {
    for (const {priceMicroGutta: price, lots} of levels) {
      if (this.#horizon !== undefined && this.#key(price) > this.#horizon) continue
      if (lots === '0') this.#levels.delete(price)
      else this.#levels.set(price, lots)
      this.#changed.set(price, lots)
    }
    if (this.#levels.size <= LEVELS_KEPT_MAX) return
    const kept = this.#sorted().slice(0, LEVELS_KEPT_MAX)
    this.#levels = new Map(kept)
    this.#horizon = this.#key(kept.at(-1)[0])
  }

  best() {
    return this.#sorted().slice(0, LEVELS_TOLD_MAX).map(levelOf)
  }

  takeChanged() {
    const changed = [...this.#changed].map(levelOf)
    this.#changed.clear()
    return changed
  }

  #sorted() {
    return [...this.#levels].sort(([one], [other]) => this.#key(one) - this.#key(other))
  }

  #key(price) {
    return Number(price) * this.#sign
  }
}

function levelOf([priceMicroGutta, lots]) {
  return {priceMicroGutta, lots}
}
