import {createHash, createPublicKey, type KeyObject, verify} from 'node:crypto'
import {CreoError} from '../core/errors.ts'

/** A public key: `Ed`, eight bytes that name it, the raw Ed25519 key. */
const KEY_ALGORITHM = 'Ed'
const KEY_BYTES = 42
/** A signature: `ED` (over the BLAKE2b-512 of the file), the key's name, the raw signature. */
const SIGNATURE_ALGORITHM = 'ED'
const SIGNATURE_BYTES = 74
const NAME_START = 2
const NAME_END = 10
const COMMENT = 'trusted comment: '
/** What stands in front of a raw Ed25519 key in DER (RFC 8410). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/**
 * Checks a signature in the form of minisign and answers its trusted comment, which is signed too.
 * @param publicKey the line of base64, or the whole file of a public key.
 * @throws {CreoError} `invalid_input` when the key is none; `bad_signature` when the signature does not hold.
 */
export function verifyMinisign(content: Uint8Array, signature: string, publicKey: string): string {
  const key = parseKey(publicKey)
  const [, line = '', comment = '', whole = ''] = signature.split(/\r?\n/)
  const bytes = Buffer.from(line, 'base64')
  if (bytes.length !== SIGNATURE_BYTES || bytes.toString('latin1', 0, NAME_START) !== SIGNATURE_ALGORITHM || !comment.startsWith(COMMENT)) {
    throw new CreoError('bad_signature', 'The signature is not one that minisign writes.')
  }
  if (!bytes.subarray(NAME_START, NAME_END).equals(key.name)) throw new CreoError('bad_signature', 'It is signed by another key.')
  const raw = bytes.subarray(NAME_END)
  const words = comment.slice(COMMENT.length)
  const holds =
    verify(null, createHash('blake2b512').update(content).digest(), key.key, raw) &&
    verify(null, Buffer.concat([raw, Buffer.from(words)]), key.key, Buffer.from(whole, 'base64'))
  if (!holds) throw new CreoError('bad_signature', 'The signature does not hold.')
  return words
}

function parseKey(text: string): {readonly key: KeyObject; readonly name: Buffer} {
  const line = text.trim().split(/\r?\n/).at(-1) ?? ''
  const bytes = Buffer.from(line, 'base64')
  if (bytes.length !== KEY_BYTES || bytes.toString('latin1', 0, NAME_START) !== KEY_ALGORITHM) {
    throw new CreoError('invalid_input', 'The public key is not one of minisign.', {
      hint: 'It is a line of base64 that begins with RW, or a file with one.'
    })
  }
  const key = createPublicKey({key: Buffer.concat([SPKI_PREFIX, bytes.subarray(NAME_END)]), format: 'der', type: 'spki'})
  return {key, name: bytes.subarray(NAME_START, NAME_END)}
}
