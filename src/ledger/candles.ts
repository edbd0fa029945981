import type Database from 'better-sqlite3'
import {CANDLE_SPANS, candleSpans} from '../core/candle-spans.ts'
import {AMOUNT_MAX} from '../core/units.ts'

export interface CandleTrade {
  readonly incentive: string
  readonly priceMicroGutta: number
  readonly lots: number
  readonly atMs: number
}

interface Gathered {
  readonly incentive: string
  readonly span: string
  readonly startMs: number
  readonly open: number
  high: number
  low: number
  close: number
  lots: number
  notional: number
  trades: number
}

/** Sums stay at the most that an amount can be: where the volume window is short, the same value may be traded without end. */
const MERGE = `
INSERT INTO candles VALUES (@incentive, @span, @startMs, @open, @high, @low, @close, @lots, @notional, @trades)
ON CONFLICT (incentive, span, start_ms) DO UPDATE SET high = max(high, excluded.high), low = min(low, excluded.low), close = excluded.close,
  lots = min(${AMOUNT_MAX}, lots + excluded.lots), notional = min(${AMOUNT_MAX}, notional + excluded.notional), trades = trades + excluded.trades`

/** Gathers a group's trades into candles of each span, and writes each candle once: a group has up to thousands of trades. */
export class CandleWriter {
  readonly #merge: Database.Statement<[Gathered]>
  readonly #forget: Database.Statement<[string, string, number]>
  readonly #gathered = new Map<string, Gathered>()

  constructor(database: Database.Database) {
    this.#merge = database.prepare(MERGE)
    this.#forget = database.prepare('DELETE FROM candles WHERE incentive = ? AND span = ? AND start_ms < ?')
  }

  /** In the order of the ledger. */
  add({incentive, priceMicroGutta: price, lots, atMs}: CandleTrade): void {
    for (const span of candleSpans) {
      const {ms} = CANDLE_SPANS[span]
      const startMs = atMs - (atMs % ms)
      const key = `${incentive} ${span} ${startMs}`
      const candle = this.#gathered.get(key)
      const notional = price * lots
      if (candle === undefined) {
        this.#gathered.set(key, {incentive, span, startMs, open: price, high: price, low: price, close: price, lots, notional, trades: 1})
        continue
      }
      candle.high = Math.max(candle.high, price)
      candle.low = Math.min(candle.low, price)
      candle.close = price
      candle.lots = Math.min(AMOUNT_MAX, candle.lots + lots)
      candle.notional = Math.min(AMOUNT_MAX, candle.notional + notional)
      candle.trades += 1
    }
  }

  /** Writes what was gathered; those that are too old by the new ones are forgotten. */
  flush(): void {
    for (const candle of this.#gathered.values()) {
      const {ms, kept} = CANDLE_SPANS[candle.span as keyof typeof CANDLE_SPANS]
      this.#merge.run(candle)
      this.#forget.run(candle.incentive, candle.span, candle.startMs - kept * ms)
    }
    this.#gathered.clear()
  }
}
