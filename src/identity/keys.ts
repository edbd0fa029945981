import {createPrivateKey, createPublicKey, generateKeyPairSync, hash, type KeyObject, sign} from 'node:crypto'
import {z} from 'zod'
import {CreoError} from '../core/errors.ts'
import {publicKeySchema} from '../core/protocol/scalars.ts'
import {makeKeyText, readKeyText, writeKeyText} from './key-file.ts'
import {canonicalBytes, SIGNATURE_BYTES, verifyBytes} from './verify-bytes.ts'

/** An Ed25519 key pair. The private half never leaves node:crypto except into a key file. */
export type KeyPair = {
  readonly keyId: string
  /** Raw, 32 bytes, base64url without padding. */
  readonly publicKey: string
  readonly privateKey: KeyObject
}

const keyFileSchema = z.strictObject({publicKey: publicKeySchema, privateKey: z.string().regex(/^[A-Za-z0-9_-]{1,256}$/)})

/** People type public keys, and a command line takes one that starts with a hyphen for a flag: of 64 keys that one is not kept. */
export function generateKeyPair(): KeyPair {
  let pair: KeyPair
  do pair = keyPairOf(generateKeyPairSync('ed25519').privateKey)
  while (pair.publicKey.startsWith('-'))
  return pair
}

/** The pair that belongs to a private key. */
export function keyPairOf(privateKey: KeyObject): KeyPair {
  const publicKey = String(createPublicKey(privateKey).export({format: 'jwk'}).x)
  return {keyId: keyIdOf(publicKey), publicKey, privateKey}
}

/** The first 16 bytes of the SHA-256 of the raw public key, hex. */
export function keyIdOf(publicKey: string): string {
  return sha256Hex(Buffer.from(publicKey, 'base64url')).slice(0, 32)
}

export function nodeIdOf(publicKey: string): string {
  return `node_${keyIdOf(publicKey)}`
}

export function gatewayIdOf(publicKey: string): string {
  return `gw_${keyIdOf(publicKey)}`
}

export function sha256Hex(data: string | Uint8Array): string {
  return hash('sha256', data)
}

/** Signs the UTF-8 bytes of a text; 64 bytes as base64url. */
export function signText(key: KeyPair, text: string): string {
  return sign(null, Buffer.from(text), key.privateKey).toString('base64url')
}

/** False for every signature that is not the canonical one of exactly this text by this key, also for malformed input. */
export function verifyText(publicKey: string, text: string, signature: string): boolean {
  const bytes = canonicalBytes(signature, SIGNATURE_BYTES)
  return bytes !== undefined && verifyBytes(publicKey, Buffer.from(text), bytes)
}

/**
 * Reads a key file.
 * @throws {CreoError} `not_found` when there is none; `forbidden` when others may read it; `invalid_input` when it is no key file.
 */
export async function loadKeyFile(path: string): Promise<KeyPair> {
  return parseKeyFile(path, await readKeyText(path))
}

/** Reads the key file, or makes a key and writes it. Two processes that race end with the same key. */
export async function loadOrCreateKeyFile(path: string): Promise<KeyPair> {
  await makeKeyText(path, () => keyFileText(generateKeyPair()))
  return loadKeyFile(path)
}

/**
 * Writes a key so that it survives a power cut, readable by its owner alone. Never replaces another file.
 * @throws {CreoError} `conflict` when the file exists; `data_dir_unwritable` when it cannot be written.
 */
export async function saveKeyFile(path: string, key: KeyPair): Promise<void> {
  await writeKeyText(path, keyFileText(key))
}

function keyFileText({publicKey, privateKey}: KeyPair): string {
  return `${JSON.stringify({publicKey, privateKey: privateKey.export({format: 'der', type: 'pkcs8'}).toString('base64url')})}\n`
}

function parseKeyFile(path: string, text: string): KeyPair {
  try {
    const file = keyFileSchema.parse(JSON.parse(text))
    const pair = keyPairOf(createPrivateKey({key: Buffer.from(file.privateKey, 'base64url'), format: 'der', type: 'pkcs8'}))
    if (pair.publicKey !== file.publicKey) throw new Error('the two halves do not belong together')
    return pair
  } catch (cause) {
    throw new CreoError('invalid_input', `${path} is not a key file.`, {
      hint: 'Restore it from a backup, or move it away and make a new key.',
      cause
    })
  }
}
