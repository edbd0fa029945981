import {expect, test} from 'vitest'
import {formatDurationMs, formatGutta, parseDurationMs} from '../../src/cli/format.ts'
import {createProgress} from '../../src/cli/progress.ts'
import {askYesNo} from '../../src/cli/prompt.ts'
import {renderTable} from '../../src/cli/table.ts'

const rows = [
  {name: 'colibris/LEAF', amount: '12.5'},
  {name: 'x', amount: '1000'}
]
const columns = [
  {header: 'incentive', value: (row: {name: string}) => row.name},
  {header: 'amount', value: (row: {amount: string}) => row.amount, align: 'right' as const}
]

test('numbers stand right and text stands left', () => {
  expect(renderTable(rows, columns)).toBe('incentive      amount\ncolibris/LEAF    12.5\nx                1000')
})

test('on a narrow terminal the widest column gives way and says so', () => {
  expect(renderTable(rows, columns, 16)).toBe('incenti…  amount\ncolibri…    12.5\nx           1000')
})

test('a table never lets the text of others move the cursor', () => {
  expect(renderTable([{name: 'evil\x1b[2J\r\nrow', amount: '1'}], columns)).toBe('incentive      amount\nevil␛[2J␍␊row       1')
})

test.each([
  [40, '40 ms'],
  [1234, '1.2 s'],
  [185_000, '3 min 5 s'],
  [7_440_000, '2 h 4 min']
])('%i ms are said as %s', (ms, text) => expect(formatDurationMs(ms)).toBe(text))

test.each([
  ['90s', 90_000],
  ['24h', 86_400_000],
  ['250ms', 250]
])('%s is %i ms', (text, ms) => expect(parseDurationMs(text)).toBe(ms))

test.each(['', '5', 's', '-1s', '1.5h', '5 m'])('"%s" is no duration', (text) => {
  expect(() => parseDurationMs(text)).toThrow(expect.objectContaining({code: 'invalid_input'}))
})

test('micro-gutta are said in Gutta', () => expect(formatGutta(12_500_000)).toBe('12.5 Gutta'))

test('a step says how long it took, or that it failed', async () => {
  const written: string[] = []
  const progress = createProgress({stream: {write: (text: string) => written.push(text)}, silent: false})
  expect(await progress.step('Building', async () => 7)).toBe(7)
  await expect(progress.step('Pushing', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(written.join('')).toMatch(/^Building … \d+ ms\nPushing … failed after \d+ ms\n$/)
})

test('on a terminal a step is named at once and its line is replaced', async () => {
  const written: string[] = []
  const progress = createProgress({stream: {isTTY: true, write: (text: string) => written.push(text)}, silent: false})
  await progress.step('Building', async () => undefined)
  expect(written).toEqual(['Building …', expect.stringMatching(/Building … \d+ ms\n$/)])
})

test('a question without a terminal is refused, naming the flag that answers it', async () => {
  await expect(askYesNo('Really?', AbortSignal.timeout(1000))).rejects.toMatchObject({
    code: 'usage',
    hint: expect.stringContaining('--yes')
  })
})
