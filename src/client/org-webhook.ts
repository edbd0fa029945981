import type {z} from 'zod'
import {
  type DeliveryView,
  deliveriesSchema,
  webhookAnswerSchema,
  webhookRemovedSchema,
  webhookRetriedSchema,
  webhookTestedSchema
} from '../core/protocol/webhooks.ts'
import type {KeyPair} from '../identity/keys.ts'
import type {Ask, Connection} from './connection.ts'

type Answer<S extends z.ZodType> = Promise<z.output<S>>

/** One org's webhook at the coordinator. */
export class OrgWebhook {
  readonly #connection: Connection
  readonly #asked: Pick<Ask, 'key' | 'signal'>
  readonly #path: string

  constructor(connection: Connection, key: KeyPair | undefined, org: string, signal: AbortSignal | undefined) {
    this.#connection = connection
    this.#asked = {key, signal}
    this.#path = `/v1/orgs/${encodeURIComponent(org)}/webhook`
  }

  show(): Answer<typeof webhookAnswerSchema> {
    return this.#connection.ask(webhookAnswerSchema, {path: this.#path, ...this.#asked})
  }

  set(url: string): Answer<typeof webhookAnswerSchema> {
    return this.#connection.ask(webhookAnswerSchema, {method: 'POST', path: this.#path, body: {url}, ...this.#asked})
  }

  remove(): Answer<typeof webhookRemovedSchema> {
    return this.#connection.ask(webhookRemovedSchema, {method: 'POST', path: `${this.#path}/remove`, body: {}, ...this.#asked})
  }

  /** Has the coordinator send an event that says nothing. */
  test(): Answer<typeof webhookTestedSchema> {
    return this.#connection.ask(webhookTestedSchema, {method: 'POST', path: `${this.#path}/test`, body: {}, ...this.#asked})
  }

  /** Newest first. */
  deliveries(filter: {readonly state?: DeliveryView['state'] | undefined; readonly limit?: number}): Answer<typeof deliveriesSchema> {
    return this.#connection.ask(deliveriesSchema, {path: `${this.#path}/deliveries`, query: {...filter}, ...this.#asked})
  }

  /** One that is named, or all that were given up. */
  retry(delivery: string | undefined): Answer<typeof webhookRetriedSchema> {
    const body = delivery === undefined ? {} : {delivery}
    return this.#connection.ask(webhookRetriedSchema, {method: 'POST', path: `${this.#path}/deliveries/retry`, body, ...this.#asked})
  }
}
