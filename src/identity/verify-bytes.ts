import {createPublicKey, type KeyObject, verify} from 'node:crypto'
import {LRUCache} from 'lru-cache'

/** Parsed public keys kept, because parsing one costs more than the rest of a verification's overhead. */
const PUBLIC_KEYS_CACHED_MAX = 50_000
const PUBLIC_KEY_BYTES = 32
export const SIGNATURE_BYTES = 64

const publicKeys = new LRUCache<string, KeyObject>({max: PUBLIC_KEYS_CACHED_MAX})

/** Whether an Ed25519 signature of exactly these bytes is by this key (raw, base64url); false as well for malformed input. */
export function verifyBytes(publicKey: string, data: Uint8Array, signature: Uint8Array): boolean {
  const key = parsePublicKey(publicKey)
  return key !== undefined && signature.length === SIGNATURE_BYTES && verify(null, data, key, signature)
}

/** base64url leaves spare bits in its last letter: two texts would stand for one signature unless only one spelling counts. */
export function canonicalBytes(text: string, length: number): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.length === length && bytes.toString('base64url') === text ? bytes : undefined
}

function parsePublicKey(publicKey: string): KeyObject | undefined {
  const cached = publicKeys.get(publicKey)
  if (cached) return cached
  if (!canonicalBytes(publicKey, PUBLIC_KEY_BYTES)) return undefined
  const key = createPublicKey({key: {kty: 'OKP', crv: 'Ed25519', x: publicKey}, format: 'jwk'})
  publicKeys.set(publicKey, key)
  return key
}
