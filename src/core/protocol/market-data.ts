import {z} from 'zod'
import {auctionViewSchema} from './api.ts'
import {amountSchema, incentiveIdSchema, timeMsSchema} from './scalars.ts'

/** What a market has done, made of its trades. Prices are micro-gutta per lot. */

/** The time that `ticker` looks back. */
export const TICKER_MS = 24 * 60 * 60_000

/** The trades of one span, which begins at a whole multiple of it since 1970; spans without a trade have none. */
export const candleSchema = z.object({
  startMs: timeMsSchema,
  openMicroGutta: amountSchema,
  highMicroGutta: amountSchema,
  lowMicroGutta: amountSchema,
  closeMicroGutta: amountSchema,
  lots: amountSchema,
  /** Sum of price × lots, micro-gutta. */
  notionalMicroGutta: amountSchema,
  trades: z.int().min(1)
})
export type Candle = z.output<typeof candleSchema>

/** The last trade, and the 24 hours until now, to the minute. */
export const tickerSchema = z.object({
  incentive: incentiveIdSchema,
  /** Absent while orders trade as they come. */
  auction: auctionViewSchema.optional(),
  /** Null before the first trade. */
  last: z.object({priceMicroGutta: amountSchema, atMs: timeMsSchema}).nullable(),
  bestBidMicroGutta: amountSchema.nullable(),
  bestAskMicroGutta: amountSchema.nullable(),
  /** Null when nothing was traded in this time. */
  day: z
    .object({
      /** The last price before it, or the first one within it where there was none. */
      beforeMicroGutta: amountSchema,
      highMicroGutta: amountSchema,
      lowMicroGutta: amountSchema,
      lots: amountSchema,
      notionalMicroGutta: amountSchema,
      trades: z.int().min(1)
    })
    .nullable()
})
export type Ticker = z.output<typeof tickerSchema>

/** What a swap would come to if nothing else happened before it. It binds nobody. */
export const swapQuoteSchema = z.object({
  from: incentiveIdSchema,
  to: incentiveIdSchema,
  sentLots: amountSchema,
  deliveredLots: amountSchema,
  soldForMicroGutta: amountSchema,
  boughtForMicroGutta: amountSchema,
  /** Of both trades together. */
  feeMicroGutta: amountSchema,
  /** Of the proceeds, after what was bought and the fees: it would be the account's. */
  leftMicroGutta: amountSchema
})
export type SwapQuote = z.output<typeof swapQuoteSchema>

/** Whether an incentive's promise is kept: what became of all its redemptions. */
export const redemptionRecordSchema = z.object({
  incentive: incentiveIdSchema,
  held: z.int().min(0),
  captured: z.int().min(0),
  released: z.int().min(0),
  /** Of what was captured, minor units; never above what was issued where captured value is burned, and 2^53 - 1 for that and more where it goes back. */
  capturedMinor: amountSchema,
  /** Of those that ended; null while none has. */
  capturedPermille: z.int().min(0).max(1000).nullable(),
  /** From request to capture, of the newest 1,000 that were captured; null for none. */
  medianCaptureMs: z.int().min(0).nullable()
})
export type RedemptionRecord = z.output<typeof redemptionRecordSchema>
