import {CreoError} from '../core/errors.ts'
import {keyProofText} from '../core/protocol/signing-texts.ts'
import {base64urlOf, bytesOfBase64url, hexOf, randomBytes, subtle, utf8} from './web-crypto.ts'

/** What a key is made from, in bytes: twelve recovery words hold as much. */
export const KEY_SECRET_BYTES = 16
const PUBLIC_KEY_BYTES = 32
const SIGNATURE_BYTES = 64
/** What every Ed25519 private key in PKCS #8 begins with (RFC 8410, section 10.3); its 32 bytes follow. */
const PKCS8_HEAD = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20)

/** An Ed25519 key of an account that lives where JavaScript runs, a browser or a server; its private half never leaves WebCrypto. */
export interface WebKey {
  /** The first 16 bytes of the SHA-256 of the public key, hex. */
  readonly keyId: string
  /** Raw, 32 bytes, base64url without padding. */
  readonly publicKey: string
  /** Of the UTF-8 bytes of a text; 64 bytes, base64url. */
  sign(text: string): Promise<string>
  /** HMAC-SHA-256 of a text by the private half: what only this key can make, and makes again. */
  derive(text: string): Promise<Uint8Array>
}

/**
 * A new key, and the secret that it is made from: whoever has the secret has the key.
 * @throws {CreoError} `unavailable` where there is no WebCrypto with Ed25519: a page that came over plain HTTP, or an old browser.
 */
export async function createWebKey(): Promise<{readonly key: WebKey; readonly secret: Uint8Array<ArrayBuffer>}> {
  // A command line takes a public key that starts with a hyphen for a flag: of 64 keys that one is not kept.
  for (;;) {
    const secret = randomBytes(KEY_SECRET_BYTES)
    const key = await webKeyOfSecret(secret)
    if (!key.publicKey.startsWith('-')) return {key, secret}
  }
}

/**
 * The key whose private half is the SHA-256 of `creo-web-key-v1`, a line feed and the secret.
 * @throws {CreoError} `invalid_input` for a secret of another length; `unavailable` as `createWebKey`.
 */
export async function webKeyOfSecret(secret: Uint8Array): Promise<WebKey> {
  if (secret.length !== KEY_SECRET_BYTES) throw new CreoError('invalid_input', `A key is made from ${KEY_SECRET_BYTES} bytes.`)
  const head = utf8('creo-web-key-v1\n')
  const text = new Uint8Array(head.length + secret.length)
  text.set(head)
  text.set(secret, head.length)
  return webKeyOfSeed(new Uint8Array(await subtle().digest('SHA-256', text)))
}

/** The key whose private half are these 32 bytes, as a key file and an invitation hold them. @throws {CreoError} `unavailable` */
export async function webKeyOfSeed(seed: Uint8Array): Promise<WebKey> {
  const pkcs8 = new Uint8Array(PKCS8_HEAD.length + seed.length)
  pkcs8.set(PKCS8_HEAD)
  pkcs8.set(seed, PKCS8_HEAD.length)
  return withEd25519(async () => {
    const exportable = await subtle().importKey('pkcs8', pkcs8, 'Ed25519', true, ['sign'])
    const publicKey = String((await subtle().exportKey('jwk', exportable)).x)
    const privateKey = await subtle().importKey('pkcs8', pkcs8, 'Ed25519', false, ['sign'])
    const derivation = await subtle().importKey('raw', new Uint8Array(seed), {name: 'HMAC', hash: 'SHA-256'}, false, ['sign'])
    pkcs8.fill(0)
    return {
      keyId: await keyIdOf(publicKey),
      publicKey,
      sign: async (text: string) => base64urlOf(new Uint8Array(await subtle().sign('Ed25519', privateKey, utf8(text)))),
      derive: async (text: string) => new Uint8Array(await subtle().sign('HMAC', derivation, utf8(text)))
    }
  })
}

/** What a key brings along to become one of an account's. @param account its id; of one that is being created, its name. */
export function proveWebKey(key: WebKey, {network, account}: {readonly network: string; readonly account: string}): Promise<string> {
  return key.sign(keyProofText({network, account, publicKey: key.publicKey}))
}

/** The first 16 bytes of the SHA-256 of the raw public key, hex. */
export async function keyIdOf(publicKey: string): Promise<string> {
  const raw = bytesOfBase64url(publicKey, PUBLIC_KEY_BYTES)
  if (raw === undefined) throw new CreoError('invalid_input', 'That is no public key.')
  return hexOf(new Uint8Array(await subtle().digest('SHA-256', raw))).slice(0, 2 * KEY_SECRET_BYTES)
}

/** False for everything that is not the signature of exactly this text by this key, also for malformed input. */
export async function verifyWebText(publicKey: string, text: string, signature: string): Promise<boolean> {
  const raw = bytesOfBase64url(publicKey, PUBLIC_KEY_BYTES)
  const bytes = bytesOfBase64url(signature, SIGNATURE_BYTES)
  if (raw === undefined || bytes === undefined) return false
  return withEd25519(async () => {
    const key = await subtle().importKey('raw', raw, 'Ed25519', false, ['verify'])
    return subtle().verify('Ed25519', key, bytes, utf8(text))
  })
}

async function withEd25519<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (!(cause instanceof Error) || cause.name !== 'NotSupportedError') throw cause
    throw new CreoError('unavailable', 'This browser cannot make Ed25519 signatures.', {hint: 'Use a browser of 2025 or later.', cause})
  }
}
