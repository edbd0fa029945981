import {mkdir, readdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {beforeAll, expect, test} from 'vitest'
import {stringify} from 'yaml'
import {z} from 'zod'
import {ask} from '../../src/compose/ask.ts'
import {eventually} from '../../src/compose/tour/must-hold.ts'
import {appUrl} from '../../src/compose/tour/steps-apps.ts'
import {LEAF, MINERS, ORGS} from '../../src/compose/tour/steps-network.ts'
import {LoopWorld} from './loop-world.ts'

const SET_UP_TIMEOUT_MS = 180_000
const APP = `${ORGS.shop}/vault`
const VALUES = ['open sesame, the first one', 'open sesame, the second one'] as const
/** So that a process of this function is known among all of the machine. */
const PROGRAM = `vault-${process.pid}.cjs`
const SERVER = `require('node:http').createServer((_, response) => response.end(process.env.API_KEY)).listen(process.env.PORT)\n`

let world: LoopWorld
beforeAll(async () => {
  world = await LoopWorld.make()
  const folder = join(world.folder, 'vault')
  const rewards = [{incentive: LEAF, perMillion: {requests: '2000'}, dailyBudget: '100'}]
  const fn = {source: './fn', command: ['node', PROGRAM], secrets: ['API_KEY'], rewards}
  await mkdir(join(folder, 'fn'), {recursive: true})
  await writeFile(join(folder, 'fn', PROGRAM), SERVER)
  await writeFile(
    join(folder, 'creo.yaml'),
    stringify({app: 'vault', org: ORGS.shop, routes: [{path: '/', function: 'safe'}], functions: {safe: fn}})
  )
  return () => world.close()
}, SET_UP_TIMEOUT_MS)

const setSchema = z.object({
  version: z.int(),
  readers: z.array(z.object({owner: z.string(), nodes: z.int()})),
  rolled: z.array(z.object({function: z.string(), revision: z.string()}))
})

async function set(value: string): Promise<z.output<typeof setSchema>> {
  const file = join(world.folder, 'value.txt')
  await writeFile(file, `${value}\n`)
  const answer = await world.creo(['secrets', 'set', APP, 'API_KEY', '--from-file', file], setSchema)
  await writeFile(file, '')
  return answer
}

async function says(value: string): Promise<void> {
  await eventually(`the function says ${value}`, world.signal, async () => {
    const answer = await ask(`${appUrl(world, 'vault', ORGS.shop)}/`, {signal: world.signal}).catch(() => undefined)
    return answer?.text === value ? true : undefined
  })
}

/** Files below a folder in which one of the values is found. */
async function leaks(folder: string): Promise<string[]> {
  const files = await readdir(folder, {recursive: true, withFileTypes: true})
  const found = files.map(async (file) => {
    const path = join(file.parentPath, file.name)
    const bytes = file.isFile() ? await readFile(path).catch(() => Buffer.alloc(0)) : Buffer.alloc(0)
    return VALUES.some((value) => bytes.includes(value) || bytes.includes(Buffer.from(value).toString('base64'))) ? [path] : []
  })
  return (await Promise.all(found)).flat()
}

interface SeenProcess {
  readonly pid: number
  readonly line: string
  readonly env: string
  readonly isFunction: boolean
}

async function processes(): Promise<SeenProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const read = (pid: number, name: string): Promise<string> => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')
  return await Promise.all(
    pids.map(async (pid) => {
      const [line, env] = await Promise.all([read(pid, 'cmdline'), read(pid, 'environ')])
      return {pid, line, env, isFunction: line === `node\0${PROGRAM}\0`}
    })
  )
}

/** Processes that show a value on their command line, or in their environment when they are not the function itself. */
async function processesThatShow(): Promise<string[]> {
  const shows = ({line, env, isFunction}: SeenProcess): boolean =>
    VALUES.some((value) => line.includes(value) || (!isFunction && env.includes(value)))
  return (await processes()).filter(shows).map(({pid, line}) => `${pid} ${line}`)
}

test('a secret reaches a real container, a newer one takes over, and neither is found anywhere else', {timeout: 120_000}, async () => {
  await expect(world.creo(['deploy', join(world.folder, 'vault'), '--as', ORGS.shop], z.unknown())).rejects.toMatchObject({
    code: 'not_found',
    hint: `creo secrets set ${APP} API_KEY`
  })
  expect(await set(VALUES[0])).toEqual({version: 1, readers: [], rolled: []})
  await world.creo(['deploy', join(world.folder, 'vault'), '--as', ORGS.shop], z.unknown())
  await says(VALUES[0])
  const {version, readers, rolled} = await set(VALUES[1])
  expect([version, readers.reduce((sum, {nodes}) => sum + nodes, 0) > 0, rolled.map((one) => one.function)]).toEqual([2, true, ['safe']])
  await says(VALUES[1])
  await expect(world.creo(['secrets', 'unset', APP, 'API_KEY'], z.unknown())).rejects.toMatchObject({code: 'conflict'})
  expect(await leaks(world.folder)).toEqual([])
  expect(await leaks('/run')).toEqual([])
  expect(await processesThatShow()).toEqual([])
  expect((await processes()).filter(({env, isFunction}) => isFunction && env.includes(VALUES[1]))).not.toEqual([])
})

test('with the coordinator dead, a miner that was killed gives the secret to the next container', {timeout: 120_000}, async () => {
  await world.network.role('coordinator').kill()
  await world.network.role(MINERS.leaf).kill()
  await world.network.startMiner({name: MINERS.leaf, earn: [LEAF]})
  await says(VALUES[1])
  const before = (await processes()).filter(({isFunction}) => isFunction)
  for (const {pid} of before) process.kill(pid, 'SIGKILL')
  await says(VALUES[1])
  const after = (await processes()).filter(({isFunction}) => isFunction).map(({pid}) => pid)
  expect([before.length, after.filter((pid) => before.some((one) => one.pid === pid))]).toEqual([expect.any(Number), []])
  expect(after.length).toBeGreaterThan(0)
  expect(await leaks(world.folder)).toEqual([])
})
