import {z} from 'zod'
import {
  accountIdSchema,
  assetIdSchema,
  imageDigestSchema,
  incentiveCodeSchema,
  incentiveIdSchema,
  labelSchema,
  memoSchema,
  nameSchema,
  offerIdSchema,
  orderIdSchema,
  positiveAmountSchema,
  redemptionIdSchema,
  saltSchema,
  sha256HexSchema,
  timeMsSchema
} from './scalars.ts'

/** The bodies of commands about incentives, what they buy, and what they trade for. */

const offerSpec = z.strictObject({
  item: labelSchema,
  /** What one item costs, in the incentive's minor unit. */
  priceMinor: positiveAmountSchema,
  stock: z.int().min(0).max(1e9),
  where: z.enum(['in-app', 'in-store']),
  /** Digest of its picture, which the coordinator was given before. */
  picture: imageDigestSchema.optional()
})

/** Per mille: one owner may take all of a trade volume limit, as where no share is named at issue. */
export const OWNER_SHARE_ALL = 1000
/** Of the trade volume limit, what one owner may take. */
const ownerShareSchema = z.int().min(1).max(OWNER_SHARE_ALL).optional()

const incentiveIssue = z.strictObject({
  type: z.literal('incentive.issue'),
  code: incentiveCodeSchema,
  name: labelSchema,
  /** Absent: all functions of the org. Present: one function `app/function`. Fixed for ever. */
  scope: z.strictObject({app: nameSchema, function: nameSchema}).optional(),
  decimals: z.int().min(0).max(6),
  /** The tradable step, in minor units. */
  lotMinor: positiveAmountSchema,
  /** Whole supply, posted from `issued` to the org's `available`. */
  supplyMinor: positiveAmountSchema,
  /** Micro-gutta of executed notional per rolling window; any amount above zero. */
  tradeVolumeLimitMicroGutta: positiveAmountSchema,
  /** Absent: all of it. */
  ownerSharePermille: ownerShareSchema,
  /** What becomes of captured redemptions. */
  captured: z.enum(['burn', 'return']),
  /** Whether holders may give it to anybody, beside the market. Fixed for ever. */
  transferable: z.boolean(),
  firstOffer: offerSpec
})

const incentiveLimit = z.strictObject({
  type: z.literal('incentive.limit'),
  incentive: incentiveIdSchema,
  tradeVolumeLimitMicroGutta: positiveAmountSchema,
  /** Absent: it stays. */
  ownerSharePermille: ownerShareSchema
})

/** available → pool of the issuer. */
const poolFund = z.strictObject({type: z.literal('pool.fund'), incentive: incentiveIdSchema, amountMinor: positiveAmountSchema})

const offerAdd = z.strictObject({type: z.literal('offer.add'), incentive: incentiveIdSchema, offer: offerSpec})
/** What is absent stays. Redemptions that wait keep what they hold. */
const offerEdit = z.strictObject({
  type: z.literal('offer.edit'),
  offer: offerIdSchema,
  item: offerSpec.shape.item.optional(),
  priceMinor: offerSpec.shape.priceMinor.optional(),
  /** From now on, besides what is set aside for redemptions that wait. */
  stock: offerSpec.shape.stock.optional(),
  where: offerSpec.shape.where.optional(),
  /** Null takes it away. */
  picture: imageDigestSchema.nullable().optional(),
  /** Whether it can be redeemed no longer. */
  stopped: z.boolean().optional()
})

/** How an incentive counts, as it was shown to who signs: by another measure the same numbers mean another sum. Absent: whatever it is. */
const measureSchema = z.strictObject({decimals: z.int().min(0).max(6), lotMinor: positiveAmountSchema}).optional()
const selfTradeSchema = z.enum(['cancel-oldest', 'cancel-both']).optional()
const orderPlace = z.strictObject({
  type: z.literal('order.place'),
  incentive: incentiveIdSchema,
  side: z.enum(['buy', 'sell']),
  /** Micro-gutta per lot; for a market order its protection price. */
  priceMicroGutta: positiveAmountSchema,
  lots: positiveAmountSchema,
  kind: z.enum(['limit', 'market', 'post-only']),
  timeInForce: z.enum(['GTC', 'GTT', 'IOC', 'FOK']),
  /** GTT only. */
  expiresAtMs: timeMsSchema.optional(),
  measure: measureSchema,
  /** Which goes when it meets an order of its own account: the one that waits, or both. Absent: what is left of this one. */
  selfTrade: selfTradeSchema
})
const orderCancel = z.strictObject({type: z.literal('order.cancel'), order: orderIdSchema})
/** Another price or size for an open order, at once or not at all. What is absent stays. */
const orderReplace = z.strictObject({
  type: z.literal('order.replace'),
  order: orderIdSchema,
  priceMicroGutta: positiveAmountSchema.optional(),
  /** Its whole size, with what is filled of it. */
  lots: positiveAmountSchema.optional(),
  /** Refused where it would trade at once. */
  postOnly: z.literal(true).optional(),
  selfTrade: selfTradeSchema
})
/** All open orders of the account, or those of one market or side, at most 1,000 at a time. */
const ordersCancel = z.strictObject({
  type: z.literal('orders.cancel'),
  incentive: incentiveIdSchema.optional(),
  side: z.enum(['buy', 'sell']).optional()
})
/**
 * Sells `from` for Gutta and buys `to` with it, whole or not at all. One size is exact, the other the worst one accepted: `send` delivers `receiveLots` or more,
 * `receive` sends `sendLots` or fewer.
 */
const swapBody = z.strictObject({
  type: z.literal('swap'),
  from: incentiveIdSchema,
  to: incentiveIdSchema,
  exact: z.enum(['send', 'receive']),
  sendLots: positiveAmountSchema,
  receiveLots: positiveAmountSchema,
  fromMeasure: measureSchema,
  toMeasure: measureSchema,
  /** Own orders on the way are cancelled. Absent: one of them refuses the swap. */
  selfTrade: z.literal('cancel-oldest').optional()
})

/** available → available of another account. What may go where: `core/exchange/transfer-command.ts`. */
const accountTransfer = z.strictObject({
  type: z.literal('account.transfer'),
  to: accountIdSchema,
  asset: assetIdSchema,
  amountMinor: positiveAmountSchema,
  /** Public, like all of a command. */
  memo: memoSchema.optional()
})

/** available → held until captured, released or timed out. */
const redemptionRequest = z.strictObject({
  type: z.literal('redemption.request'),
  offer: offerIdSchema,
  quantity: z.int().min(1).max(1e6),
  /** The most that one may cost, as it was shown; absent: whatever it costs by now. */
  priceAtMostMinor: positiveAmountSchema.optional(),
  measure: measureSchema,
  /** By which the holder's code is known again (`redemption-code.ts`): the journal is public, and holds no code. */
  code: z.strictObject({salt: saltSchema, hash: sha256HexSchema}).optional()
})
const redemptionCapture = z.strictObject({type: z.literal('redemption.capture'), redemption: redemptionIdSchema})
const redemptionRelease = z.strictObject({
  type: z.literal('redemption.release'),
  redemption: redemptionIdSchema,
  /** Why, for its holder; everybody can read it. */
  reason: labelSchema.optional()
})

export const marketCommandBodies = [
  incentiveIssue,
  incentiveLimit,
  poolFund,
  offerAdd,
  offerEdit,
  orderPlace,
  orderCancel,
  orderReplace,
  ordersCancel,
  swapBody,
  accountTransfer,
  redemptionRequest,
  redemptionCapture,
  redemptionRelease
] as const
export type Measure = z.output<typeof measureSchema>
export type OfferSpec = z.output<typeof offerSpec>
