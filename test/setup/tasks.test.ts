import {readFileSync} from 'node:fs'
import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {Config} from '@oclif/core'
import {beforeAll, expect, test} from 'vitest'
import {CliWorld} from '../commands/cli-world.ts'
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

/** They need a node with containers, or the Gutta of another account: test/loop and test/commands/market-flow.test.ts run those. */
const ELSEWHERE = /^(mine (start|status)|redeem|redemption) /

/** By the words a line begins with, what a test types otherwise: no waiting for answers that no node gives, and ids that are there. */
const TYPED: readonly (readonly [start: string, typed: (line: string, serving: string) => string])[] = [
  ['deploy', (line) => `${line} --wait 0s`],
  ['logs', (line) => line.replace(' --follow', '')],
  ['traffic', (line, serving) => line.replace('rev_448', serving)],
  ['secrets set', (line) => `${line} --from-file key.txt`]
]

/** Words of a command line; what stands in quotes is one. */
function wordsOf(line: string): readonly string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
}

test('done one after the other on a real coordinator, the tasks come to what they promise', {timeout: 180_000}, async () => {
  const world = await CliWorld.make()
  try {
    await world.startCoordinator()
    await world.must('network', 'join', world.coordinatorUrl, '--id', world.networkId, '--name', 'home')
    await world.must('account', 'create', 'creometry', '--operator-key', join(world.folder, 'coordinator', 'operator.key'))
    await world.must('account', 'create', 'colibris')
    await world.must('config', 'set', 'account', 'colibris')
    await writeFile(join(world.folder, 'key.txt'), 'a-key')
    const serving = async (): Promise<{revision: string; percent: number}[]> => {
      const {functions} = (await world.must('traffic', 'colibris/my-shop')) as {
        functions: {traffic: {revision: string; percent: number}[]}[]
      }
      return functions.flatMap(({traffic}) => traffic)
    }
    for (const {title, lines} of TASKS) {
      const program = join(world.folder, 'my-shop', 'web', 'server.mjs')
      if (title.startsWith('Go back')) {
        await writeFile(program, '// better')
        await world.must('deploy', 'my-shop', '--wait', '0s')
      }
      if (title.startsWith('Try a new')) await writeFile(program, '// new')
      for (const line of lines.filter((one) => !ELSEWHERE.test(`${one} `))) {
        const [, typed] = TYPED.find(([start]) => line.startsWith(start)) ?? []
        const before = line.startsWith('traffic') ? ((await serving())[0]?.revision ?? '') : ''
        await world.must(...wordsOf(typed?.(line, before) ?? line))
        if (line.startsWith('init')) await buildUponNothing(join(world.folder, 'my-shop', 'creo.yaml'))
      }
      if (title.startsWith('Try a new')) expect((await serving()).map(({percent}) => percent).sort()).toEqual([5, 95])
      if (title.startsWith('Pay those')) await expectPaid(world)
    }
  } finally {
    await world.close()
  }
})

/** No base is needed to see what a deploy signs. */
async function buildUponNothing(path: string): Promise<void> {
  await writeFile(
    path,
    (await readFile(path, 'utf8')).replace(/base: node\n *command: .*/, 'base: scratch\n    command: [/app/server.mjs]')
  )
}

async function expectPaid(world: CliWorld): Promise<void> {
  const {balances} = (await world.must('account', 'balance', 'colibris')) as {balances: Record<string, string>[]}
  expect(balances).toContainEqual({asset: 'colibris/LEAF', kind: 'pool', amount: '1000'})
  const answer = (await (await fetch(`${world.coordinatorUrl}/v1/apps/colibris/my-shop`)).json()) as {
    revisions: {percent: number; spec: {rewards: {incentive: string}[]}}[]
  }
  const rewards = answer.revisions.filter(({percent}) => percent > 0).flatMap(({spec}) => spec.rewards)
  expect(rewards).toMatchObject([{incentive: 'colibris/LEAF'}])
}
