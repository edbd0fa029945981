import fc from 'fast-check'
import {expect, test} from 'vitest'
import {KeptBook} from '../../src/core/kept-book.ts'
import {bookViewSchema} from '../../src/core/protocol/api.ts'

interface Level {
  readonly priceMicroGutta: string
  readonly lots: string
}
interface Told {
  readonly sequence: number
  readonly bids: readonly Level[]
  readonly asks: readonly Level[]
}
interface Book {
  readonly generation: number
  whole(): Told
  takeNews(): Told | undefined
}
interface Books {
  at(incentive: string, sequence: number): Book | undefined
  change(news: Told & {readonly incentive: string; readonly whole: boolean}): void
}
type MakeBooks = new (reads: {readJson: (path: string, after: number) => Promise<Told>}, nowMs?: () => number) => Books

const LEAF = 'colibris/LEAF'
const LEVELS_MAX = 100
/** As books.mjs has it. */
const LEVELS_LEFT_MIN = 50
/** More than are told at once. */
const LEVELS_AT_FIRST = 130
const level = fc.tuple(
  fc.integer({min: 1, max: 2 * LEVELS_AT_FIRST}),
  fc.oneof({weight: 4, arbitrary: fc.constant(0)}, fc.integer({min: 1, max: 3}))
)
const step = fc.record({
  does: fc.constantFrom('change', 'change', 'change', 'begin', 'hear', 'hear', 'answer', 'tell', 'tell'),
  side: fc.constantFrom('bids', 'asks'),
  levels: fc.array(level, {maxLength: 90, size: 'max'})
})

/** What has happened to a market, and its book as the coordinator tells it. */
class Market {
  sequence = 1
  readonly #sides = {bids: atFirst(), asks: atFirst()}

  change(side: 'bids' | 'asks', changed: readonly (readonly [number, number])[]): Told & {incentive: string; whole: boolean} {
    this.sequence += 1
    for (const [price, lots] of changed) {
      if (lots === 0) this.#sides[side].delete(price)
      else this.#sides[side].set(price, lots)
    }
    const told = [...new Map(changed)].map(levelOf)
    return {incentive: LEAF, whole: false, sequence: this.sequence, bids: [], asks: [], [side]: told}
  }

  view(): Told {
    const best = (side: 'bids' | 'asks', sign: number): Level[] =>
      [...this.#sides[side]]
        .sort(([a], [b]) => (a - b) * sign)
        .slice(0, LEVELS_MAX)
        .map(levelOf)
    return {sequence: this.sequence, bids: best('bids', -1), asks: best('asks', 1)}
  }
}

test('who watches a book has it as it is, whenever it began, and whatever happened while it was read', async () => {
  const {Books} = (await import('../../apps/exchange/quotes/books.mjs' as string)) as {readonly Books: MakeBooks}
  await fc.assert(
    fc.asyncProperty(fc.array(step, {minLength: 1, maxLength: 60}), async (steps) => {
      const market = new Market()
      const untold: ReturnType<Market['change']>[] = []
      const unanswered: (() => void)[] = []
      const readJson = (): Promise<Told> => {
        const asked = market.view()
        return new Promise((resolve) => unanswered.push(() => resolve(asked)))
      }
      const books = new Books({readJson})
      const watchers = new Map<KeptBook, number>()
      const act = {
        begin: () => watchers.set(new KeptBook(), 0),
        hear: () => {
          for (const news of untold.splice(0, 1)) books.change(news)
        },
        answer: () => unanswered.shift()?.(),
        tell: () => tell(books.at(LEAF, 0), watchers)
      }
      for (const {does, side, levels} of steps) {
        if (does === 'change') untold.push(market.change(side, levels))
        else act[does]()
        await new Promise((resolve) => setImmediate(resolve))
      }
      while (untold.length > 0) act.hear()
      // What is read now may be what was asked for earlier; then it is read once more.
      for (let round = 0; round < 3; round += 1) {
        act.tell()
        act.answer()
        await new Promise((resolve) => setImmediate(resolve))
      }
      act.tell()
      for (const kept of watchers.keys()) {
        const [view, truth] = [kept.view(), parsed(market.view())]
        for (const side of ['bids', 'asks'] as const) {
          const known = view?.[side] ?? []
          expect(known).toEqual(truth[side].slice(0, known.length))
          expect(known.length).toBeGreaterThanOrEqual(Math.min(LEVELS_LEFT_MIN, truth[side].length))
        }
      }
    }),
    {numRuns: 150}
  )
})

test('a book that had more levels than were told is read again when few are left, and what it said before is told no more', async () => {
  const {Books} = (await import('../../apps/exchange/quotes/books.mjs' as string)) as {readonly Books: MakeBooks}
  const market = new Market()
  const asked: number[] = []
  const readJson = async (_path: string, after: number): Promise<Told> => {
    asked.push(after)
    await Promise.resolve()
    return market.view()
  }
  const books = new Books({readJson})
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  books.at(LEAF, 1)
  await settled()
  const before = books.at(LEAF, 1)?.generation
  const best = market.view().asks.slice(0, 60)
  books.change(
    market.change(
      'asks',
      best.map(({priceMicroGutta}) => [Number(priceMicroGutta), 0])
    )
  )
  books.at(LEAF, 1)
  const untold = market.change('asks', [[201, 7]])
  await settled()
  books.change(untold)
  const book = books.at(LEAF, 1)
  expect([asked, book?.generation === before, book?.takeNews()]).toEqual([[1, 2], false, undefined])
  expect(book?.whole().asks).toHaveLength(LEVELS_AT_FIRST - 60)
  books.change(market.change('asks', [[203, 8]]))
  expect(book?.takeNews()).toEqual({sequence: 4, bids: [], asks: [{priceMicroGutta: '203', lots: '8'}]})
})

test('a market that is not there is asked for every few seconds, however often who watches it is told', async () => {
  const {Books} = (await import('../../apps/exchange/quotes/books.mjs' as string)) as {readonly Books: MakeBooks}
  let [asked, nowMs] = [0, 0]
  const readJson = async (): Promise<Told> => {
    asked += 1
    await Promise.resolve()
    if (asked <= 2) throw new Error('not_found')
    return new Market().view()
  }
  const books = new Books({readJson}, () => nowMs)
  for (; nowMs < 11_000; nowMs += 500) {
    books.at(LEAF, 1)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect([asked, books.at(LEAF, 1)?.whole().sequence]).toEqual([3, 1])
})

/** As `Live` tells them. */
function tell(book: Book | undefined, watchers: Map<KeptBook, number>): void {
  if (book === undefined) return
  const news = book.takeNews()
  for (const [kept, generation] of watchers) {
    if (generation !== book.generation) kept.take({...parsed(book.whole()), whole: true})
    else if (news !== undefined) kept.take({...parsed(news), whole: false})
    watchers.set(kept, book.generation)
  }
}

function atFirst(): Map<number, number> {
  return new Map(Array.from({length: LEVELS_AT_FIRST}, (_none, at) => [2 * at + 1, 1]))
}

function parsed(told: Told): ReturnType<typeof bookViewSchema.parse> {
  return bookViewSchema.parse({incentive: LEAF, ...told})
}

function levelOf([price, lots]: readonly [number, number]): Level {
  return {priceMicroGutta: String(price), lots: String(lots)}
}
