import {followBook} from '../client/follow-book.ts'
import type {CandleSpan} from '../core/candle-spans.ts'
import {indicativeAuction} from '../core/exchange/auction-price.ts'
import {amountOfLots, priceText} from '../core/market-units.ts'
import {type AuctionView, BOOK_LEVELS_MAX, type BookView, type IncentiveView, type TradeView} from '../core/protocol/api.ts'
import type {Candle, Ticker} from '../core/protocol/market-data.ts'
import {formatDecimal, GUTTA_DECIMALS} from '../core/units.ts'
import type {Context} from './context.ts'
import {findIncentive} from './incentives.ts'

const PER_CENT = 100

/** Prices in Gutta per 1.00 of the incentive, amounts in whole units of it. */
export interface ShownTrade {
  readonly at: string
  readonly price: string
  readonly amount: string
  /** Of the order that came second. */
  readonly side: 'buy' | 'sell'
  readonly seq: number
}

export interface ShownCandle {
  /** When its span begins. */
  readonly at: string
  readonly open: string
  readonly high: string
  readonly low: string
  readonly close: string
  readonly amount: string
  readonly gutta: string
  readonly trades: number
}

export interface ShownDay {
  readonly high: string
  readonly low: string
  readonly amount: string
  readonly gutta: string
  readonly trades: number
  /** Of the price, since the last one before these 24 hours; to a tenth. */
  readonly changePercent: number
}

/** How a market trades: as orders come, or in an auction in which they gather. */
export interface ShownPhase {
  readonly phase: 'continuous' | 'opening' | 'auction'
  /** When the auction's orders trade; null for none. */
  readonly auctionEnds: string | null
}

export interface ShownTicker extends ShownPhase {
  readonly last: string | null
  readonly lastAt: string | null
  /** What trading has done in 24 hours; null for nothing. */
  readonly day: ShownDay | null
}

interface Level {
  readonly price: string
  readonly amount: string
}

export interface ShownBook extends ShownTicker {
  readonly incentive: string
  readonly bids: readonly Level[]
  readonly asks: readonly Level[]
  /** What the auction would do if it ended now; null where there is none, nothing crosses, or more prices cross than are shown. */
  readonly indicative: (Level & {readonly left: string; readonly leftSide: 'buy' | 'sell' | null}) | null
}

/** Who would buy and sell, and at what price it was done last. */
export async function readBook(context: Context, incentive: string, signal: AbortSignal): Promise<ShownBook> {
  const units = await findIncentive(context, incentive, signal)
  const [book, ticker] = await Promise.all([context.client.book(units.id, signal), context.client.ticker(units.id, signal)])
  const shown = (levels: BookView['bids']): readonly Level[] => levels.map((level) => shownLevel(level, units))
  return {
    incentive: units.id,
    ...shownTicker(ticker, units),
    bids: shown(book.bids),
    asks: shown(book.asks),
    indicative: shownIndicative(book, ticker, units)
  }
}

function shownIndicative(book: BookView, {last}: Ticker, units: IncentiveView): ShownBook['indicative'] {
  if (book.auction === undefined) return null
  const found = indicativeAuction(book, {referenceMicroGutta: last?.priceMicroGutta, levelsMax: BOOK_LEVELS_MAX})
  if (found === undefined) return null
  const {surplus, ...level} = found
  const {amount: left} = shownLevel({...level, lots: Math.abs(surplus)}, units)
  return {...shownLevel(level, units), left, leftSide: surplus === 0 ? null : surplus > 0 ? 'buy' : 'sell'}
}

/** Newest first. */
export async function readTrades(
  context: Context,
  {incentive, limit}: {readonly incentive: string; readonly limit: number},
  signal: AbortSignal
): Promise<{readonly incentive: string; readonly trades: readonly ShownTrade[]}> {
  const units = await findIncentive(context, incentive, signal)
  const {trades} = await context.client.trades(units.id, {limit}, signal)
  return {incentive: units.id, trades: trades.map((trade) => shownTrade(trade, units))}
}

/** Newest first. */
export async function readCandles(
  context: Context,
  {incentive, span, limit}: {readonly incentive: string; readonly span: CandleSpan; readonly limit: number},
  signal: AbortSignal
): Promise<{readonly incentive: string; readonly candles: readonly ShownCandle[]}> {
  const units = await findIncentive(context, incentive, signal)
  const {candles} = await context.client.candles(units.id, {span, limit}, signal)
  return {incentive: units.id, candles: candles.map((candle) => shownCandle(candle, units))}
}

/** What is offered at best; null for a side that is empty. */
export interface ShownBest {
  readonly bid: Level | null
  readonly ask: Level | null
}

export type MarketNews =
  | {readonly ticker: ShownTicker}
  | {readonly trade: ShownTrade}
  | {readonly best: ShownBest}
  | {readonly phase: ShownPhase}

/**
 * The market as it is, then each trade, each auction and what is offered at best, until the signal; the market anew where trades were missed since they were too many or
 * too long ago.
 */
export async function* watchMarket(context: Context, incentive: string, signal: AbortSignal): AsyncGenerator<MarketNews> {
  const units = await findIncentive(context, incentive, signal)
  const ticker = async (): Promise<ShownTicker> => shownTicker(await context.client.ticker(units.id, signal), units)
  yield {ticker: await ticker()}
  for await (const news of followBook(context.client, {incentive: units.id, levels: 1, topics: ['trades', 'phases']}, signal)) {
    if ('book' in news) yield {best: {bid: bestOf(news.book.bids, units), ask: bestOf(news.book.asks, units)}}
    else if (news.event.name === 'reset') yield {ticker: await ticker()}
    else if (news.event.name === 'phase') yield {phase: shownPhase(news.event.data)}
    else if (news.event.name === 'trade') yield {trade: shownTrade(news.event.data, units)}
  }
}

function bestOf([best]: BookView['bids'], units: IncentiveView): Level | null {
  return best === undefined ? null : shownLevel(best, units)
}

function shownLevel({priceMicroGutta, lots}: BookView['bids'][number], units: IncentiveView): Level {
  return {price: priceText(priceMicroGutta, units), amount: amountOfLots(lots, units)}
}

function shownTrade({atMs, priceMicroGutta, lots, takerSide, seq}: TradeView, units: IncentiveView): ShownTrade {
  const [price, amount] = [priceText(priceMicroGutta, units), amountOfLots(lots, units)]
  return {at: new Date(atMs).toISOString(), price, amount, side: takerSide, seq}
}

function shownCandle(candle: Candle, units: IncentiveView): ShownCandle {
  const price = (microGutta: number): string => priceText(microGutta, units)
  return {
    at: new Date(candle.startMs).toISOString(),
    open: price(candle.openMicroGutta),
    high: price(candle.highMicroGutta),
    low: price(candle.lowMicroGutta),
    close: price(candle.closeMicroGutta),
    amount: amountOfLots(candle.lots, units),
    gutta: formatDecimal(candle.notionalMicroGutta, GUTTA_DECIMALS),
    trades: candle.trades
  }
}

function shownPhase({auction}: {readonly auction?: AuctionView | undefined}): ShownPhase {
  if (auction === undefined) return {phase: 'continuous', auctionEnds: null}
  return {phase: auction.kind, auctionEnds: new Date(auction.endsAtMs).toISOString()}
}

function shownTicker({last, day, ...market}: Ticker, units: IncentiveView): ShownTicker {
  const phase = shownPhase(market)
  if (last === null) return {...phase, last: null, lastAt: null, day: null}
  return {
    ...phase,
    last: priceText(last.priceMicroGutta, units),
    lastAt: new Date(last.atMs).toISOString(),
    day: day && {
      high: priceText(day.highMicroGutta, units),
      low: priceText(day.lowMicroGutta, units),
      amount: amountOfLots(day.lots, units),
      gutta: formatDecimal(day.notionalMicroGutta, GUTTA_DECIMALS),
      trades: day.trades,
      changePercent: Math.round((last.priceMicroGutta / day.beforeMicroGutta - 1) * PER_CENT * 10) / 10
    }
  }
}
