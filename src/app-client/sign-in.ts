import * as z from 'zod/mini'
import {CreoError} from '../core/errors.ts'
import {type SignInTerms, signInText} from '../core/protocol/signing-texts.ts'
import type {Network, WebSigner} from './network.ts'
import {base64urlOf, bytesOfBase64url, randomBytes, subtle, utf8, type WebCryptoKey} from './web-crypto.ts'
import {verifyWebText} from './web-key.ts'

/** Time for somebody to look, to type a passphrase and to press a button. */
const CHALLENGE_LIFETIME_MS = 5 * 60_000
const RANDOM_BYTES = 16
const MAC_BYTES = 32
const SECRET_BYTES_MIN = 16
/** Answers that were taken and may not be taken again; the oldest go first. */
const TAKEN_MAX = 10_000

const answerSchema = z.strictObject({
  network: z.string().check(z.maxLength(64)),
  origin: z.string().check(z.maxLength(200)),
  account: z.string().check(z.regex(/^acc_[0-9a-f]{32}$/)),
  keyId: z.string().check(z.regex(/^[0-9a-f]{32}$/)),
  nonce: z.string().check(z.maxLength(128)),
  expiresAtMs: z.int(),
  signature: z.string().check(z.maxLength(128))
})

/** What an app asks to be signed. */
export type SignInChallenge = Pick<SignInTerms, 'network' | 'origin' | 'nonce' | 'expiresAtMs'>
/** What a person's key made of it. */
export type SignInAnswer = SignInTerms & {readonly signature: string}

/** Whose key it was. */
export interface SignedIn {
  readonly account: string
  readonly name: string
  readonly keyId: string
  readonly roles: readonly string[]
}

/**
 * Signs a challenge of an app.
 * @param origin where the challenge came from, as the browser says, never as the challenge does: an app cannot sign its visitors in elsewhere.
 * @throws {CreoError} `forbidden` when the challenge is for another origin or network.
 */
export async function answerSignIn(
  challenge: SignInChallenge,
  {signer, origin, network}: {readonly signer: WebSigner; readonly origin: string; readonly network: string}
): Promise<SignInAnswer> {
  if (challenge.origin !== origin || challenge.network !== network) {
    throw new CreoError('forbidden', `${origin} asks for a signature that would be good at ${challenge.origin}.`, {
      hint: 'Sign in there only.'
    })
  }
  const {nonce, expiresAtMs} = challenge
  const terms: SignInTerms = {network, origin, account: signer.account, keyId: signer.key.keyId, nonce, expiresAtMs}
  return {...terms, signature: await signer.key.sign(signInText(terms))}
}

/** The side of the app: makes challenges and reads what came back. Nothing is kept of a challenge, so any instance of the app can read the answer. */
export class SignIn {
  readonly #network: Network
  readonly #origin: string
  readonly #secret: Uint8Array<ArrayBuffer>
  readonly #taken = new Set<string>()

  /**
   * @param origin of the app's pages, such as `https://shop--colibris.example.org`.
   * @param secret at least 16 random bytes, base64url, the same in all instances of the app.
   * @throws {CreoError} `invalid_input` when the secret is too short.
   */
  constructor(network: Network, {origin, secret}: {readonly origin: string; readonly secret: string}) {
    const bytes = bytesOfBase64url(secret)
    if (bytes === undefined || bytes.length < SECRET_BYTES_MIN) {
      throw new CreoError('invalid_input', `The secret of the sign-in needs at least ${SECRET_BYTES_MIN} random bytes in base64url.`, {
        hint: 'openssl rand 32 | basenc --base64url -w0 | tr -d ='
      })
    }
    this.#network = network
    this.#origin = origin
    this.#secret = bytes
  }

  async challenge(signal?: AbortSignal): Promise<SignInChallenge> {
    const expiresAtMs = (await this.#network.nowMs(signal)) + CHALLENGE_LIFETIME_MS
    const random = base64urlOf(randomBytes(RANDOM_BYTES))
    const nonce = `${random}.${base64urlOf(await this.#mac(random, expiresAtMs))}`
    return {network: this.#network.id, origin: this.#origin, nonce, expiresAtMs}
  }

  /**
   * Who signed. Each answer is taken once by this instance.
   * @param answer as it came over the wire: parsed here.
   * @throws {CreoError} `invalid_input`, `bad_signature`, `expired`, `replayed`, `unauthorized` when the key is none of the account's any more; what reading the account throws.
   */
  async verify(answer: unknown, signal?: AbortSignal): Promise<SignedIn> {
    const parsed = answerSchema.safeParse(answer)
    if (!parsed.success) throw new CreoError('invalid_input', 'That is no answer to a sign-in.', {hint: 'Start to sign in again.'})
    const {signature, ...terms} = parsed.data
    if (!(await this.#isOurs(terms)))
      throw new CreoError('bad_signature', 'This app did not ask for that signature.', {hint: 'Start to sign in again.'})
    if ((await this.#network.nowMs(signal)) > terms.expiresAtMs)
      throw new CreoError('expired', 'That took too long.', {hint: 'Start to sign in again.'})
    const account = await this.#network.account(terms.account, signal)
    const key = account.keys.find(({keyId}) => keyId === terms.keyId)
    if (account.id !== terms.account || key === undefined)
      throw new CreoError('unauthorized', 'That key is none of this account.', {hint: 'Choose another key.'})
    if (!(await verifyWebText(key.publicKey, signInText(terms), signature)))
      throw new CreoError('bad_signature', 'The signature does not hold.', {hint: 'Start to sign in again.'})
    this.#take(terms.nonce)
    return {account: account.id, name: account.name, keyId: key.keyId, roles: key.roles}
  }

  async #isOurs({network, origin, nonce, expiresAtMs}: SignInChallenge): Promise<boolean> {
    const [random = '', text = '', ...more] = nonce.split('.')
    const mac = bytesOfBase64url(text, MAC_BYTES)
    // In one spelling alone, by which it is known again.
    if (mac === undefined || more.length > 0 || network !== this.#network.id || origin !== this.#origin) return false
    return subtle().verify('HMAC', await this.#macKey('verify'), mac, macText(random, expiresAtMs))
  }

  #take(nonce: string): void {
    if (this.#taken.has(nonce)) throw new CreoError('replayed', 'That answer was used before.', {hint: 'Start to sign in again.'})
    this.#taken.add(nonce)
    const [oldest] = this.#taken
    if (this.#taken.size > TAKEN_MAX && oldest !== undefined) this.#taken.delete(oldest)
  }

  async #mac(random: string, expiresAtMs: number): Promise<Uint8Array> {
    return new Uint8Array(await subtle().sign('HMAC', await this.#macKey('sign'), macText(random, expiresAtMs)))
  }

  #macKey(usage: 'sign' | 'verify'): Promise<WebCryptoKey> {
    return subtle().importKey('raw', this.#secret, {name: 'HMAC', hash: 'SHA-256'}, false, [usage])
  }
}

function macText(random: string, expiresAtMs: number): Uint8Array<ArrayBuffer> {
  return utf8(['creo-sign-in-challenge-v1', random, String(expiresAtMs)].join('\n'))
}
