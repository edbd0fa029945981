import {createHash, randomBytes} from 'node:crypto'
import {CreoError} from '../core/errors.ts'
import {keyPairOfSeed} from './key-proofs.ts'
import type {KeyPair} from './keys.ts'

const SECRET_BYTES = 16
const BITS_PER_SYMBOL = 5
const SECRET_SYMBOLS = Math.ceil((SECRET_BYTES * 8) / BITS_PER_SYMBOL)
const CHECK_SYMBOLS = 6
const GROUP_SYMBOLS = 4
/** Crockford's base 32: no I, L, O and U, which people take for 1, 1, 0 and V. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** The check symbols of Bech32m (BIP 350) find every code with up to four wrong symbols. */
const CHECK_GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3]
const CHECK_CONSTANT = 0x2bc830a3

/** A recovery key, and the code that it is made from: for paper, shown once and kept nowhere. */
export function generateRecoveryCode(): {readonly code: string; readonly key: KeyPair} {
  const secret = randomBytes(SECRET_BYTES)
  return {code: codeOf(secret), key: keyOf(secret)}
}

/**
 * The recovery key that belongs to a code, however its groups, its capitals, and 0 and 1 are written.
 * @throws {CreoError} `invalid_input` when it is no such code; the check symbols find what was mistyped.
 */
export function recoveryKeyOf(code: string): KeyPair {
  const text = code.toUpperCase().replaceAll(/[\s-]/g, '').replaceAll('O', '0').replaceAll(/[IL]/g, '1')
  const symbols = [...text].map((character) => ALPHABET.indexOf(character))
  const isWhole = symbols.length === SECRET_SYMBOLS + CHECK_SYMBOLS && !symbols.includes(-1)
  const secret = isWhole && checkOf(symbols) === CHECK_CONSTANT ? bytesOf(symbols.slice(0, SECRET_SYMBOLS)) : undefined
  if (secret !== undefined) return keyOf(secret)
  throw new CreoError('invalid_input', 'That is no recovery code, or a character of it is wrong.', {
    hint: `Compare it with what was written down: ${SECRET_SYMBOLS + CHECK_SYMBOLS} characters in groups of ${GROUP_SYMBOLS}.`
  })
}

function keyOf(secret: Uint8Array): KeyPair {
  return keyPairOfSeed(createHash('sha256').update('creo-recovery-v1\n').update(secret).digest())
}

function codeOf(secret: Uint8Array): string {
  const symbols = symbolsOf(secret)
  const rest = checkOf([...symbols, ...new Array<number>(CHECK_SYMBOLS).fill(0)]) ^ CHECK_CONSTANT
  for (let index = CHECK_SYMBOLS - 1; index >= 0; index -= 1) symbols.push((rest >> (BITS_PER_SYMBOL * index)) & 31)
  const text = symbols.map((symbol) => ALPHABET[symbol]).join('')
  return text.match(new RegExp(`.{${GROUP_SYMBOLS}}`, 'g'))?.join('-') ?? text
}

/** Most significant bit first; the last symbol is filled with zeros. */
function symbolsOf(bytes: Uint8Array): number[] {
  let value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) << BigInt(SECRET_SYMBOLS * BITS_PER_SYMBOL - bytes.length * 8)
  const symbols: number[] = []
  for (let index = 0; index < SECRET_SYMBOLS; index += 1) {
    symbols.unshift(Number(value & 31n))
    value >>= BigInt(BITS_PER_SYMBOL)
  }
  return symbols
}

/** Undefined where what fills the last symbol is not zero: one spelling alone stands for a secret. */
function bytesOf(symbols: readonly number[]): Uint8Array | undefined {
  const fillBits = BigInt(SECRET_SYMBOLS * BITS_PER_SYMBOL - SECRET_BYTES * 8)
  const value = symbols.reduce((sum, symbol) => (sum << BigInt(BITS_PER_SYMBOL)) | BigInt(symbol), 0n)
  if ((value & ((1n << fillBits) - 1n)) !== 0n) return undefined
  return Buffer.from((value >> fillBits).toString(16).padStart(SECRET_BYTES * 2, '0'), 'hex')
}

function checkOf(symbols: readonly number[]): number {
  let check = 1
  for (const symbol of symbols) {
    const top = check >> 25
    check = ((check & 0x1ffffff) << BITS_PER_SYMBOL) ^ symbol
    for (const [bit, generator] of CHECK_GENERATOR.entries()) if (((top >> bit) & 1) === 1) check ^= generator
  }
  return check
}
