import {createHmac, randomBytes} from 'node:crypto'
import {redemptionCodeOf, redemptionCodeText, redemptionHashText} from '../core/redemption-code.ts'
import {type KeyPair, sha256Hex} from './keys.ts'

const SALT_BYTES = 16

/** What the journal holds of a code. */
export interface CodeHash {
  /** 16 bytes, base64url. */
  readonly salt: string
  /** SHA-256, hex. */
  readonly hash: string
}

/** A new code, which the key can make again from its salt, and what the journal holds of it. */
export function newRedemptionCode(key: KeyPair, network: string): {readonly code: string; readonly kept: CodeHash} {
  const salt = randomBytes(SALT_BYTES).toString('base64url')
  const code = codeOf(key, network, salt)
  return {code, kept: {salt, hash: hashOf(network, salt, code)}}
}

/** The code that this key made; undefined for one of another key. */
export function redemptionCodeAgain(key: KeyPair, network: string, {salt, hash}: CodeHash): string | undefined {
  const code = codeOf(key, network, salt)
  return hashOf(network, salt, code) === hash ? code : undefined
}

/** @param code in its one form (`readRedemptionCode`). */
export function isRedemptionCode(code: string, network: string, {salt, hash}: CodeHash): boolean {
  return hashOf(network, salt, code) === hash
}

function codeOf(key: KeyPair, network: string, salt: string): string {
  // Not of a signature: some that make them draw chance into each.
  const seed = Buffer.from(String(key.privateKey.export({format: 'jwk'}).d), 'base64url')
  return redemptionCodeOf(createHmac('sha256', seed).update(redemptionCodeText({network, salt})).digest())
}

function hashOf(network: string, salt: string, code: string): string {
  return sha256Hex(redemptionHashText({network, salt, code}))
}
