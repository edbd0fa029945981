import {readFile} from 'node:fs/promises'
import {fileURLToPath} from 'node:url'
import {expect, test} from 'vitest'
import {GREED} from './greed.ts'
import {DOORS} from './reach.ts'
import {REFUSALS} from './refusals.ts'

const DOCUMENT = fileURLToPath(new URL('../../docs/SANDBOX.md', import.meta.url))
/** From the head of the table to the end of the document's part. */
const TABLE = /^\| attack \|.*?\n\n/ms

test('docs/SANDBOX.md has a row for each attack of the probe', async () => {
  const text = await readFile(DOCUMENT, 'utf8')
  expect(text).toMatch(TABLE)
  // `vitest -u` writes the table anew.
  await expect(text.replace(TABLE, () => `${table()}\n\n`)).toMatchFileSnapshot(DOCUMENT)
})

test('the probe tries each of its attacks once', async () => {
  const sources = await Promise.all(
    ['calls', 'files', 'greed', 'kernel', 'network'].map((name) => readFile(new URL(`./probe/${name}.c`, import.meta.url), 'utf8'))
  )
  const known = sources.flatMap((source) => [...source.matchAll(/^ {4}\{"([a-z0-9-]+)",/gm)].map(([, name = '']) => name))
  const tried = [...REFUSALS, ...GREED, ...DOORS].map(({attack}) => attack)
  expect(new Set(tried).size).toBe(tried.length)
  expect(known.filter((name) => !/^(may-|work$|cpu-|log-flood$)/.test(name)).sort()).toEqual(tried.sort())
})

function table(): string {
  const rows = [
    ...REFUSALS.map(({attack, what, by, answers}) => [attack, what, by, answers.join(', ')]),
    ...DOORS.map(({attack, what}) => [attack, what, 'the miner, which connects to a socket alone', 'rejected']),
    ...GREED.map(({attack, what, by, answers}) => [attack, what, by, answers.join(', ')])
  ]
  return ['| attack | a function tries to | what stands in its way | what it is told |', '|---|---|---|---|']
    .concat(rows.map(([attack, ...rest]) => `| \`${attack}\` | ${rest.join(' | ')} |`))
    .join('\n')
}
