import * as z from 'zod/mini'
import {CreoError} from '../core/errors.ts'
import {base64urlOf, bytesOfBase64url, utf8} from './web-crypto.ts'

/**
 * What an app asks of a person's key, which lives at the exchange's page and nowhere else: the app sends its visitor there with the ask in the fragment of
 * the address, which no server sees; the page shows it, does it if the person wants that, and sends the visitor back with what came of it.
 */

const ASK_CHARS_MAX = 4000
const PAGE = '#/for-app/'
const ANSWER = '#creo='

const text = (max: number) => z.string().check(z.minLength(1), z.maxLength(max))
const common = {
  /** Made anew for each ask, and compared when the answer comes: nobody else's answer is taken for it. */
  state: z.string().check(z.regex(/^[A-Za-z0-9_-]{16,64}$/)),
  /** Where the visitor goes afterwards; an address of the app without a fragment. */
  back: text(500)
}
const askSchema = z.discriminatedUnion('ask', [
  z.strictObject({
    ask: z.literal('sign-in'),
    ...common,
    challenge: z.strictObject({network: text(64), origin: text(200), nonce: text(128), expiresAtMs: z.int()})
  }),
  z.strictObject({
    ask: z.literal('redeem'),
    ...common,
    incentive: z.string().check(z.regex(/^[a-z][a-z0-9-]{1,19}\/[A-Z][A-Z0-9]{1,9}$/)),
    offer: z.string().check(z.regex(/^off_[1-9]\d{0,15}$/)),
    quantity: z.int().check(z.gte(1), z.lte(1_000_000))
  }),
  z.strictObject({ask: z.literal('capture'), ...common, redemption: z.string().check(z.regex(/^red_[1-9]\d{0,15}$/))})
])
const answerSchema = z.strictObject({
  state: common.state,
  /** Of a sign-in what `SignIn.verify` takes; of a redemption and a capture `{redemption}`. Null where the person said no. */
  result: z.nullable(z.record(z.string(), z.unknown()))
})

/** Who are you; redeem this offer; hand this redemption over. */
export type AppAsk = z.output<typeof askSchema>
export type AskAnswer = z.output<typeof answerSchema>

/**
 * Where an app sends its visitor.
 * @param exchange address of the exchange's page, as the app's owner knows it.
 */
export function askHref(exchange: string, ask: AppAsk): string {
  return `${exchange.replace(/#.*$/, '')}${PAGE}${encode(ask)}`
}

/**
 * The side of the exchange: what is asked, and by which origin.
 * @param encoded what follows `#/for-app/`.
 * @throws {CreoError} `invalid_input` for no ask, and for one whose answer would go elsewhere than to who asked.
 */
export function readAsk(encoded: string): {readonly ask: AppAsk; readonly origin: string} {
  const parsed = askSchema.safeParse(decode(encoded))
  const back = parsed.success && URL.canParse(parsed.data.back) ? new URL(parsed.data.back) : undefined
  const isWeb = back !== undefined && /^https?:$/.test(back.protocol) && back.hash === '' && back.username === '' && back.password === ''
  // What is signed holds at that origin alone, and the answer goes there alone.
  if (!parsed.success || !isWeb || (parsed.data.ask === 'sign-in' && parsed.data.challenge.origin !== back.origin)) {
    throw new CreoError('invalid_input', 'That is nothing that an app may ask.', {hint: 'Go back to the app, and begin again there.'})
  }
  return {ask: parsed.data, origin: back.origin}
}

/** Where the visitor goes afterwards. */
export function answerHref({back, state}: AppAsk, result: AskAnswer['result']): string {
  return `${back}${ANSWER}${encode({state, result})}`
}

/**
 * The side of the app, once the visitor is back.
 * @param hash of the page's address.
 * @param state of the ask that this page made; undefined when it made none.
 * @returns undefined for an address without an answer.
 * @throws {CreoError} `invalid_input` for an answer to anything else.
 */
export function answerOfAsk(hash: string, state: string | undefined): AskAnswer['result'] | undefined {
  if (!hash.startsWith(ANSWER)) return undefined
  const parsed = answerSchema.safeParse(decode(hash.slice(ANSWER.length)))
  if (!parsed.success || parsed.data.state !== state)
    throw new CreoError('invalid_input', 'That answers nothing that was asked here.', {hint: 'Begin again.'})
  return parsed.data.result
}

function encode(value: unknown): string {
  return base64urlOf(utf8(JSON.stringify(value)))
}

function decode(encoded: string): unknown {
  const bytes = encoded.length > ASK_CHARS_MAX ? undefined : bytesOfBase64url(encoded)
  try {
    return bytes && JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}
