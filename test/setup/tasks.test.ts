import {readFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'
import {Config} from '@oclif/core'
import {beforeAll, expect, test} from 'vitest'
import {creo} from '../support/processes.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const TASKS = readFileSync(new URL('../../docs/TASKS.md', import.meta.url), 'utf8')
  .split(/^## /m)
  .slice(1)
  .map((section) => ({title: section.split('\n')[0] ?? '', lines: [...section.matchAll(/^creo (.+)$/gm)].map(([, line = '']) => line)}))

let config: Config
beforeAll(async () => {
  config = await Config.load(ROOT)
})

/** `trade sell colibris/LEAF …` → `['trade', 'sell']`. */
function commandOf(line: string): readonly string[] {
  const [first = '', second = ''] = line.split(' ')
  return config.commandIDs.includes(`${first}:${second}`) ? [first, second] : [first]
}

async function helpOf(...words: readonly string[]): Promise<string> {
  const {code, stdout} = await creo([...words, '--help'])
  expect([words, code]).toEqual([words, 0])
  return stdout
}

test('ten tasks take three commands at most, and half of them fewer', () => {
  const counts = TASKS.map(({lines}) => lines.length).sort((a, b) => a - b)
  expect(counts).toHaveLength(10)
  expect(counts.at(0)).toBeGreaterThan(0)
  expect(counts.at(-1)).toBeLessThanOrEqual(3)
  expect(counts[4]).toBeLessThan(3)
})

test("the first help names every task's topic or command with what it is for, and a topic's help its commands", async () => {
  const words = TASKS.flatMap(({lines}) => lines.map(commandOf))
  const first = await helpOf()
  for (const word of new Set(words.map(([topic = '']) => topic))) expect(first).toMatch(new RegExp(`^  ${word} +\\w`, 'm'))
  for (const topic of new Set(words.flatMap(([word = '', command]) => (command === undefined ? [] : [word])))) {
    const help = await helpOf(topic)
    const commands = words.flatMap(([word, command]) => (word === topic && command !== undefined ? [command] : []))
    for (const command of new Set(commands)) expect(help).toMatch(new RegExp(`^  ${topic} ${command} +\\w`, 'm'))
  }
})

test("a command's help shows every flag that a task uses, and an example", async () => {
  for (const line of TASKS.flatMap(({lines}) => lines)) {
    const command = config.findCommand(commandOf(line).join(':'), {must: true})
    const used = [...line.matchAll(/ --([a-z-]+)/g)].map(([, flag = '']) => flag)
    expect(used.filter((flag) => command.flags[flag]?.description === undefined && command.flags[flag]?.summary === undefined)).toEqual([])
    expect([line, command.examples?.length]).toEqual([line, expect.any(Number)])
  }
})
