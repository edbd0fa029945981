import type Database from 'better-sqlite3'
import {CANDLE_SPANS} from '../core/candle-spans.ts'
import {type Candle, type RedemptionRecord, TICKER_MS, type Ticker} from '../core/protocol/market-data.ts'
import {AMOUNT_MAX} from '../core/units.ts'
import {rowsOf} from './filtered-rows.ts'
import {type AuctionRead, auctionOf, readAuction} from './market-reads.ts'
import type {LedgerReads} from './port.ts'

const CANDLES = `
SELECT start_ms AS startMs, open AS openMicroGutta, high AS highMicroGutta, low AS lowMicroGutta, close AS closeMicroGutta, lots,
  notional AS notionalMicroGutta, trades FROM candles WHERE incentive = @incentive AND span = @span AND start_ms < @beforeMs
ORDER BY start_ms DESC LIMIT @limit`
const LAST = 'SELECT price AS priceMicroGutta, at_ms AS atMs FROM trades WHERE incentive = ? ORDER BY seq DESC, position DESC LIMIT 1'
const DAY = `
SELECT max(high) AS highMicroGutta, min(low) AS lowMicroGutta, min(${AMOUNT_MAX}, total(lots)) AS lots, min(${AMOUNT_MAX}, total(notional)) AS notionalMicroGutta,
  sum(trades) AS trades
FROM candles WHERE incentive = @incentive AND span = '1m' AND start_ms > @fromMs`
const EARLIEST = "SELECT open FROM candles WHERE incentive = @incentive AND span = '1m' AND start_ms > @fromMs ORDER BY start_ms LIMIT 1"
/** By the minute as long as those are kept, then by whole hours. */
const BEFORE = `
SELECT close FROM (
  SELECT * FROM (SELECT 1 AS choice, close FROM candles WHERE incentive = @incentive AND span = '1m' AND start_ms < @untilMs ORDER BY start_ms DESC LIMIT 1)
  UNION ALL
  SELECT * FROM (
    SELECT 2 AS choice, close FROM candles WHERE incentive = @incentive AND span = '1h' AND start_ms <= @untilMs - ${CANDLE_SPANS['1h'].ms} ORDER BY start_ms DESC LIMIT 1
  )
) ORDER BY choice LIMIT 1`
const BEST_BID = "SELECT max(price) FROM orders WHERE status = 'open' AND incentive = ? AND side = 'buy'"
const BEST_ASK = "SELECT min(price) FROM orders WHERE status = 'open' AND incentive = ? AND side = 'sell'"
const RECORD = 'SELECT status, redemptions AS number, amount_minor AS amountMinor FROM redemption_totals WHERE incentive = ?'
/** The middle one, or the lower of the two in the middle. */
const MEDIAN = `
WITH newest AS (
  SELECT ended_at_ms - requested_at_ms AS ms FROM redemptions WHERE incentive = ? AND status = 'captured' ORDER BY seq DESC LIMIT 1000
) SELECT ms FROM newest ORDER BY ms LIMIT 1 OFFSET (SELECT (count(*) - 1) / 2 FROM newest)`

type Day = Omit<NonNullable<Ticker['day']>, 'beforeMicroGutta'>

/** Candles, tickers, and the record of redemptions. */
export class MarketDataReads {
  readonly #now: () => number
  readonly #candles: Database.Statement<[Record<string, string | number>], Candle>
  readonly #auction: AuctionRead
  readonly #last: Database.Statement<[string], NonNullable<Ticker['last']>>
  readonly #day: Database.Statement<[Record<string, string | number>], {[K in keyof Day]: Day[K] | null}>
  readonly #earliest: Database.Statement<[Record<string, string | number>], number>
  readonly #before: Database.Statement<[Record<string, string | number>], number>
  readonly #bestBid: Database.Statement<[string], number | null>
  readonly #bestAsk: Database.Statement<[string], number | null>
  readonly #record: Database.Statement<[string], {status: 'held' | 'captured' | 'released'; number: number; amountMinor: number}>
  readonly #median: Database.Statement<[string], number>

  constructor(database: Database.Database, {now}: {readonly now: () => number}) {
    this.#now = now
    this.#candles = database.prepare(CANDLES)
    this.#auction = readAuction(database)
    this.#last = database.prepare(LAST)
    this.#day = database.prepare(DAY)
    this.#earliest = database.prepare<[Record<string, string | number>], number>(EARLIEST).pluck()
    this.#before = database.prepare<[Record<string, string | number>], number>(BEFORE).pluck()
    this.#bestBid = database.prepare<[string], number | null>(BEST_BID).pluck()
    this.#bestAsk = database.prepare<[string], number | null>(BEST_ASK).pluck()
    this.#record = database.prepare(RECORD)
    this.#median = database.prepare<[string], number>(MEDIAN).pluck()
  }

  candles({incentive, span, limit, beforeMs}: Parameters<LedgerReads['candles']>[0]): Candle[] {
    return this.#candles.all({incentive, span, limit: rowsOf(limit), beforeMs: beforeMs ?? Number.MAX_SAFE_INTEGER})
  }

  ticker(incentive: string): Ticker {
    const minute = CANDLE_SPANS['1m'].ms
    const fromMs = this.#now() - TICKER_MS
    const at = {incentive, fromMs}
    const {trades, ...day} = this.#day.get(at) ?? {trades: null}
    // The candle in which the day begins is not of it.
    const untilMs = fromMs - (fromMs % minute) + minute
    const beforeMicroGutta = this.#before.get({incentive, untilMs}) ?? this.#earliest.get(at) ?? 0
    return {
      incentive,
      ...auctionOf(this.#auction, incentive),
      last: this.#last.get(incentive) ?? null,
      bestBidMicroGutta: this.#bestBid.get(incentive) ?? null,
      bestAskMicroGutta: this.#bestAsk.get(incentive) ?? null,
      day: trades === null || trades === undefined ? null : ({...day, trades, beforeMicroGutta} as Ticker['day'])
    }
  }

  redemptionRecord(incentive: string): RedemptionRecord {
    const totals = new Map(this.#record.all(incentive).map((row) => [row.status, row]))
    const count = (status: 'held' | 'captured' | 'released'): number => totals.get(status)?.number ?? 0
    const [captured, released] = [count('captured'), count('released')]
    return {
      incentive,
      held: count('held'),
      captured,
      released,
      capturedMinor: totals.get('captured')?.amountMinor ?? 0,
      capturedPermille: captured + released === 0 ? null : Math.floor((captured * 1000) / (captured + released)),
      medianCaptureMs: this.#median.get(incentive) ?? null
    }
  }
}
