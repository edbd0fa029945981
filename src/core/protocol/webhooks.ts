import {z} from 'zod'
import {
  accountIdSchema,
  amountSchema,
  incentiveIdSchema,
  keyIdSchema,
  nameSchema,
  networkIdSchema,
  offerIdSchema,
  redemptionIdSchema,
  timeMsSchema
} from './scalars.ts'

/** What an org's own server is told of its redemptions. The address is none of the journal's business: it is kept beside the ledger. */

export const WEBHOOK_URL_CHARS_MAX = 500
/** `tag` of a webhook's signature by RFC 9421. */
export const WEBHOOK_TAG = 'creo-webhook'
/** One id for all attempts at telling one event (the IETF's draft of that name). */
export const IDEMPOTENCY_HEADER = 'idempotency-key'
/** Shown of one org at most, newest first. */
export const DELIVERIES_SHOWN_MAX = 1000

export const webhookEventTypes = [
  'redemption.requested',
  'redemption.captured',
  'redemption.released',
  'redemption.expired',
  'webhook.test'
] as const
export type WebhookEventType = (typeof webhookEventTypes)[number]

/** The same at each attempt. */
export const deliveryIdSchema = z
  .string()
  .regex(/^evt_(\d{1,16}_\d{1,6}|test_[0-9a-f]{32})$/, 'must be the id of a delivery, such as evt_31_0')

const webhookRedemptionSchema = z.object({
  id: redemptionIdSchema,
  offer: offerIdSchema,
  item: z.string(),
  incentive: incentiveIdSchema,
  quantity: z.int(),
  amountMinor: amountSchema,
  holder: accountIdSchema,
  requestedAtMs: timeMsSchema,
  /** Of a redemption that waits: until then it may be captured. */
  timeoutAtMs: timeMsSchema.optional(),
  reason: z.string().optional()
})

/** The body of a webhook. It holds no redemption code: whoever reads it could not capture by it. */
export const webhookEventSchema = z.object({
  v: z.literal(1),
  id: deliveryIdSchema,
  network: networkIdSchema,
  org: nameSchema,
  type: z.enum(webhookEventTypes),
  /** When it happened, by the ledger. */
  atMs: timeMsSchema,
  /** Of the command that did it; absent of a test. */
  seq: z.int().optional(),
  redemption: webhookRedemptionSchema.optional()
})
export type WebhookEvent = z.output<typeof webhookEventSchema>

export const webhookSetSchema = z.strictObject({
  url: z
    .url({protocol: /^https?$/})
    .max(WEBHOOK_URL_CHARS_MAX)
    .refine((url) => !URL.canParse(url) || (new URL(url).username === '' && new URL(url).password === ''), 'must hold no password')
    .refine((url) => !url.includes('#'), 'must have no fragment')
})

/** An org's webhook, as keys of the org see it. */
export const webhookViewSchema = z.object({
  url: z.string(),
  setAtMs: timeMsSchema,
  keyId: keyIdSchema,
  /** Events that were not yet told, and those of before that were given up. */
  waiting: z.int().min(0),
  givenUp: z.int().min(0),
  /** Events that found no room: behind those that waited, or given up and forgotten since behind many more. */
  dropped: z.int().min(0),
  lastDeliveredAtMs: timeMsSchema.nullable(),
  /** Since when every attempt failed, and how the last one did; null while they arrive. */
  failing: z.object({sinceMs: timeMsSchema, attempts: z.int().min(1), said: z.string()}).nullable()
})
export type WebhookView = z.output<typeof webhookViewSchema>
/** Null where none is set. */
export const webhookAnswerSchema = z.object({webhook: webhookViewSchema.nullable()})
export const webhookRemovedSchema = z.object({status: z.enum(['removed', 'already_removed'])})

export const deliveryStates = ['waiting', 'delivered', 'given_up'] as const
export const deliveryViewSchema = z.object({
  id: deliveryIdSchema,
  type: z.enum(webhookEventTypes),
  redemption: redemptionIdSchema,
  state: z.enum(deliveryStates),
  attempts: z.int().min(0),
  atMs: timeMsSchema,
  /** Of one that waits. */
  nextAtMs: timeMsSchema.nullable(),
  /** How the last attempt ended; null before the first. */
  said: z.string().nullable()
})
export type DeliveryView = z.output<typeof deliveryViewSchema>
export const deliveriesSchema = z.object({deliveries: z.array(deliveryViewSchema)})
export const deliveriesQuerySchema = z.strictObject({
  state: z.enum(deliveryStates).optional(),
  limit: z.coerce.number().int().min(1).max(DELIVERIES_SHOWN_MAX).default(100)
})

/** One that is named, or all that were given up. */
export const webhookRetrySchema = z.strictObject({delivery: deliveryIdSchema.optional()})
export const webhookRetriedSchema = z.object({retried: z.int().min(0)})
/** How the org's server took it: null where it did not answer, and in words. Only 2xx says that it was taken. */
export const webhookTestedSchema = z.object({delivery: deliveryIdSchema, status: z.int().nullable(), said: z.string(), tookMs: z.int()})
export type WebhookTested = z.output<typeof webhookTestedSchema>
