import {z} from 'zod'
import type Fund from '../../../src/commands/incentive/fund.ts'
import type Issue from '../../../src/commands/incentive/issue.ts'
import type Limit from '../../../src/commands/incentive/limit.ts'
import type Incentives from '../../../src/commands/incentive/list.ts'
import type LedgerVerify from '../../../src/commands/ledger/verify.ts'
import type OfferAdd from '../../../src/commands/offer/add.ts'
import type OfferEdit from '../../../src/commands/offer/edit.ts'
import type Offers from '../../../src/commands/offer/list.ts'
import type OfferPicture from '../../../src/commands/offer/picture.ts'
import type Redeem from '../../../src/commands/redeem.ts'
import type Capture from '../../../src/commands/redemption/capture.ts'
import type Redemptions from '../../../src/commands/redemption/list.ts'
import type Release from '../../../src/commands/redemption/release.ts'
import type ShowRedemption from '../../../src/commands/redemption/show.ts'
import type Deliveries from '../../../src/commands/redemption/webhook/deliveries.ts'
import type WebhookRemove from '../../../src/commands/redemption/webhook/remove.ts'
import type WebhookRetry from '../../../src/commands/redemption/webhook/retry.ts'
import type WebhookSet from '../../../src/commands/redemption/webhook/set.ts'
import type WebhookShow from '../../../src/commands/redemption/webhook/show.ts'
import type WebhookTest from '../../../src/commands/redemption/webhook/test.ts'
import type Book from '../../../src/commands/trade/book.ts'
import type Buy from '../../../src/commands/trade/buy.ts'
import type Cancel from '../../../src/commands/trade/cancel.ts'
import type History from '../../../src/commands/trade/history.ts'
import type Orders from '../../../src/commands/trade/orders.ts'
import type Replace from '../../../src/commands/trade/replace.ts'
import type Sell from '../../../src/commands/trade/sell.ts'
import type Swap from '../../../src/commands/trade/swap.ts'
import type Watch from '../../../src/commands/trade/watch.ts'
import {
  incentiveIdSchema,
  nameSchema,
  networkIdSchema,
  offerIdSchema,
  orderIdSchema,
  publicKeySchema,
  redemptionIdSchema
} from '../../../src/core/protocol/scalars.ts'
import {deliveryIdSchema, deliveryStates, webhookEventTypes} from '../../../src/core/protocol/webhooks.ts'
import {amount, answerOf, count, keyId, seq, time} from './form.ts'

const incentive = incentiveIdSchema
const percent = z.number().min(0).max(100)
const side = z.enum(['buy', 'sell'])
const where = z.string().regex(/^in-(app|store)$/)

const order = z.strictObject({
  order: orderIdSchema,
  incentive,
  side,
  price: amount,
  amount,
  filled: amount,
  remaining: amount,
  status: z.enum(['open', 'filled', 'cancelled', 'expired']),
  reason: z.string().nullable()
})
const level = z.strictObject({price: amount, amount})
export const tradeLine = z.strictObject({at: time, price: amount, amount, side, seq})
export const phase = {phase: z.enum(['continuous', 'opening', 'auction']), auctionEnds: time.nullable()}
const ticker = {
  ...phase,
  last: amount.nullable(),
  lastAt: time.nullable(),
  day: z.strictObject({high: amount, low: amount, amount, gutta: amount, trades: count, changePercent: z.number()}).nullable()
}
const redemption = z.strictObject({
  redemption: redemptionIdSchema,
  offer: offerIdSchema,
  incentive,
  holder: z.string().min(1),
  quantity: z.int().min(1),
  amount,
  status: z.enum(['held', 'captured', 'released']),
  requestedAt: time,
  endedAt: time.nullable(),
  reason: z.string().nullable()
})
const webhook = z.strictObject({
  org: nameSchema,
  url: z.string().min(1),
  setAt: time,
  keyId,
  waiting: count,
  givenUp: count,
  dropped: count,
  lastDeliveredAt: time.nullable(),
  failing: z.strictObject({since: time, attempts: count, said: z.string()}).nullable(),
  networkId: networkIdSchema,
  coordinatorKey: publicKeySchema
})
const ended = {
  redemption: redemptionIdSchema.nullable(),
  seq: seq.nullable(),
  ended: z.array(z.strictObject({redemption: redemptionIdSchema, seq})),
  failed: z.array(z.strictObject({redemption: z.string().min(1), code: z.string(), message: z.string()}))
}
const offer = {
  offer: offerIdSchema,
  incentive,
  item: z.string(),
  price: amount,
  stock: count,
  where,
  stopped: z.boolean(),
  picture: z.string().nullable()
}

export const marketShapes = {
  'incentive fund': answerOf<Fund>()(z.strictObject({incentive, amount, seq})),
  'incentive issue': answerOf<Issue>()(z.strictObject({incentive, offer: offerIdSchema, seq})),
  'incentive limit': answerOf<Limit>()(
    z.strictObject({incentive, limitGutta: amount, ownerSharePercent: percent, seq, warning: z.string().nullable()})
  ),
  'incentive list': answerOf<Incentives>()(
    z.strictObject({
      incentives: z.array(
        z.strictObject({
          incentive,
          name: z.string(),
          scope: z.string(),
          supply: amount,
          lot: amount,
          limitGutta: amount,
          usedGutta: amount,
          ownerSharePercent: percent,
          transferable: z.boolean()
        })
      )
    })
  ),
  'ledger verify': answerOf<LedgerVerify>()(
    z.strictObject({
      holds: z.literal(true),
      groups: count,
      commands: count,
      accounts: count,
      headHash: z.string().min(1),
      signaturesChecked: count,
      digests: count,
      snapshot: z.enum(['none', 'holds', 'unusable'])
    })
  ),
  'offer add': answerOf<OfferAdd>()(z.strictObject({offer: offerIdSchema, incentive, seq})),
  'offer edit': answerOf<OfferEdit>()(z.strictObject({...offer, seq})),
  'offer list': answerOf<Offers>()(
    z.strictObject({
      offers: z.array(z.strictObject(offer))
    })
  ),
  'offer picture': answerOf<OfferPicture>()(
    z.strictObject({
      offer: offerIdSchema,
      picture: z.string(),
      type: z.string(),
      width: count,
      height: count,
      bytes: count,
      file: z.string()
    })
  ),
  redeem: answerOf<Redeem>()(redemption.extend({code: z.string().nullable()})),
  'redemption capture': answerOf<Capture>()(z.strictObject({...ended, status: z.literal('captured')})),
  'redemption list': answerOf<Redemptions>()(z.strictObject({redemptions: z.array(redemption), next: z.string().nullable()})),
  'redemption show': answerOf<ShowRedemption>()(redemption.extend({code: z.string().nullable()})),
  'redemption release': answerOf<Release>()(z.strictObject({...ended, status: z.literal('released')})),
  'redemption webhook deliveries': answerOf<Deliveries>()(
    z.strictObject({
      org: nameSchema,
      deliveries: z.array(
        z.strictObject({
          delivery: deliveryIdSchema,
          type: z.enum(webhookEventTypes),
          redemption: redemptionIdSchema,
          state: z.enum(deliveryStates),
          attempts: count,
          at: time,
          nextAt: time.nullable(),
          said: z.string().nullable()
        })
      )
    })
  ),
  'redemption webhook remove': answerOf<WebhookRemove>()(z.strictObject({org: nameSchema, status: z.enum(['removed', 'already_removed'])})),
  'redemption webhook retry': answerOf<WebhookRetry>()(z.strictObject({org: nameSchema, retried: count})),
  'redemption webhook set': answerOf<WebhookSet>()(webhook),
  'redemption webhook show': answerOf<WebhookShow>()(webhook),
  'redemption webhook test': answerOf<WebhookTest>()(
    z.strictObject({org: nameSchema, delivery: deliveryIdSchema, status: count, tookMs: count})
  ),
  'trade book': answerOf<Book>()(
    z.strictObject({
      incentive,
      ...ticker,
      bids: z.array(level),
      asks: z.array(level),
      indicative: level.extend({left: amount, leftSide: z.enum(['buy', 'sell']).nullable()}).nullable()
    })
  ),
  'trade buy': answerOf<Buy>()(order),
  'trade cancel': answerOf<Cancel>()(z.strictObject({cancelled: z.array(orderIdSchema)})),
  'trade history': answerOf<History>()(
    z.strictObject({
      incentive,
      trades: z.array(tradeLine).optional(),
      candles: z
        .array(z.strictObject({at: time, open: amount, high: amount, low: amount, close: amount, amount, gutta: amount, trades: count}))
        .optional()
    })
  ),
  'trade orders': answerOf<Orders>()(z.strictObject({orders: z.array(order)})),
  'trade replace': answerOf<Replace>()(order.extend({keptPriority: z.boolean()})),
  'trade sell': answerOf<Sell>()(order),
  'trade swap': answerOf<Swap>()(
    z.strictObject({
      swap: z
        .string()
        .regex(/^swap_\d+$/)
        .nullable(),
      from: incentive,
      to: incentive,
      sent: amount,
      delivered: amount,
      worst: amount,
      soldFor: amount,
      boughtFor: amount,
      fee: amount,
      left: amount
    })
  ),
  'trade watch': answerOf<Watch>()(z.strictObject({incentive, trades: count}))
}
