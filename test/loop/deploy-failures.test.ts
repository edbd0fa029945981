import {mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {z} from 'zod'
import {DevNetwork} from '../../src/compose/dev-network.ts'
import {creo} from '../support/processes.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const SOURCE = fileURLToPath(new URL('../support/failing-function/failing.c', import.meta.url))
const SET_UP_TIMEOUT_MS = 180_000
const TIMEOUT_MS = 120_000
/** Where the machine stands in the header of an ELF file, and number 183, AArch64. */
const ELF_MACHINE_AT = 18
const AARCH64 = 183
const X86_64 = 62

const troubleSchema = z.object({
  error: z.object({code: z.string(), message: z.string(), hint: z.string()}),
  trouble: z.looseObject({reason: z.string(), exitCode: z.number().nullable(), signal: z.string().nullable(), log: z.array(z.string())}),
  revisions: z.array(z.object({function: z.string(), revision: z.string()}))
})

const stop = new AbortController()
let folder: string
let network: DevNetwork
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'creo-fail-'))
  const ports = {coordinator: 0, gateway: 0, tunnel: 0}
  const program = [process.execPath, join(ROOT, 'bin', 'run.js')]
  network = new DevNetwork({directory: folder, creo: program, ports, epoch: '1h', emission: '10', exchangeOrg: 'creometry'}, stop.signal)
  await network.init()
  await network.startCoordinator()
  await network.run(['network', 'join', network.coordinatorUrl, '--id', network.networkId])
  for (const name of ['colibris', 'ana']) await network.run(['account', 'create', name])
  for (const code of ['LEAF', 'DRY']) {
    const offer = ['--offer', 'Delivery', '--offer-price', '2', '--offer-stock', '5']
    await network.run(['incentive', 'issue', code, '--supply', '1000', '--limit', '100', ...offer, '--as', 'colibris'])
  }
  await network.run(['incentive', 'fund', 'colibris/LEAF', '900', '--as', 'colibris'])
  expect((await deploy({name: 'early', fail: 'crash'})).trouble).toMatchObject({reason: 'no_gateway', node: null, log: []})
  const {publicKey} = z.looseObject({publicKey: z.string()}).parse((await network.startGateway()).ready)
  await network.run(network.admitGatewayArgs(publicKey))
  expect((await deploy({name: 'early', fail: 'segfault', wait: '2s'})).trouble).toMatchObject({reason: 'no_node', node: null})
  const {token} = z.looseObject({token: z.string()}).parse(await network.run(['node', 'token', '--as', 'ana']))
  await network.startMiner({name: 'miner', earn: ['colibris/LEAF', 'colibris/DRY'], token})
  return async () => {
    await network.stop(() => undefined)
    await rm(folder, {recursive: true, force: true})
  }
}, SET_UP_TIMEOUT_MS)
afterAll(() => stop.abort())

/** Compiled; for another machine by its header alone. */
async function program(app: string, machine: 'this' | 'other' | 'none'): Promise<void> {
  const path = join(app, 'web', 'failing')
  if (machine === 'none') return await writeFile(path, 'No program.', {mode: 0o755})
  await execa('gcc', ['-O1', '-static', '-s', '-o', path, SOURCE])
  if (machine === 'this') return
  const bytes = await readFile(path)
  bytes.writeUInt16LE(bytes.readUInt16LE(ELF_MACHINE_AT) === AARCH64 ? X86_64 : AARCH64, ELF_MACHINE_AT)
  await writeFile(path, bytes, {mode: 0o755})
}

interface Failing {
  readonly name: string
  readonly fail: string
  readonly machine?: 'this' | 'other' | 'none'
  /** Null: it pays nothing. */
  readonly pays?: string | null
  readonly wait?: string
}

async function deploy({name, fail, machine = 'this', pays = 'LEAF', wait = '10m'}: Failing) {
  const app = join(folder, `${name}-${fail}`)
  await mkdir(join(app, 'web'), {recursive: true})
  await program(app, machine)
  const reward = pays === null ? '' : `{incentive: colibris/${pays}, perMillion: {requests: 1}, dailyBudget: 20}`
  const fn = `    base: scratch\n    source: ./web\n    command: [/app/failing]\n    memory: 32MiB\n    env: {FAIL: ${fail}}\n    rewards: [${reward}]\n`
  await writeFile(join(app, 'creo.yaml'), `app: ${name}\norg: colibris\nroutes:\n  - {path: /, function: web}\nfunctions:\n  web:\n${fn}`)
  const env = {...process.env, CREO_CONFIG_DIR: network.configDirectory, CREO_DATA_DIR: join(folder, 'data')}
  const {code, stdout, stderr} = await creo(['deploy', app, '--wait', wait, '--json'], {env})
  const said = troubleSchema.safeParse(JSON.parse(stdout))
  if (!said.success) throw new Error(`${stdout}${stderr}`)
  return {exit: code, ...said.data}
}

it.concurrent.each([
  ['crash', {reason: 'crash', exitCode: 3, signal: null}],
  ['segfault', {reason: 'crash', exitCode: 139, signal: 'SIGSEGV'}],
  ['memory', {reason: 'out_of_memory'}]
])(
  'says of a container with %s how it ended and what it printed last, long before the time is over',
  {timeout: TIMEOUT_MS},
  async (fail, expected) => {
    const {exit, error, trouble} = await deploy({name: `with-${fail}`, fail})
    expect(trouble).toMatchObject({...expected, function: 'web', node: expect.stringMatching(/^node_/), rollback: null})
    expect([exit, error.code, trouble.log.length]).toEqual([1, 'deploy_failed', 50])
    expect(trouble.log.at(-1)).toBe(`last words \u001b[31min red\u001b[0m of ${fail}`)
  }
)

it.concurrent('says of an image for other machines alone, and of what no machine runs, that it is one', {timeout: TIMEOUT_MS}, async () => {
  const foreign = await deploy({name: 'foreign', fail: 'crash', machine: 'other', wait: '3s'})
  expect([foreign.error.code, foreign.trouble.reason, foreign.trouble.exitCode]).toEqual(['deploy_failed', 'wrong_architecture', null])
  const {error, trouble} = await deploy({name: 'text', fail: 'crash', machine: 'none'})
  expect([error.code, trouble.reason, trouble.exitCode]).toEqual(['deploy_failed', 'wrong_architecture', 126])
  expect(trouble.log.join()).toContain('not a program of this architecture')
})

it.concurrent('says of a function that runs and does not listen which port it should', {timeout: TIMEOUT_MS}, async () => {
  const {error, trouble} = await deploy({name: 'deaf', fail: 'deaf', wait: '16s'})
  expect([error.code, trouble.reason, trouble.log.length]).toEqual(['deploy_failed', 'port_not_opened', 50])
  expect(error.hint).toContain('8080')
})

it.concurrent('says that the pool is empty from which its nodes would be paid', {timeout: TIMEOUT_MS}, async () => {
  const {exit, error, trouble} = await deploy({name: 'poor', fail: 'crash', pays: 'DRY', wait: '2s'})
  expect([exit, trouble.reason, error.hint]).toEqual([6, 'pool_empty', 'creo incentive fund colibris/DRY AMOUNT'])
})

it.concurrent('says of a function that pays nothing that nobody hosts it, instead of how to earn nothing', {
  timeout: TIMEOUT_MS
}, async () => {
  const {exit, error, trouble} = await deploy({name: 'free', fail: 'crash', pays: null, wait: '2s'})
  expect([exit, trouble.reason]).toEqual([6, 'no_node'])
  expect(error.hint).toMatch(/^Nobody hosts what pays nothing: say under functions\.web\.rewards/)
})
