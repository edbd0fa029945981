import {CreoError} from '../core/errors.ts'
import {IN_WORDS} from '../core/issue-words.ts'
import {type DeliveryView, deliveryIdSchema, type WebhookView, webhookSetSchema} from '../core/protocol/webhooks.ts'
import type {AccountContext} from './context.ts'

export interface ShownWebhook {
  readonly org: string
  readonly url: string
  readonly setAt: string
  /** By which it was set. */
  readonly keyId: string
  readonly waiting: number
  readonly givenUp: number
  readonly dropped: number
  readonly lastDeliveredAt: string | null
  readonly failing: {readonly since: string; readonly attempts: number; readonly said: string} | null
  /** What its server verifies by: the network, and the key that signs. */
  readonly networkId: string
  readonly coordinatorKey: string
}

export interface ShownDelivery extends Omit<DeliveryView, 'atMs' | 'nextAtMs' | 'id'> {
  readonly delivery: string
  readonly at: string
  readonly nextAt: string | null
}

/** @throws {CreoError} `invalid_input` for what is no address of a webhook. */
export function webhookUrl(typed: string): string {
  const parsed = webhookSetSchema.safeParse({url: typed}, IN_WORDS)
  if (parsed.success) return parsed.data.url
  throw new CreoError('invalid_input', `"${typed}" ${parsed.error.issues[0]?.message ?? 'is no address'}.`, {
    hint: 'For example https://shop.example.org/creo-webhook'
  })
}

/** @throws {CreoError} `invalid_input` */
export function deliveryId(typed: string): string {
  const parsed = deliveryIdSchema.safeParse(typed)
  if (parsed.success) return parsed.data
  throw new CreoError('invalid_input', `"${typed}" is not a delivery.`, {hint: 'creo redemption webhook deliveries'})
}

/** @throws {CreoError} `not_found` where none is set. */
export function shownWebhook(context: AccountContext, webhook: WebhookView | null): ShownWebhook {
  const {networkId, coordinatorKey, account} = context
  if (webhook === null) throw new CreoError('not_found', `${account.name} has no webhook.`, {hint: 'creo redemption webhook set https://…'})
  const {setAtMs, lastDeliveredAtMs, failing, ...rest} = webhook
  return {
    org: account.name,
    ...rest,
    setAt: new Date(setAtMs).toISOString(),
    lastDeliveredAt: timeOrNull(lastDeliveredAtMs),
    failing: failing && {since: new Date(failing.sinceMs).toISOString(), attempts: failing.attempts, said: failing.said},
    networkId,
    coordinatorKey
  }
}

export function shownDelivery({id, atMs, nextAtMs, ...rest}: DeliveryView): ShownDelivery {
  return {delivery: id, ...rest, at: new Date(atMs).toISOString(), nextAt: timeOrNull(nextAtMs)}
}

function timeOrNull(atMs: number | null): string | null {
  return atMs === null ? null : new Date(atMs).toISOString()
}
