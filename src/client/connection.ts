import {randomBytes} from 'node:crypto'
import {LRUCache} from 'lru-cache'
import type {Agent} from 'undici'
import type {z} from 'zod'
import {CreoError, isCreoError} from '../core/errors.ts'
import {AFTER_SEQUENCE_HEADER, AFTER_SEQUENCE_WAIT_MAX_MS, signedTimeSchema} from '../core/protocol/api.ts'
import {signRequest} from '../identity/http-signatures.ts'
import type {KeyPair} from '../identity/keys.ts'
import {verifyTime} from '../identity/time.ts'
import {ask, createPool, type HttpAnswer, jsonOrUndefined, NOT_MODIFIED, openStream} from './http.ts'

const TIME_NONCE_BYTES = 16
/** Answers that are kept so that they need not be sent again while they stay the same. */
const KEPT_MAX = 64
const KEPT_CHARS_MAX = 2 ** 21

export interface ConnectionOptions {
  readonly coordinatorUrl: string
  readonly networkId: string
  readonly coordinatorKey: string
  readonly now: () => number
  readonly signal: AbortSignal
}

export interface Ask {
  readonly method?: 'GET' | 'POST'
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | undefined>>
  readonly body?: unknown
  /** Signs the request by RFC 9421. */
  readonly key?: KeyPair | undefined
  readonly waitMs?: number
  readonly idempotent?: boolean
  /** Called before each attempt. */
  readonly onAttempt?: () => void
  readonly signal?: AbortSignal | undefined
}

/** One coordinator as this process knows it: connections, the highest sequence seen, and how far its clock is from ours. */
export class Connection {
  readonly options: ConnectionOptions
  readonly #pool: Agent = createPool()
  readonly #kept = new LRUCache<string, HttpAnswer>({max: KEPT_MAX, maxSize: KEPT_CHARS_MAX, sizeCalculation: ({body}) => body.length + 1})
  #sequence = 0
  #offsetMs = 0
  #compared: Promise<unknown> | undefined

  constructor(options: ConnectionOptions) {
    this.options = options
  }

  /** The network's time: ours, mended by what the coordinator said. */
  nowMs(): number {
    return this.options.now() + this.#offsetMs
  }

  /** Later reads show at least this sequence. */
  sawSequence(sequence: number): void {
    this.#sequence = Math.max(this.#sequence, sequence)
  }

  /** @throws {CreoError} what the coordinator answered, or `bad_gateway` when the answer is not understood. */
  async ask<S extends z.ZodType>(schema: S, asked: Ask): Promise<z.output<S>> {
    return this.parse(schema, await this.askRaw(asked))
  }

  parse<S extends z.ZodType>(schema: S, answer: HttpAnswer): z.output<S> {
    const parsed = schema.safeParse(jsonOrUndefined(answer.body))
    if (parsed.success) return parsed.data
    throw new CreoError('bad_gateway', 'The coordinator answered something that this version of creo does not know.', {
      hint: 'Upgrade creo, or check the URL of the coordinator.',
      cause: parsed.error
    })
  }

  /** A signed request that is refused for its clock is sent once more after the clock is mended. */
  async askRaw(asked: Ask): Promise<HttpAnswer> {
    try {
      return await this.#send(asked)
    } catch (error) {
      if (asked.key === undefined || !isCreoError(error) || error.code !== 'clock_skew') throw error
      await this.mendClock(asked.signal)
      return await this.#send(asked)
    }
  }

  /** Opens an answer that goes on for long. @throws {CreoError} what the coordinator answered. */
  stream(asked: {
    readonly path: string
    readonly query: NonNullable<Ask['query']>
    readonly headers: Readonly<Record<string, string>>
    readonly key: KeyPair | undefined
    readonly silenceMs: number
    readonly signal: AbortSignal
  }): Promise<AsyncIterable<Uint8Array>> {
    const {path, query, key, headers, silenceMs} = asked
    const url = this.#urlOf(path, query)
    const signed = key === undefined ? {} : signRequest({method: 'GET', url, key, nowMs: this.nowMs()})
    const signal = AbortSignal.any([this.options.signal, asked.signal])
    return openStream(this.#pool, {url, headers: {...headers, ...signed}, silenceMs, signal})
  }

  /** Asks the coordinator for its signed time and answers by how many ms the clock moved. @throws {CreoError} `bad_signature` */
  async mendClock(signal?: AbortSignal): Promise<number> {
    const nonce = randomBytes(TIME_NONCE_BYTES).toString('base64url')
    let askedAtMs = this.options.now()
    // What got lost before the attempt that is answered is no part of the way there and back.
    const onAttempt = (): void => {
      askedAtMs = this.options.now()
    }
    const time = this.parse(signedTimeSchema, await this.#send({path: '/v1/time', query: {nonce}, onAttempt, signal}))
    if (!verifyTime(time, {nonce, coordinatorKey: this.options.coordinatorKey})) {
      throw new CreoError('bad_signature', "The coordinator's time is not signed by the coordinator of this network.", {
        hint: 'Check the URL of the coordinator and the network id.'
      })
    }
    const before = this.#offsetMs
    this.#offsetMs = Math.round(time.atMs - (askedAtMs + this.options.now()) / 2)
    return Math.abs(this.#offsetMs - before)
  }

  /** Mends the clock unless that was done before. */
  async compareClock(): Promise<void> {
    this.#compared ??= this.mendClock()
    try {
      await this.#compared
    } catch (error) {
      this.#compared = undefined
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }

  #urlOf(path: string, query: NonNullable<Ask['query']>): string {
    return `${this.options.coordinatorUrl.replace(/\/+$/, '')}${path}${queryText(query)}`
  }

  async #send({method = 'GET', path, query = {}, body, key, waitMs = 0, idempotent = true, onAttempt, signal}: Ask): Promise<HttpAnswer> {
    const url = this.#urlOf(path, query)
    const text = body === undefined ? undefined : JSON.stringify(body)
    const after: Record<string, string> = method === 'GET' && this.#sequence > 0 ? {[AFTER_SEQUENCE_HEADER]: String(this.#sequence)} : {}
    const payload = text === undefined ? {} : {body: text}
    const kept = method === 'GET' && key === undefined ? this.#kept.get(url) : undefined
    const known: Record<string, string> = kept?.etag === undefined ? {} : {'if-none-match': kept.etag}
    const answer = await ask(this.#pool, {
      method,
      url,
      ...payload,
      headers: () => {
        onAttempt?.()
        return {...after, ...known, ...(key === undefined ? {} : signRequest({method, url, ...payload, key, nowMs: this.nowMs()}))}
      },
      waitMs: waitMs + AFTER_SEQUENCE_WAIT_MAX_MS,
      idempotent,
      signal: signal === undefined ? this.options.signal : AbortSignal.any([this.options.signal, signal])
    })
    if (answer.status === NOT_MODIFIED && kept) return kept
    if (method === 'GET' && key === undefined && answer.etag !== undefined) this.#kept.set(url, answer)
    return answer
  }
}

function queryText(query: NonNullable<Ask['query']>): string {
  const given = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) given.set(name, String(value))
  return given.size === 0 ? '' : `?${given.toString()}`
}
