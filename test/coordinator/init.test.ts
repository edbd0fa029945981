import {createHash} from 'node:crypto'
import {mkdir, readdir, readFile, stat, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, it} from 'vitest'
import {initializeNetwork, type NetworkChoices} from '../../src/coordinator/init-network.ts'
import {genesisSchema} from '../../src/core/protocol/genesis.ts'
import {creo} from '../support/processes.ts'
import {temporaryFolder} from './coordinator-world.ts'

const CHOICES: NetworkChoices = {network: 'production', name: 'ours', exchangeOrg: 'creometry'}
const OPTIONS = {nowMs: 1_790_000_000_000, ifMissing: false}
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let data: string

beforeEach(async () => {
  folder = await temporaryFolder()
  data = join(folder.path, 'net')
})
afterEach(() => folder.remove())

it('writes a genesis whose hash is the network id, and two keys for their owner alone', async () => {
  const made = await initializeNetwork(data, CHOICES, OPTIONS)
  const bytes = await readFile(made.genesisPath)
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(made.networkId)
  const genesis = genesisSchema.parse(JSON.parse(bytes.toString()))
  expect(genesis).toMatchObject({network: 'production', coordinatorKey: made.coordinatorKey, operatorKey: made.operatorKey})
  const modes = await Promise.all(['coordinator.key', 'operator.key'].map(async (name) => (await stat(join(data, name))).mode & 0o777))
  expect(modes).toEqual([0o600, 0o600])
  expect((await readdir(data)).sort()).toEqual(['coordinator.key', 'genesis.json', 'operator.key'])
})

it.each([
  ['production', undefined, true],
  ['production', false, false],
  ['development', undefined, false],
  ['development', true, true]
] as const)('protects the markets of a %s network told %s: %s', async (network, hasProtection, isProtected) => {
  const made = await initializeNetwork(data, {...CHOICES, network, hasProtection}, OPTIONS)
  const {protection} = genesisSchema.parse(JSON.parse((await readFile(made.genesisPath)).toString()))
  expect(protection !== undefined).toBe(isProtected)
})

it('never overwrites a network, and with --if-missing finds the one that is there', async () => {
  const made = await initializeNetwork(data, CHOICES, OPTIONS)
  await expect(initializeNetwork(data, {...CHOICES, name: 'other'}, OPTIONS)).rejects.toMatchObject({code: 'conflict'})
  const found = await initializeNetwork(data, {...CHOICES, name: 'other'}, {...OPTIONS, ifMissing: true})
  expect(found).toEqual({...made, created: false})
})

it("refuses the name of the base images' repositories for the exchange's org", async () => {
  await expect(initializeNetwork(data, {...CHOICES, exchangeOrg: 'creo'}, OPTIONS)).rejects.toMatchObject({code: 'invalid_input'})
})

it('refuses a folder that has a journal but no genesis', async () => {
  await mkdir(data)
  await writeFile(join(data, 'journal.sqlite'), '')
  await expect(initializeNetwork(data, CHOICES, OPTIONS)).rejects.toMatchObject({code: 'conflict'})
})

it('goes on with the keys of a try that was cut before the genesis', async () => {
  const {coordinatorKey} = await initializeNetwork(data, CHOICES, OPTIONS)
  const {rm} = await import('node:fs/promises')
  await rm(join(data, 'genesis.json'))
  expect((await initializeNetwork(data, CHOICES, OPTIONS)).coordinatorKey).toBe(coordinatorKey)
})

it('writes nothing when a choice is wrong or the folder cannot be made', async () => {
  await expect(initializeNetwork(data, {...CHOICES, epochMs: 5}, OPTIONS)).rejects.toMatchObject({code: 'invalid_input'})
  await expect(stat(data)).rejects.toMatchObject({code: 'ENOENT'})
  await writeFile(join(folder.path, 'file'), '')
  await expect(initializeNetwork(join(folder.path, 'file', 'net'), CHOICES, OPTIONS)).rejects.toMatchObject({code: 'data_dir_unwritable'})
})

it('prints ids and keys as JSON, with the length of an epoch and its Gutta as the flags say', async () => {
  const args = ['coordinator', 'init', '--data', data, '--development', '--epoch', '2s', '--emission', '12.5', '--json']
  const {code, stdout} = await creo(args)
  expect([code, JSON.parse(stdout)]).toMatchObject([
    0,
    {network: 'development', created: true, networkId: expect.stringMatching(/^[0-9a-f]{64}$/)}
  ])
  const genesis = genesisSchema.parse(JSON.parse(await readFile(join(data, 'genesis.json'), 'utf8')))
  expect(genesis.emission).toMatchObject({epochMs: 2000, perEpochMicroGutta: 12_500_000})
  const again = await creo(args)
  expect([again.code, JSON.parse(again.stdout).error.code]).toEqual([3, 'conflict'])
})
