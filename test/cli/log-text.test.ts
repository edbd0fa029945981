import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {parseSinceMs} from '../../src/cli/format.ts'
import {logText, type ShownLine} from '../../src/cli/log-text.ts'
import {plainJson, plainLine} from '../../src/cli/plain-line.ts'

const NODE = 'node_abcdefghij123456'
const line: ShownLine = {
  at: '2026-11-22T18:45:12.345Z',
  function: 'web',
  revision: 'rev_64',
  node: NODE,
  instance: 'rev-64-1f',
  line: 'hello',
  failure: null,
  cursor: 7
}

describe('a line of a log', () => {
  const short = (shown: ShownLine): string => logText(shown, {isWide: false})

  it('is short, and whole when that is asked for', () => {
    expect(short(line)).toBe('18:45:12 web      123456/1f   hello')
    expect(logText(line, {isWide: true})).toBe(`2026-11-22T18:45:12.345Z web rev_64 ${NODE} rev-64-1f hello`)
  })

  it('begins in the same column whatever function and instance wrote it', () => {
    const other = {...line, function: 'checkout', instance: 'i'}
    expect(short(other).indexOf('hello')).toBe(short(line).indexOf('hello'))
  })

  it('of the node about an instance is told apart from what the function wrote', () => {
    expect(short({...line, failure: {reason: 'crash', exitCode: 1}})).toBe('18:45:12 web      123456/1f   creo: hello (crash)')
  })

  it.each([
    ['\u001b[2J\u001b]0;title\u0007gone', '␛[2J␛]0;title␇gone'],
    ['over\rwritten\ttwice\n', 'over␍written twice␊'],
    ['\u009b31m\u007f', '\ufffd31m␡'],
    ['a\u202egnp.exe\u2066\u2028b', 'a\ufffdgnp.exe\ufffd\ufffdb'],
    ['Grüße, 世界 👋', 'Grüße, 世界 👋']
  ])('does nothing to the terminal: %j', (text, shown) => {
    expect(plainLine(text)).toBe(shown)
  })

  it('has no sign left that a terminal or a reader obeys, whatever a function writes, and keeps its value as JSON', () => {
    fc.assert(
      fc.property(fc.string({unit: 'binary'}), (text) => {
        const unsafe = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/u
        expect(plainLine(text)).not.toMatch(unsafe)
        expect(plainJson(JSON.stringify({text}))).not.toMatch(unsafe)
        expect(JSON.parse(plainJson(JSON.stringify({text})))).toEqual({text})
      })
    )
  })
})

describe('a time since which', () => {
  it.each([
    ['10m', 9_400_000],
    ['2026-11-22T18:00:00Z', Date.UTC(2026, 10, 22, 18)],
    ['7d', 0]
  ])('%s is understood', (text, ms) => {
    expect(parseSinceMs(text, 10_000_000)).toBe(ms)
  })

  it.each(['yesterday', '10', '', '-5m', 'Nov 22'])('%j is not', (text) => {
    expect(() => parseSinceMs(text, 0)).toThrow(expect.objectContaining({code: 'invalid_input', hint: expect.any(String)}))
  })
})
