import {CANDLE_SPANS, candleSpans} from '../../core/candle-spans.ts'
import type {BookView} from '../../core/protocol/api.ts'
import type {LedgerReads, RecentGroup} from '../../ledger/port.ts'
import {eventText} from './event-text.ts'
import type {TellingTools, ToldEvent} from './told-events.ts'

export type MarketTopic = 'books' | 'candles' | 'tickers'

/** More changed levels of one market in one group than this are told as the whole book. */
const LEVELS_TOLD_MAX = 500
/** Of one span that the trades of one group can be in: a group is of a moment. */
const CANDLES_TOLD_MAX = 3

/** What a group did to markets, each of them once: a watcher of books has the same after a group however many commands were in it. */
export function marketEvents(topic: MarketTopic, group: RecentGroup, tools: TellingTools): ToldEvent[] {
  if (topic === 'books') return bookEvents(group, tools)
  return topic === 'candles' ? candleEvents(group, tools) : tickerEvents(group, tools)
}

/** All that is shown of a book, and as of when. */
export function wholeBook(reads: Pick<LedgerReads, 'book'>, incentive: string): {readonly sequence: number; readonly text: string} {
  const book = reads.book(incentive)
  return {sequence: book.sequence, text: eventText('book', {...book, whole: true})}
}

function bookEvents({lastSeq, commands}: RecentGroup, {reads}: TellingTools): ToldEvent[] {
  const changes = new Map<string, {buy: Map<number, number>; sell: Map<number, number>}>()
  for (const {incentive, side, priceMicroGutta, lots} of commands.flatMap(({levels = []}) => levels)) {
    const book = changes.get(incentive) ?? {buy: new Map(), sell: new Map()}
    changes.set(incentive, book)
    book[side].set(priceMicroGutta, lots)
  }
  return Array.from(changes, ([incentive, {buy, sell}]) => {
    const isTooMuch = buy.size + sell.size > LEVELS_TOLD_MAX
    const changed = {incentive, sequence: lastSeq, whole: false, bids: levelsOf(buy, -1), asks: levelsOf(sell, 1)}
    const text = isTooMuch ? wholeBook(reads, incentive).text : eventText('book', changed)
    return {topic: 'books', seq: lastSeq, incentive, text}
  })
}

/** Best price first, as in the book. */
function levelsOf(lotsByPrice: ReadonlyMap<number, number>, sign: 1 | -1): BookView['bids'] {
  const levels = Array.from(lotsByPrice, ([priceMicroGutta, lots]) => ({priceMicroGutta, lots}))
  return levels.sort((a, b) => sign * (a.priceMicroGutta - b.priceMicroGutta))
}

function candleEvents(group: RecentGroup, {reads}: TellingTools): ToldEvent[] {
  return Array.from(tradedIn(group), ([incentive, firstAtMs]) =>
    candleSpans.flatMap((span) => {
      const {ms} = CANDLE_SPANS[span]
      const candles = reads.candles({incentive, span, limit: CANDLES_TOLD_MAX}).filter(({startMs}) => startMs > firstAtMs - ms)
      return candles.toReversed().map((candle): ToldEvent => {
        const text = eventText('candle', {incentive, span, ...candle})
        return {topic: 'candles', seq: group.lastSeq, incentive, span, text}
      })
    })
  ).flat()
}

/** By incentive, when its first trade of the group was. */
function tradedIn({commands}: RecentGroup): Map<string, number> {
  const traded = new Map<string, number>()
  for (const {atMs, effects} of commands) {
    for (const effect of effects) {
      if (effect.type === 'trade' && !traded.has(effect.incentive)) traded.set(effect.incentive, atMs)
    }
  }
  return traded
}

function tickerEvents(group: RecentGroup, {reads}: TellingTools): ToldEvent[] {
  const touched = group.commands.flatMap(({levels = []}) => levels.map(({incentive}) => incentive))
  const phases = group.commands.flatMap(({effects}) =>
    effects.flatMap((effect) => (effect.type === 'market.phase' ? [effect.incentive] : []))
  )
  return Array.from(new Set([...tradedIn(group).keys(), ...touched, ...phases]), (incentive) => {
    return {topic: 'tickers', seq: group.lastSeq, incentive, text: eventText('ticker', reads.ticker(incentive))}
  })
}
