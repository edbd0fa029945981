import * as z from 'zod/mini'
import {CreoError} from '../core/errors.ts'
import {webContentDigest} from './answer-proof.ts'
import {keyIdOf, verifyWebText} from './web-key.ts'

/** A webhook that is older, or farther ahead of the receiver's clock, is refused. */
const TOLERANCE_MS = 5 * 60_000
const REMEMBERED_MAX = 10_000
const BODY_CHARS_MAX = 64 * 1024
const INPUT =
  /^creo=(\("@method" "content-digest" "content-type" "idempotency-key"\);created=(\d{1,12});alg="ed25519";keyid="([0-9a-f]{32})";tag="creo-webhook")$/
const SIGNATURE = /^creo=:([A-Za-z0-9+/]{86})==:$/

const amountSchema = z.string().check(z.regex(/^(0|[1-9]\d{0,15})$/))
const eventSchema = z.object({
  v: z.literal(1),
  id: z.string().check(z.maxLength(64)),
  network: z.string(),
  org: z.string(),
  type: z.string(),
  atMs: z.int(),
  seq: z.optional(z.int()),
  redemption: z.optional(
    z.object({
      id: z.string(),
      offer: z.string(),
      item: z.string(),
      incentive: z.string(),
      quantity: z.int(),
      amountMinor: amountSchema,
      holder: z.string(),
      requestedAtMs: z.int(),
      timeoutAtMs: z.optional(z.int()),
      reason: z.optional(z.string())
    })
  )
})

/**
 * What an org's server is told: `redemption.requested`, `.captured`, `.released` or `.expired`, or `webhook.test`. A type that is not known here may
 * come from a newer network: answer 2xx and leave it. Amounts are whole numbers of minor units, as text.
 */
export type WireWebhookEvent = z.output<typeof eventSchema>

/** Ids of events that were handled. A server with a database keeps them there, in the transaction that handles the event. */
export interface HandledEvents {
  has(id: string): boolean | Promise<boolean>
}

export interface WebhookRequest {
  readonly method: string
  /** As they came: a `Headers`, or an object with lower-case names as Node's. */
  readonly headers: Pick<Headers, 'get'> | Readonly<Record<string, string | readonly string[] | undefined>>
  /** The body, byte for byte as it came: what was parsed and written again is not what was signed. */
  readonly text: string
}

export interface WebhookTerms {
  /** The network's id, and the key of its coordinator, as it was pinned: `creo redemption webhook show` prints both. */
  readonly network: string
  readonly coordinatorKey: string
  /** Whose webhook this is. */
  readonly org: string
  readonly handled?: HandledEvents
  /** By the server's clock, ms; `Date.now()` when left out. */
  readonly nowMs?: number
  readonly toleranceMs?: number
}

export interface VerifiedWebhook {
  readonly event: WireWebhookEvent
  /** True for one that was handled before: its answer was lost. Answer 2xx and do nothing. */
  readonly repeated: boolean
}

/**
 * Says what a webhook tells, once it is known that the network's coordinator signed it for this org, lately.
 * @throws {CreoError} `verification_failed` for a request of anybody else, of another network or for another org; `expired` for one that is too old
 * or ahead of time; `unavailable` without WebCrypto's Ed25519.
 */
export async function verifyWebhook(request: WebhookRequest, terms: WebhookTerms): Promise<VerifiedWebhook> {
  const header = headersOf(request.headers)
  const [, signed, created, keyId] = INPUT.exec(header('signature-input')) ?? []
  const [, signature = ''] = SIGNATURE.exec(header('signature')) ?? []
  if (signed === undefined || keyId !== (await keyIdOf(terms.coordinatorKey)) || request.text.length > BODY_CHARS_MAX) throw unproven()
  const base = [
    `"@method": ${request.method}`,
    `"content-digest": ${await webContentDigest(request.text)}`,
    `"content-type": ${header('content-type')}`,
    `"idempotency-key": ${header('idempotency-key')}`,
    `"@signature-params": ${signed}`
  ]
  const base64url = signature.replaceAll('+', '-').replaceAll('/', '_')
  if (!(await verifyWebText(terms.coordinatorKey, base.join('\n'), base64url))) throw unproven()
  const {nowMs = Date.now(), toleranceMs = TOLERANCE_MS} = terms
  if (Math.abs(nowMs - Number(created) * 1000) > toleranceMs) {
    throw new CreoError('expired', 'The webhook was signed too long ago, or a clock is wrong.', {hint: "Compare this server's clock."})
  }
  const event = eventOf(request.text)
  if (event.network !== terms.network || event.org !== terms.org || header('idempotency-key') !== `"${event.id}"`) throw unproven()
  return {event, repeated: (await terms.handled?.has(event.id)) ?? false}
}

/** Ids in memory, the oldest going first: enough for a server that is never started anew between an event and its repetition. */
export class RememberedEvents implements HandledEvents {
  readonly #ids = new Set<string>()
  readonly #max: number

  constructor(max = REMEMBERED_MAX) {
    this.#max = max
  }

  has(id: string): boolean {
    return this.#ids.has(id)
  }

  /** Call it once the event is handled. */
  add(id: string): void {
    this.#ids.add(id)
    const [oldest] = this.#ids
    if (this.#ids.size > this.#max && oldest !== undefined) this.#ids.delete(oldest)
  }
}

function headersOf(headers: WebhookRequest['headers']): (name: string) => string {
  if (typeof headers.get === 'function') {
    const {get} = headers as Pick<Headers, 'get'>
    return (name) => get.call(headers, name) ?? ''
  }
  const pairs = headers as Readonly<Record<string, string | readonly string[] | undefined>>
  return (name) => {
    const value = pairs[name]
    return typeof value === 'string' ? value : ''
  }
}

/** It is signed: a body of another form is of a network that does not fit this client. */
function eventOf(text: string): WireWebhookEvent {
  try {
    return eventSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new CreoError('verification_failed', 'The webhook is not of the form that this client knows.', {hint: 'Update creo.', cause})
  }
}

function unproven(): CreoError {
  return new CreoError('verification_failed', "The webhook is not the network's, or not for this org.", {
    hint: "Compare the network's id and key: creo redemption webhook show. Give the body as it came."
  })
}
