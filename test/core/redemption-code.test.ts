import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {CODE_BYTES, CODE_SYMBOLS, readRedemptionCode, redemptionCodeOf} from '../../src/core/redemption-code.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {isRedemptionCode, newRedemptionCode, redemptionCodeAgain} from '../../src/identity/redemption-codes.ts'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const NETWORK = 'ab'.repeat(32)
const codes = fc.uint8Array({minLength: CODE_BYTES, maxLength: CODE_BYTES}).map(redemptionCodeOf)
const isCode = (text: string): boolean => {
  try {
    return readRedemptionCode(text) !== ''
  } catch {
    return false
  }
}

describe('a code of a redemption', () => {
  it('has at most twelve characters, and is read however it was typed', () => {
    fc.assert(
      fc.property(codes, (code) => {
        expect(code.replaceAll('-', '')).toHaveLength(CODE_SYMBOLS)
        const typed = code.toLowerCase().replaceAll('-', ' ').replaceAll('0', 'o').replaceAll('1', 'l')
        expect(readRedemptionCode(` ${typed} `)).toBe(code)
      })
    )
  })

  it('is refused with any one character wrong, and with any two in each other’s place', () => {
    fc.assert(
      fc.property(codes, (code) => {
        const symbols = [...code.replaceAll('-', '')]
        for (const [at, right] of symbols.entries()) {
          for (const wrong of ALPHABET) if (wrong !== right) expect(isCode(symbols.with(at, wrong).join(''))).toBe(false)
          for (const [other, its] of symbols.entries())
            if (its !== right) expect(isCode(symbols.with(at, its).with(other, right).join(''))).toBe(false)
        }
      }),
      {numRuns: 20}
    )
  })

  it.each(['', '7P8M-X9TW-4AW', '7P8M-X9TW-4AWM-0', '7P8M-X9TW-4AWU', 'ſ'.repeat(12)])('is not "%s"', (text) => {
    expect(isCode(text)).toBe(false)
  })

  it('is made again by the key that made it and by no other, and the journal’s hash is of it alone', () => {
    const [key, other] = [generateKeyPair(), generateKeyPair()]
    const {code, kept} = newRedemptionCode(key, NETWORK)
    expect(redemptionCodeAgain(key, NETWORK, kept)).toBe(code)
    expect(redemptionCodeAgain(other, NETWORK, kept)).toBeUndefined()
    expect([code, newRedemptionCode(key, NETWORK).code].map((one) => isRedemptionCode(one, NETWORK, kept))).toEqual([true, false])
    expect(isRedemptionCode(code, 'cd'.repeat(32), kept)).toBe(false)
  })
})
