import {CreoError} from './errors.ts'

/** Symbols of a code that carry chance: 55 bits. */
const RANDOM_SYMBOLS = 11
export const CODE_SYMBOLS = RANDOM_SYMBOLS + 1
const BITS_PER_SYMBOL = 5
/** Bytes that a code is made from. */
export const CODE_BYTES = Math.ceil((RANDOM_SYMBOLS * BITS_PER_SYMBOL) / 8)
const GROUP_SYMBOLS = 4
/** Crockford's base 32: no I, L, O and U, which people take for 1, 1, 0 and V. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** x^5 + x^2 + 1, which makes the 32 symbols the field GF(2^5), and x of order 31 in it. */
const POLYNOMIAL = 0b100101

/**
 * The code by which a holder claims what was redeemed at a counter: 12 symbols, shown in groups of four. The last is a check symbol: the sum of all symbols, the n-th
 * weighted by x^n of GF(2^5), is zero. Since no weight is zero and no two are equal, every single wrong symbol is found, and every two that changed places.
 * @param bytes `CODE_BYTES` that nobody can guess; their first 55 bits count.
 */
export function redemptionCodeOf(bytes: Uint8Array): string {
  let value = bytes.slice(0, CODE_BYTES).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) >> BigInt(8 * CODE_BYTES - 55)
  const symbols: number[] = []
  for (let index = 0; index < RANDOM_SYMBOLS; index += 1) {
    symbols.unshift(Number(value & 31n))
    value >>= BigInt(BITS_PER_SYMBOL)
  }
  const check = Array.from(ALPHABET, (_symbol, one) => one).find((one) => weightedSum([...symbols, one]) === 0) ?? 0
  return shownCode([...symbols, check].map((symbol) => ALPHABET[symbol]).join(''))
}

/**
 * A code as it was typed, in its one form: whatever its capitals, spaces and hyphens, and with 0 and 1 however they were read.
 * @throws {CreoError} `invalid_input` when it is none, or a symbol is wrong.
 */
export function readRedemptionCode(typed: string): string {
  const text = typed.toUpperCase().replaceAll(/[\s-]/g, '').replaceAll('O', '0').replaceAll(/[IL]/g, '1')
  const symbols = Array.from(text.slice(0, CODE_SYMBOLS + 1), (character) => ALPHABET.indexOf(character))
  if (symbols.length === CODE_SYMBOLS && !symbols.includes(-1) && weightedSum(symbols) === 0) return shownCode(text)
  throw new CreoError('invalid_input', 'That is no code of a redemption, or a character of it is wrong.', {
    hint: `Compare it with what its holder shows: ${CODE_SYMBOLS} characters.`
  })
}

/** What is hashed with the private half of the holder's key to make the code, so that the same key can show it again. @param salt 16 bytes, base64url. */
export function redemptionCodeText({network, salt}: {readonly network: string; readonly salt: string}): string {
  return ['creo-redemption-code-v1', network, salt].join('\n')
}

/** What is hashed (SHA-256, hex) into the public journal, which so holds no code. */
export function redemptionHashText({
  network,
  salt,
  code
}: {
  readonly network: string
  readonly salt: string
  readonly code: string
}): string {
  return ['creo-redemption-v1', network, salt, code].join('\n')
}

function shownCode(text: string): string {
  return text.match(new RegExp(`.{${GROUP_SYMBOLS}}`, 'g'))?.join('-') ?? text
}

/** By Horner's rule, from the last symbol on. */
function weightedSum(symbols: readonly number[]): number {
  return symbols.reduceRight((sum, symbol) => timesX(sum) ^ symbol, 0)
}

function timesX(element: number): number {
  const doubled = element << 1
  return doubled > 31 ? doubled ^ POLYNOMIAL : doubled
}
