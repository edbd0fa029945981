import {expect, test} from 'vitest'
import {createLiveView, type LiveNetwork} from '../../src/cli/live-view.ts'

const network: LiveNetwork = {
  minersConnected: 1,
  functions: [],
  accounts: [{name: 'dev', has: ['nothing yet']}],
  lastTrade: undefined,
  addresses: ['http://127.0.0.1:7700/v1/network']
}
const seen = {upMs: 1000, gone: []}

/** Rows that a window of this width shows of it. */
function rowsOf(text: string, columns: number): number {
  const lines = text.replace(/\n$/, '').split('\n')
  return lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0)
}

test.each([
  [200, 50],
  [30, 50],
  [30, 8],
  [80, 3]
])('a view in a window of %i columns and %i rows is drawn over itself exactly', (columns, rows) => {
  const written: string[] = []
  const draw = createLiveView({isTTY: true, columns, rows, write: (text) => written.push(text)})
  draw(network, seen)
  draw(network, seen)
  const [first = '', second = ''] = written
  expect(rowsOf(first, columns)).toBeLessThan(rows)
  expect(second).toBe(`\x1b[${rowsOf(first, columns)}A\x1b[J${first}`)
})

test('a view says one miner, which roles ended, and what to do when nothing is deployed', () => {
  let said = ''
  const draw = createLiveView({write: (text) => (said += text)})
  draw(network, {upMs: 1000, gone: ['miner-a']})
  expect(said).toContain('1 miner connected.')
  expect(said).toContain('Ended without being asked: miner-a.')
  expect(said).toContain('creo init')
})

test('a view without an answer still says which roles ended', () => {
  let said = ''
  createLiveView({write: (text) => (said += text)})(new Error('no answer'), {upMs: 1000, gone: ['gateway']})
  expect(said).toContain('No answer just now: no answer')
  expect(said).toContain('Ended without being asked: gateway.')
})
