import {generateKeyPairSync} from 'node:crypto'
import {Aes128Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256} from '@hpke/core'
import {z} from 'zod'
import {CreoError} from '../core/errors.ts'
import {publicKeySchema} from '../core/protocol/scalars.ts'
import {type Sealed, type SealingContext, type SealingKeyStatement, sealingKeyText} from '../core/protocol/secrets.ts'
import {makeKeyText, readKeyText} from './key-file.ts'
import {type KeyPair, signText, verifyText} from './keys.ts'

const suite = new CipherSuite({kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes128Gcm()})

/** Both halves raw, 32 bytes, base64url without padding. */
const keyFileSchema = z.strictObject({publicKey: publicKeySchema, privateKey: publicKeySchema})

/** An X25519 key to which values are sealed. */
export interface SealingKey {
  /** Raw, base64url. */
  readonly publicKey: string
  readonly privateKey: Awaited<ReturnType<typeof suite.kem.importKey>>
}

/** Reads the key file, or makes a key and writes it for its owner alone. @throws {CreoError} `forbidden`, `invalid_input`, `data_dir_unwritable`. */
export async function loadOrCreateSealingKey(path: string): Promise<SealingKey> {
  await makeKeyText(path, newKeyText)
  const text = await readKeyText(path)
  try {
    const {publicKey, privateKey} = keyFileSchema.parse(JSON.parse(text))
    return {publicKey, privateKey: await importedKey(privateKey, false)}
  } catch (cause) {
    throw new CreoError('invalid_input', `${path} is not a key file.`, {hint: 'Restore it from a backup, or move it away.', cause})
  }
}

/** Says in the name of a node or of the coordinator that values for it are sealed to this key. */
export function signSealingKey(statement: {readonly network: string; readonly publicKey: string}, key: KeyPair): SealingKeyStatement {
  return {publicKey: statement.publicKey, signature: signText(key, sealingKeyText(statement))}
}

export function verifySealingKey(
  {publicKey, signature}: SealingKeyStatement,
  by: {readonly network: string; readonly key: string}
): boolean {
  return verifyText(by.key, sealingKeyText({network: by.network, publicKey}), signature)
}

/** Seals bytes so that only the owner of the private half opens them, and only as what the context says. */
export async function seal(bytes: Uint8Array, {to, context}: {readonly to: string; readonly context: SealingContext}): Promise<Sealed> {
  const recipientPublicKey = await importedKey(to, true)
  const info = arrayBuffer(Buffer.from(context.info))
  const {enc, ct} = await suite.seal({recipientPublicKey, info}, arrayBuffer(bytes), arrayBuffer(Buffer.from(context.aad)))
  return {enc: Buffer.from(enc).toString('base64url'), ciphertext: Buffer.from(ct).toString('base64url')}
}

/** @throws {CreoError} `verification_failed` when it was sealed to another key or as something else. */
export async function unseal(
  {enc, ciphertext}: Sealed,
  {key, context}: {readonly key: SealingKey; readonly context: SealingContext}
): Promise<Buffer> {
  const given = {recipientKey: key.privateKey, enc: fromText(enc), info: arrayBuffer(Buffer.from(context.info))}
  try {
    return Buffer.from(await suite.open(given, fromText(ciphertext), arrayBuffer(Buffer.from(context.aad))))
  } catch (cause) {
    throw new CreoError('verification_failed', 'A sealed value was not sealed to this key, or as something else.', {
      hint: 'Set the secret again.',
      cause
    })
  }
}

function newKeyText(): string {
  const {x, d} = generateKeyPairSync('x25519').privateKey.export({format: 'jwk'})
  return `${JSON.stringify({publicKey: x, privateKey: d})}\n`
}

/** @throws {CreoError} `invalid_input` */
async function importedKey(text: string, isPublic: boolean): Promise<SealingKey['privateKey']> {
  try {
    return await suite.kem.importKey('raw', fromText(text), isPublic)
  } catch (cause) {
    throw new CreoError('invalid_input', 'That is not an X25519 key.', {cause})
  }
}

function fromText(text: string): ArrayBuffer {
  return arrayBuffer(Buffer.from(text, 'base64url'))
}

/** A small Buffer is a part of a larger memory; the library takes whole ones. */
function arrayBuffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer
}
