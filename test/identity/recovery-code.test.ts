import {expect, test} from 'vitest'
import {generateRecoveryCode, recoveryKeyOf} from '../../src/identity/recovery-code.ts'

const CHARACTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

test('a code gives its key again, however it was written down', () => {
  const {code, key} = generateRecoveryCode()
  expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){7}[0-9A-HJKMNP-TV-Z]{4}$/)
  const written = [
    code,
    code.toLowerCase(),
    code.replaceAll('-', ''),
    ` ${code.replaceAll('0', 'O').replaceAll('1', 'l').replaceAll('-', ' ')}\n`
  ]
  for (const text of written) expect(recoveryKeyOf(text).keyId).toBe(key.keyId)
  expect(generateRecoveryCode().code).not.toBe(code)
})

test('any one character that is wrong, and any two that changed places, are found', () => {
  const {code} = generateRecoveryCode()
  const refused = (text: string): void => expect(() => recoveryKeyOf(text), text).toThrow(expect.objectContaining({code: 'invalid_input'}))
  for (const [at, right] of [...code].entries()) {
    if (right === '-') continue
    for (const wrong of CHARACTERS) if (wrong !== right) refused(code.slice(0, at) + wrong + code.slice(at + 1))
    const next = code[at + 1] ?? right
    if (next !== '-' && next !== right) refused(code.slice(0, at) + next + right + code.slice(at + 2))
  }
  for (const text of ['', code.slice(1), `${code}0`, code.replace(/./, '!')]) refused(text)
})
