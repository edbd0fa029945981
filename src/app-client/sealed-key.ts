import * as z from 'zod/mini'
import {CreoError} from '../core/errors.ts'
import {base64urlOf, bytesOfBase64url, randomBytes, subtle, utf8, type WebCryptoKey} from './web-crypto.ts'
import {KEY_SECRET_BYTES, type WebKey, webKeyOfSecret} from './web-key.ts'

/** Rounds of PBKDF2 with HMAC-SHA-256 for a passphrase: what OWASP's sheet on the storage of passwords asks for (2023). */
const ROUNDS = 600_000
/** Of a sealed key that comes from elsewhere: fewer would be no protection, more would hold the page up for minutes. */
const ROUNDS_MIN = 100_000
const ROUNDS_MAX = 10_000_000
const SALT_BYTES = 16
/** AES-GCM's own length (NIST SP 800-38D, 5.2.1.1), drawn anew each time. */
const IV_BYTES = 12
const SEALED_CHARS_MAX = 64
export const PASSPHRASE_CHARS_MIN = 10

const textSchema = z.string().check(z.maxLength(SEALED_CHARS_MAX))
const sealedKeySchema = z.strictObject({
  v: z.literal('creo-sealed-key-v1'),
  publicKey: textSchema,
  rounds: z.int().check(z.minimum(ROUNDS_MIN), z.maximum(ROUNDS_MAX)),
  salt: textSchema,
  iv: textSchema,
  sealed: textSchema
})
/** A key's secret under a passphrase, as JSON: it may lie where others can read it, and is as safe as the passphrase is long. */
export type SealedKey = z.output<typeof sealedKeySchema>

/**
 * Seals a key's secret by AES-256-GCM, whose key PBKDF2 makes from the passphrase.
 * @throws {CreoError} `invalid_input` when the passphrase is shorter than `PASSPHRASE_CHARS_MIN`.
 */
export async function sealKey(secret: Uint8Array<ArrayBuffer>, publicKey: string, passphrase: string): Promise<SealedKey> {
  if ([...passphrase].length < PASSPHRASE_CHARS_MIN) {
    throw new CreoError('invalid_input', `A passphrase has at least ${PASSPHRASE_CHARS_MIN} characters.`, {
      hint: 'Four words that nobody would guess are easy to remember.'
    })
  }
  const [salt, iv] = [randomBytes(SALT_BYTES), randomBytes(IV_BYTES)]
  const wrapping = await wrappingKey(passphrase, salt, ROUNDS)
  const sealed = await subtle().encrypt({name: 'AES-GCM', iv, additionalData: utf8(publicKey)}, wrapping, secret)
  const texts = {salt: base64urlOf(salt), iv: base64urlOf(iv), sealed: base64urlOf(new Uint8Array(sealed))}
  return {v: 'creo-sealed-key-v1', publicKey, rounds: ROUNDS, ...texts}
}

/**
 * The key and its secret. Takes about half a second: that is what a guess costs too.
 * @param stored what `sealKey` answered, as it was kept: parsed here.
 * @throws {CreoError} `unauthorized` for another passphrase, or where it was changed; `invalid_input` for what is no sealed key.
 */
export async function openKey(
  stored: unknown,
  passphrase: string
): Promise<{readonly key: WebKey; readonly secret: Uint8Array<ArrayBuffer>}> {
  const {publicKey, rounds, salt, iv, sealed} = parseSealedKey(stored)
  const wrapping = await wrappingKey(passphrase, salt, rounds)
  let secret: Uint8Array<ArrayBuffer>
  try {
    secret = new Uint8Array(await subtle().decrypt({name: 'AES-GCM', iv, additionalData: utf8(publicKey)}, wrapping, sealed))
  } catch (cause) {
    throw new CreoError('unauthorized', 'That passphrase does not open this key.', {
      hint: 'Try again, or restore the key by its words.',
      cause
    })
  }
  if (secret.length !== KEY_SECRET_BYTES) throw noSealedKey()
  const key = await webKeyOfSecret(secret)
  if (key.publicKey !== publicKey) throw noSealedKey()
  return {key, secret}
}

function parseSealedKey(stored: unknown): {publicKey: string; rounds: number} & Record<'salt' | 'iv' | 'sealed', Uint8Array<ArrayBuffer>> {
  const parsed = sealedKeySchema.safeParse(stored)
  if (!parsed.success) throw noSealedKey()
  const {publicKey, rounds} = parsed.data
  const [salt, iv, sealed] = [
    bytesOfBase64url(parsed.data.salt, SALT_BYTES),
    bytesOfBase64url(parsed.data.iv, IV_BYTES),
    bytesOfBase64url(parsed.data.sealed)
  ]
  if (!salt || !iv || !sealed) throw noSealedKey()
  return {publicKey, rounds, salt, iv, sealed}
}

function noSealedKey(): CreoError {
  return new CreoError('invalid_input', 'What is kept here is no sealed key.', {hint: 'Restore the key by its words.'})
}

async function wrappingKey(passphrase: string, salt: Uint8Array<ArrayBuffer>, rounds: number): Promise<WebCryptoKey> {
  // The same passphrase typed on another keyboard may come in other code points (RFC 8265, 4.2.2).
  const material = await subtle().importKey('raw', utf8(passphrase.normalize('NFC')), 'PBKDF2', false, ['deriveKey'])
  const derivation = {name: 'PBKDF2', hash: 'SHA-256', salt, iterations: rounds}
  return subtle().deriveKey(derivation, material, {name: 'AES-GCM', length: 256}, false, ['encrypt', 'decrypt'])
}
