import {createHash} from 'node:crypto'
import {mkdir, readdir, readFile, stat, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, it} from 'vitest'
import {readChoices, type TermChoices, termsOf, withChoices, writtenTerms} from '../../src/coordinator/genesis-terms.ts'
import {initializeNetwork} from '../../src/coordinator/init-network.ts'
import {genesisSchema} from '../../src/core/protocol/genesis.ts'
import {creo} from '../support/processes.ts'
import {temporaryFolder} from './coordinator-world.ts'

const CHOICES: TermChoices = {network: 'production', name: 'ours', exchangeOrg: 'creometry'}
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
  ['production', undefined, {openingMs: 1_800_000, auctionMs: 300_000, staticPpm: 300_000, dynamicPpm: 100_000}],
  ['production', null, undefined],
  ['production', {staticPpm: 0, auctionMs: 1000}, {openingMs: 1_800_000, auctionMs: 1000, dynamicPpm: 100_000}],
  ['development', undefined, undefined],
  ['development', {}, {openingMs: 10_000, auctionMs: 5000, staticPpm: 300_000, dynamicPpm: 100_000}]
] as const)('protects the markets of a %s network told %j by %j', async (network, protection, expected) => {
  const made = await initializeNetwork(data, {...CHOICES, network, protection}, OPTIONS)
  expect(genesisSchema.parse(JSON.parse((await readFile(made.genesisPath)).toString())).protection).toEqual(expected)
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
  await expect(initializeNetwork(data, {...CHOICES, emission: {epochMs: 5}}, OPTIONS)).rejects.toMatchObject({code: 'invalid_input'})
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

it('reads from a file what --dry-run writes, and makes the same terms of it', async () => {
  for (const choices of [CHOICES, {...CHOICES, network: 'development'}, {...CHOICES, protection: {staticPpm: 0}}] satisfies TermChoices[]) {
    const terms = termsOf(choices)
    const file = join(folder.path, 'terms.json')
    await writeFile(file, JSON.stringify(writtenTerms(terms)))
    expect(termsOf(await readChoices(file))).toEqual(terms)
  }
})

it.each([
  ['emission: {halvingEpoch: 5}', 'emission: "halvingEpoch" is not known here; did you mean "halvingEpochs"?'],
  ['emission: {perEpochMicroGutta: 5}', 'emission.perEpochMicroGutta'],
  ['coordinatorKey: abc', '"coordinatorKey" is not known here'],
  ['- a\n- b', 'a set of keys'],
  ['{', 'neither YAML nor JSON']
])('refuses a file of terms that says %j', async (text, words) => {
  const file = join(folder.path, 'terms.yaml')
  await writeFile(file, text)
  await expect(readChoices(file)).rejects.toMatchObject({code: 'invalid_input', message: expect.stringContaining(words)})
})

it('takes from flags before the file, and from the file before what is usual', async () => {
  const file = join(folder.path, 'terms.yaml')
  await writeFile(file, 'name: filed\nemission: {epochMs: 7000, halvingEpochs: 9}\nprotection: {openingMs: 4000, auctionMs: 2000}\n')
  const terms = termsOf(withChoices(await readChoices(file), {emission: {epochMs: 8000}, protection: {dynamicPpm: 5}}))
  expect(terms).toMatchObject({
    name: 'filed',
    network: 'production',
    emission: {epochMs: 8000, halvingEpochs: 9, ownerShareMaxPermille: 250}
  })
  expect(terms.protection).toEqual({openingMs: 4000, auctionMs: 2000, dynamicPpm: 5})
})

it('shows the terms and makes nothing with --dry-run, and refuses what contradicts itself', async () => {
  const args = ['coordinator', 'init', '--data', data, '--emission', '10', '--halving-epochs', '100', '--emission-total', '5000']
  const {stdout} = await creo([...args, '--owner-share-max', '12.5', '--volume-window', '12h', '--dry-run', '--json'])
  expect(JSON.parse(stdout)).toMatchObject({
    created: false,
    terms: {emission: {finalGutta: '1999.9992', ownerShareMaxPercent: '12.5'}, volumeWindowMs: 43_200_000},
    genesis: {volumeBucketMs: 1_800_000, emission: {halvingEpochs: 100}}
  })
  await expect(stat(data)).rejects.toMatchObject({code: 'ENOENT'})
  expect((await creo([...args, '--no-protection', '--auction', '5s', '--json'])).stdout).toContain('--no-protection leaves out')
  expect((await creo([...args.slice(0, 4), '--emission', '10', '--emission-total', '5', '--json'])).stdout).toContain(
    'than there may ever be'
  )
})
