import {createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign, verify} from 'node:crypto'
import {link, mkdir, open, readFile, rename, rm, stat} from 'node:fs/promises'
import {dirname} from 'node:path'
import {LRUCache} from 'lru-cache'
import {z} from 'zod'
import {CreoError} from '../core/errors.ts'
import {publicKeySchema} from '../core/protocol/scalars.ts'

/** An Ed25519 key pair. The private half never leaves node:crypto except into a key file. */
export type KeyPair = {
  readonly keyId: string
  /** Raw, 32 bytes, base64url without padding. */
  readonly publicKey: string
  readonly privateKey: KeyObject
}

/** Parsed public keys kept, because parsing one costs more than the rest of a verification's overhead. */
const PUBLIC_KEYS_CACHED_MAX = 50_000
const PUBLIC_KEY_BYTES = 32
const SIGNATURE_BYTES = 64

const KEY_FILE_MODE = 0o600
const KEY_DIRECTORY_MODE = 0o700
const OTHERS_MASK = 0o077

const keyFileSchema = z.strictObject({publicKey: publicKeySchema, privateKey: z.string().regex(/^[A-Za-z0-9_-]{1,256}$/)})

const publicKeys = new LRUCache<string, KeyObject>({max: PUBLIC_KEYS_CACHED_MAX})

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
  return createHash('sha256').update(data).digest('hex')
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

/** Like `verifyText`, over bytes. */
export function verifyBytes(publicKey: string, data: Uint8Array, signature: Uint8Array): boolean {
  const key = parsePublicKey(publicKey)
  return key !== undefined && signature.length === SIGNATURE_BYTES && verify(null, data, key, signature)
}

function parsePublicKey(publicKey: string): KeyObject | undefined {
  const cached = publicKeys.get(publicKey)
  if (cached) return cached
  if (!canonicalBytes(publicKey, PUBLIC_KEY_BYTES)) return undefined
  const key = createPublicKey({key: {kty: 'OKP', crv: 'Ed25519', x: publicKey}, format: 'jwk'})
  publicKeys.set(publicKey, key)
  return key
}

/** base64url leaves spare bits in its last letter: two texts would stand for one signature unless only one spelling counts. */
function canonicalBytes(text: string, length: number): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.length === length && bytes.toString('base64url') === text ? bytes : undefined
}

/**
 * Reads a key file.
 * @throws {CreoError} `not_found` when there is none; `forbidden` when others may read it; `invalid_input` when it is no key file.
 */
export async function loadKeyFile(path: string): Promise<KeyPair> {
  const found = await readIfThere(path)
  if (!found) throw new CreoError('not_found', `There is no key at ${path}.`, {hint: 'Make one, or name the right account with --as.'})
  if ((found.mode & OTHERS_MASK) !== 0) {
    throw new CreoError('forbidden', `The key file ${path} can be read by others on this machine.`, {hint: `chmod 600 ${path}`})
  }
  return parseKeyFile(path, found.text)
}

/** Reads the key file, or makes a key and writes it. Two processes that race end with the same key. */
export async function loadOrCreateKeyFile(path: string): Promise<KeyPair> {
  if (await readIfThere(path)) return loadKeyFile(path)
  await saveKeyFile(path, generateKeyPair()).catch((error: unknown) => {
    if (!(error instanceof CreoError && error.code === 'conflict')) throw error
  })
  return loadKeyFile(path)
}

/**
 * Writes a key so that it survives a power cut, readable by its owner alone. Never replaces another file.
 * @throws {CreoError} `conflict` when the file exists; `data_dir_unwritable` when it cannot be written.
 */
export async function saveKeyFile(path: string, key: KeyPair): Promise<void> {
  const privateKey = key.privateKey.export({format: 'der', type: 'pkcs8'}).toString('base64url')
  const beside = `${path}.${randomBytes(6).toString('hex')}.new`
  try {
    await mkdir(dirname(path), {recursive: true, mode: KEY_DIRECTORY_MODE})
    await writeSynced(beside, `${JSON.stringify({publicKey: key.publicKey, privateKey})}\n`)
    await link(beside, path).finally(() => rm(beside, {force: true}))
    await syncDirectory(dirname(path))
  } catch (cause) {
    if (errorCode(cause) === 'EEXIST') {
      throw new CreoError('conflict', `There is a key at ${path} already.`, {hint: 'Use it, or move it away first.', cause})
    }
    throw new CreoError('data_dir_unwritable', `The key ${path} cannot be written.`, {hint: `Make ${dirname(path)} writable.`, cause})
  }
}

/** Puts a key file in another's place, so that after a power cut one of the two is there whole. */
export async function replaceKeyFile(from: string, path: string): Promise<void> {
  try {
    await rename(from, path)
    await syncDirectory(dirname(path))
  } catch (cause) {
    throw new CreoError('data_dir_unwritable', `The key ${path} cannot be replaced.`, {hint: `Make ${dirname(path)} writable.`, cause})
  }
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

async function readIfThere(path: string): Promise<{text: string; mode: number} | undefined> {
  try {
    return {text: await readFile(path, 'utf8'), mode: (await stat(path)).mode}
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return undefined
    throw new CreoError('invalid_input', `The key ${path} cannot be read.`, {hint: 'Check the path and its permissions.', cause})
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', KEY_FILE_MODE)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
