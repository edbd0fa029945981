import {z} from 'zod'
import {nameSchema, positiveAmountSchema, publicKeySchema, timeMsSchema} from './scalars.ts'

const auctionMsSchema = z
  .int()
  .min(1000)
  .max(7 * 24 * 3600 * 1000)
const bandPpmSchema = z.int().min(1).max(1_000_000).optional()

/** How Gutta comes into being. Amounts in micro-gutta. */
export const emissionSchema = z.strictObject({
  epochMs: z.int().min(1000),
  /** Minted per epoch before the first halving, if any work was verified. */
  perEpochMicroGutta: positiveAmountSchema,
  /** Epochs after which the amount per epoch halves; 0 means never. */
  halvingEpochs: z.int().min(0),
  totalMicroGutta: positiveAmountSchema,
  /** Largest part of one epoch's emission that one owner may receive, per mille. */
  ownerShareMaxPermille: z.int().min(1).max(1000),
  /** Work points of one served request and of 10^6 MiB·ms of a running instance. */
  workPerRequest: z.int().min(0).max(1e6),
  workPerMillionMibMs: z.int().min(0).max(1e6)
})

/** A market's call auctions, and its price bands: millionths of the price that they lie around, to both sides. Absent: no such band. */
export const protectionSchema = z.strictObject({
  /** Auction of a market that has had no price yet, ms. */
  openingMs: auctionMsSchema,
  /** Auction after an order that would have traded beyond a band, ms. */
  auctionMs: auctionMsSchema,
  /** Around the price of the last auction. */
  staticPpm: bandPpmSchema,
  /** Around the last trade's. */
  dynamicPpm: bandPpmSchema
})
export type Protection = z.output<typeof protectionSchema>

/** The first bytes of a network. Its id is the SHA-256 of the exact file. */
export const genesisSchema = z.strictObject({
  format: z.literal('creo-genesis-v1'),
  network: z.enum(['production', 'development']),
  name: z.string().min(1).max(60),
  createdAtMs: timeMsSchema,
  /** Signs tables, leases, receipts' payments, epochs and expiries. */
  coordinatorKey: publicKeySchema,
  /** Admits and revokes gateways; in a development network makes allotments. */
  operatorKey: publicKeySchema,
  /** Name of the org that owns the exchange app and whose incentive is Gutta. */
  exchangeOrg: nameSchema,
  ruleset: z.literal('1'),
  emission: emissionSchema,
  /** Fees on a trade's notional, per million, rounded down. */
  fees: z.strictObject({makerPpm: z.int().min(0).max(100_000), takerPpm: z.int().min(0).max(100_000)}),
  /** Time a redemption stays held before it is released, ms. */
  redemptionTimeoutMs: z.int().min(1000),
  /** Time after a lease's end in which receipts of what was served before it are still paid, ms. Then the rest of the budget returns to the pool. */
  receiptGraceMs: z
    .int()
    .min(1000)
    .max(366 * 24 * 3600 * 1000),
  /** Time in which an owner key can cancel the recovery of an account, ms. Absent: 72 h. */
  recoveryDelayMs: z
    .int()
    .min(1000)
    .max(366 * 24 * 3600 * 1000)
    .optional(),
  /** How markets open, and how far a price may go in one step. Absent: they trade at once, at any price. */
  protection: protectionSchema.optional(),
  /** Bucket of the trade volume limit's rolling window, ms, and how many full buckets are kept besides the current one. */
  volumeBucketMs: z.int().min(1000),
  volumeBuckets: z.int().min(1).max(96)
})

export type Genesis = z.output<typeof genesisSchema>
