import type {z as zod} from 'zod'
import * as z from 'zod/mini'
import {CreoError, errorOfWire, isCreoError} from '../core/errors.ts'
import type {
  accountViewSchema,
  balanceViewSchema,
  incentiveViewSchema,
  offerViewSchema,
  redemptionViewSchema
} from '../core/protocol/api.ts'
import type {SignedCommand} from '../core/protocol/commands.ts'
import {timeSigningText} from '../core/protocol/signing-texts.ts'
import {ACCEPT_SIGNATURE, proveAnswer, webContentDigest} from './answer-proof.ts'
import {askJson, notUnderstood, UNKNOWN} from './network-http.ts'
import {signWebCommand, type WireCommandBody} from './web-command.ts'
import {base64urlOf, hexOf, randomBytes, sha256HexOf, subtle} from './web-crypto.ts'
import {verifyWebText, type WebKey} from './web-key.ts'

/** A command is refused this long after it was signed: long enough for every retry over a poor link, short enough to be forgotten soon. */
const COMMAND_LIFETIME_MS = 10 * 60_000
const NONCE_BYTES = 16
const PAGE_ROWS = 1000
/** Of a list that is read whole. */
const PAGES_MAX = 20
const AFTER_SEQUENCE_HEADER = 'creo-after'
/** An answer that was signed longer ago, or so much ahead, is an old one that somebody kept; slow lines and clocks that were mended over them need some of it. */
const ANSWER_AGE_MAX_MS = 60_000

/** Views as they travel: amounts are strings of decimal digits in minor units, times ms since 1970. */
export type WireAccount = zod.input<typeof accountViewSchema>
export type WireBalance = zod.input<typeof balanceViewSchema>
export type WireIncentive = zod.input<typeof incentiveViewSchema>
export type WireOffer = zod.input<typeof offerViewSchema>
export type WireRedemption = zod.input<typeof redemptionViewSchema>

const networkSchema = z.object({id: z.string(), coordinatorKey: z.string(), genesis: z.string(), sequence: z.int()})
const genesisSchema = z.object({coordinatorKey: z.string()})
const timeSchema = z.object({nonce: z.string(), atMs: z.int(), signature: z.string()})
const outcomeSchema = z.union([
  z.object({status: z.literal('applied'), seq: z.int(), result: z.record(z.string(), z.unknown())}),
  z.object({status: z.literal('rejected'), seq: z.int(), code: z.string(), message: z.string()}),
  z.object({
    status: z.literal('error'),
    error: z.object({code: z.string(), message: z.string(), hint: z.optional(z.string())})
  })
])
const pictureSchema = z.object({
  type: z.string().check(z.regex(/^image\/(png|jpeg|webp|avif)$/)),
  content: z.string().check(z.regex(/^[A-Za-z0-9+/]{4,90000}={0,2}$/))
})
const answersSchema = z.object({answers: z.array(outcomeSchema)})

export interface ConnectOptions {
  /** Where the network's API is, without `/v1`: a coordinator's address, `http://coordinator.internal` in a function, or the place on a page that hands on to one. */
  readonly url: string
  /** Id of the network. Without it whatever network answers is believed: name it wherever you know it. */
  readonly networkId?: string
  readonly fetch?: typeof fetch
  readonly now?: () => number
}

/** Who signs. */
export interface WebSigner {
  /** Id of the account, or `new`. */
  readonly account: string
  readonly key: WebKey
}

export interface AppliedCommand {
  readonly seq: number
  readonly result: Readonly<Record<string, unknown>>
}

/**
 * One network as an app knows it. Whoever stands at `url` can hold back what is asked for, and neither make nor change it: the coordinator signs each answer,
 * and one that is not signed by it, for this request and within a minute, is `verification_failed`.
 */
export class Network {
  readonly id: string
  readonly #options: ConnectOptions & {readonly coordinatorKey: string}
  #sequence = 0
  #offsetMs: number | undefined

  private constructor(id: string, options: ConnectOptions & {readonly coordinatorKey: string}) {
    this.id = id
    this.#options = options
  }

  /**
   * Asks who is there, and believes it only if the genesis that it shows has the hash that is the network's id.
   * @throws {CreoError} `verification_failed` when it is another network; `unavailable`, `timeout`.
   */
  static async connect(options: ConnectOptions, signal?: AbortSignal): Promise<Network> {
    const view = parse(
      networkSchema,
      await askJson(options.fetch ?? fetch, {method: 'GET', url: urlOf(options, '/v1/network', {}), signal})
    )
    const id = await sha256HexOf(view.genesis)
    const genesis = genesisSchema.safeParse(JSON.parse(view.genesis))
    if (id !== (options.networkId ?? view.id) || !genesis.success || genesis.data.coordinatorKey !== view.coordinatorKey) {
      throw new CreoError('verification_failed', `At ${options.url} is another network, ${id}.`, {
        hint: 'Check the address and the id with whoever told you them.'
      })
    }
    return new Network(id, {...options, coordinatorKey: view.coordinatorKey})
  }

  /** Of the coordinator, which signs what is answered, and webhooks. */
  get coordinatorKey(): string {
    return this.#options.coordinatorKey
  }

  /** @param idOrName `acc_…` or the account's name. @throws {CreoError} `not_found` */
  account(idOrName: string, signal?: AbortSignal): Promise<WireAccount> {
    return this.#read<WireAccount>(`/v1/accounts/${encodeURIComponent(idOrName)}`, {}, signal)
  }

  async balances(idOrName: string, signal?: AbortSignal): Promise<readonly WireBalance[]> {
    const {balances} = await this.#read<{balances: WireBalance[]}>(`/v1/accounts/${encodeURIComponent(idOrName)}/balances`, {}, signal)
    return balances
  }

  /** What an account can spend of an incentive (`org/CODE`) or of `gutta`, in minor units. */
  async available(idOrName: string, asset: string, signal?: AbortSignal): Promise<bigint> {
    const found = (await this.balances(idOrName, signal)).find((balance) => balance.asset === asset && balance.kind === 'available')
    return BigInt(found?.amountMinor ?? 0)
  }

  incentive(id: string, signal?: AbortSignal): Promise<WireIncentive> {
    return this.#read<WireIncentive>(`/v1/incentives/${pathOf(id)}`, {}, signal)
  }

  /**
   * The picture of an offer, by the digest that stands in it: whoever hands it on cannot give another. It never changes, so keep it.
   * @throws {CreoError} `not_found`; `verification_failed` for other bytes.
   */
  async picture(digest: string, signal?: AbortSignal): Promise<{readonly type: string; readonly bytes: Uint8Array<ArrayBuffer>}> {
    if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw new CreoError('invalid_input', 'That is no digest of a picture.')
    const view = parse(pictureSchema, await this.read(`/v1/pictures/${digest}`, {signal}))
    const bytes = Uint8Array.from(atob(view.content), (character) => character.charCodeAt(0))
    const found = hexOf(new Uint8Array(await subtle().digest('SHA-256', bytes)))
    if (`sha256:${found}` !== digest)
      throw new CreoError('verification_failed', 'That is not the picture of the offer.', {hint: 'Try again: another host may answer.'})
    return {type: view.type, bytes}
  }

  /** What an incentive buys. */
  offers(incentive: string, signal?: AbortSignal): Promise<readonly WireOffer[]> {
    return this.#readAll<WireOffer>('/v1/offers', 'offers', {incentive}, signal)
  }

  /** The public record of an incentive's redemptions. */
  redemptions(
    filter: {readonly incentive: string; readonly status?: WireRedemption['status']},
    signal?: AbortSignal
  ): Promise<readonly WireRedemption[]> {
    return this.#readAll<WireRedemption>('/v1/redemptions', 'redemptions', filter, signal)
  }

  /**
   * Signs one command and has it done. What got lost on the way is sent again, the same bytes: it is done once.
   * @param idempotencyKey what names this wish for ever, made when the person made it, so that a second click is the first one again.
   * @throws {CreoError} the code with which it was refused or rejected.
   */
  async submit(
    signer: WebSigner,
    body: WireCommandBody,
    {idempotencyKey, signal}: {readonly idempotencyKey: string; readonly signal?: AbortSignal}
  ): Promise<AppliedCommand> {
    return this.send(await this.sign(signer, body, {idempotencyKey, ...(signal === undefined ? {} : {signal})}), signal)
  }

  /** Signs by the network's clock, to be sent now or, the very same, later. */
  async sign(
    signer: WebSigner,
    body: WireCommandBody,
    {idempotencyKey, signal}: {readonly idempotencyKey: string; readonly signal?: AbortSignal}
  ): Promise<SignedCommand> {
    const notAfterMs = (await this.nowMs(signal)) + COMMAND_LIFETIME_MS
    return signWebCommand({network: this.id, ...signer, idempotencyKey, notAfterMs, body})
  }

  /** Sends what was signed, also once more: it gets the first answer again. @throws {CreoError} as `submit`; `verification_failed` when nobody knows whether it was done */
  async send(command: SignedCommand, signal?: AbortSignal): Promise<AppliedCommand> {
    const answer = await this.#post('/v1/commands', JSON.stringify({commands: [command]}), signal)
    const [outcome, ...others] = parse(answersSchema, answer).answers
    if (outcome === undefined || others.length > 0) throw notUnderstood()
    if (outcome.status === 'error') throw errorOfWire(outcome.error)
    this.#sequence = Math.max(this.#sequence, outcome.seq)
    if (outcome.status === 'rejected') throw errorOfWire(outcome, 'rejected')
    return {seq: outcome.seq, result: outcome.result}
  }

  /** The network's time: this device's, mended once by what the coordinator signed. @throws {CreoError} `bad_signature` */
  async nowMs(signal?: AbortSignal): Promise<number> {
    const now = this.#options.now ?? Date.now
    this.#offsetMs ??= await this.#clockOffsetMs(now, signal)
    return now() + this.#offsetMs
  }

  async #clockOffsetMs(now: () => number, signal: AbortSignal | undefined): Promise<number> {
    const nonce = base64urlOf(randomBytes(NONCE_BYTES))
    const askedAtMs = now()
    const time = parse(
      timeSchema,
      await askJson(this.#options.fetch ?? fetch, {method: 'GET', url: urlOf(this.#options, '/v1/time', {nonce}), signal})
    )
    const text = timeSigningText(nonce, time.atMs)
    if (time.nonce !== nonce || !(await verifyWebText(this.#options.coordinatorKey, text, time.signature))) {
      throw new CreoError('bad_signature', "The network's time is not signed by its coordinator.", {hint: 'Ask at another address.'})
    }
    return Math.round(time.atMs - (askedAtMs + now()) / 2)
  }

  async #readAll<R>(
    path: string,
    list: string,
    filter: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined
  ): Promise<readonly R[]> {
    const rows: R[] = []
    let cursor: string | undefined
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const query = {...filter, limit: String(PAGE_ROWS), ...(cursor === undefined ? {} : {cursor})}
      const answer = await this.#read<Readonly<Record<string, unknown>>>(path, query, signal)
      const found = answer[list]
      if (!Array.isArray(found)) throw notUnderstood()
      rows.push(...(found as R[]))
      if (typeof answer.next !== 'string') break
      cursor = answer.next
    }
    return rows
  }

  /** An object as the coordinator signed it; text in it is anybody's. */
  async #read<R>(path: string, query: Readonly<Record<string, string>>, signal: AbortSignal | undefined): Promise<R> {
    const headers: Record<string, string> = this.#sequence > 0 ? {[AFTER_SEQUENCE_HEADER]: String(this.#sequence)} : {}
    const answer = await this.read(`${path}${queryOf(query)}`, {headers, signal})
    if (typeof answer !== 'object' || answer === null) throw notUnderstood()
    return answer as R
  }

  /**
   * What the coordinator answers at a path of its API, such as `/v1/offers?limit=10`, as it comes over the wire.
   * @throws {CreoError} `verification_failed` for what the coordinator did not sign for this, or not lately.
   */
  async read(
    path: string,
    {headers = {}, signal}: {readonly headers?: Readonly<Record<string, string>>; readonly signal?: AbortSignal | undefined} = {}
  ): Promise<unknown> {
    const url = urlOf(this.#options, path, {})
    const asked = {method: 'GET', target: this.#targetOf(url), digest: undefined}
    return askJson(this.#options.fetch ?? fetch, {
      method: 'GET',
      url,
      headers: {...headers, 'accept-signature': ACCEPT_SIGNATURE},
      signal,
      prove: async (answer) => {
        const atMs = await proveAnswer(this.#options.coordinatorKey, asked, answer)
        if (await this.#isLate(atMs, signal)) throw outdated()
      }
    })
  }

  /** Of a device whose clock was set anew meanwhile, the time is asked for once more before an answer is taken for an old one. */
  async #isLate(atMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    if (Math.abs((await this.nowMs(signal)) - atMs) <= ANSWER_AGE_MAX_MS) return false
    this.#offsetMs = undefined
    return Math.abs((await this.nowMs(signal)) - atMs) > ANSWER_AGE_MAX_MS
  }

  /** The same body gets the same answer, so that its age says nothing. A refusal as a whole is nobody's word, since it is not signed: it may have been done. */
  async #post(path: string, body: string, signal: AbortSignal | undefined): Promise<unknown> {
    const url = urlOf(this.#options, path, {})
    const digest = await webContentDigest(body)
    const asked = {method: 'POST', target: this.#targetOf(url), digest}
    try {
      return await askJson(this.#options.fetch ?? fetch, {
        method: 'POST',
        url,
        headers: {'content-digest': digest, 'accept-signature': ACCEPT_SIGNATURE},
        body,
        signal,
        prove: async (answer) => void (await proveAnswer(this.#options.coordinatorKey, asked, answer))
      })
    } catch (error) {
      if (!isCreoError(error) || UNKNOWN.has(error.code)) throw error
      throw new CreoError('verification_failed', `Refused by whoever handed it on: ${error.message}`, {
        hint: 'Send the same again.',
        cause: error
      })
    }
  }

  /** As the coordinator is asked: without where on a page it is handed on from. */
  #targetOf(url: string): string {
    const base = new URL(this.#options.url)
    const {pathname, search} = new URL(url)
    return pathname.slice(base.pathname.replace(/\/+$/, '').length) + search
  }
}

function parse<S extends z.ZodMiniType>(schema: S, answer: unknown): z.output<S> {
  const parsed = schema.safeParse(answer)
  if (!parsed.success) throw notUnderstood()
  return parsed.data
}

function urlOf({url}: ConnectOptions, path: string, query: Readonly<Record<string, string>>): string {
  return `${url.replace(/\/+$/, '')}${path}${queryOf(query)}`
}

function queryOf(query: Readonly<Record<string, string>>): string {
  const text = new URLSearchParams(query).toString()
  return text === '' ? '' : `?${text}`
}

function outdated(): CreoError {
  return new CreoError('verification_failed', 'The answer is an old one, which somebody kept.', {
    hint: 'Try again: another host may answer.'
  })
}

/** `org/CODE` as two segments. */
function pathOf(id: string): string {
  return id.split('/').map(encodeURIComponent).join('/')
}
