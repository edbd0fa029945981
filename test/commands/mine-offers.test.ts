import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {access, mkdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {pickEarn} from '../../src/cli/pick-earn.ts'
import type {MiningOffers} from '../../src/miner/mining-offers.ts'
import {mergeSettings, saveSettings} from '../../src/miner/settings.ts'
import {CliWorld} from './cli-world.ts'

const CREO = fileURLToPath(new URL('../../bin/run.js', import.meta.url))
const SCRIPT = '/usr/bin/script'

let world: CliWorld
beforeAll(async () => {
  world = await CliWorld.make()
  await world.startCoordinator()
  await world.must('network', 'join', world.coordinatorUrl, '--id', world.networkId)
  await world.must('account', 'create', 'creometry', '--operator-key', join(world.folder, 'coordinator', 'operator.key'))
  await world.must('account', 'create', 'colibris')
  for (const code of ['LEAF', 'BARK']) {
    const offer = ['--offer', `Delivery for ${code}`, '--offer-price', '2', '--offer-stock', '5']
    await world.must('incentive', 'issue', code, '--supply', '1000', '--limit', '100', ...offer, '--as', 'colibris')
  }
  await world.must('incentive', 'fund', 'colibris/LEAF', '200', '--as', 'colibris')
})
afterAll(() => world.close())

async function deployPaying(): Promise<void> {
  const folder = join(world.folder, 'shop')
  await mkdir(join(folder, 'web'), {recursive: true})
  await writeFile(join(folder, 'web', 'file'), 'one')
  const reward = 'incentive: colibris/LEAF, perMillion: {requests: "5", mibMs: "0.01"}, dailyBudget: "20"'
  const web = `  web:\n    base: scratch\n    command: [/app/file]\n    source: ./web\n    rewards:\n      - {${reward}}\n`
  await writeFile(join(folder, 'creo.yaml'), `app: shop\norg: colibris\nroutes:\n  - {path: /, function: web}\nfunctions:\n${web}`)
  await world.must('deploy', folder, '--wait', '0s', '--as', 'colibris')
}

it('shows what each incentive buys and was redeemed for, what its work pays here, and last a price; what pays comes first', async () => {
  await deployPaying()
  const offers = await world.must('mine', 'offers')
  expect(offers.gutta).toMatchObject({earn: 'gutta', exchangeOrg: 'creometry', functions: 0})
  expect(offers.choices).toMatchObject([
    {
      earn: 'colibris/LEAF',
      buys: [{item: 'Delivery for LEAF', price: '2', stock: 5}],
      redeemed: {captured: 0, capturedShare: null},
      work: [{function: 'colibris/shop/web', perMillionRequests: '5', dailyBudget: '20', nodes: 1, expectedPerDay: '0'}],
      bestBid: null,
      lastTrade: null
    },
    {earn: 'colibris/BARK', work: [], mostPerDay: '0'}
  ])
  const {stdout} = await world.run('mine', 'offers')
  const lines = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.trim().split(' ')[0])
  expect(lines).toEqual([
    'gutta:',
    'Work',
    'Here',
    'colibris/LEAF:',
    'Buys',
    'Kept',
    'Work',
    'Here',
    'Price',
    'colibris/BARK:',
    'Buys',
    'Kept',
    'Work',
    'Here',
    'Price'
  ])
})

async function picked(...answers: readonly string[]): Promise<{earn: readonly string[]; said: string}> {
  const offers = (await world.must('mine', 'offers')) as unknown as MiningOffers
  const left = [...answers]
  let said = ''
  const earn = await pickEarn(offers, {
    ask: async () => left.shift() ?? '?',
    say: (text) => {
      said += `${text}\n`
    }
  })
  return {earn, said}
}

it('lets a person pick by numbers, Gutta first and by default, and says the flags that mean the same', async () => {
  const {earn, said} = await picked('')
  expect(earn).toEqual(['gutta'])
  expect(said).toMatch(/^1\. gutta: .*\(--earn gutta\)$/m)
  expect(said).toMatch(/^2\. colibris\/LEAF: .*\(--earn colibris\/LEAF\)$/m)
  expect((await picked('9', '2, 1')).said).toContain('The same without asking: --earn colibris/LEAF --earn gutta')
  await expect(picked('x', '0', '')).resolves.toMatchObject({earn: ['gutta']})
  await expect(picked('x', '0', '1.5')).rejects.toMatchObject({code: 'usage'})
})

it('asks on a terminal what to earn when a first start does not say, and remembers the answer', async ({skip}) => {
  if (
    await access(SCRIPT).then(
      () => false,
      () => true
    )
  )
    skip()
  const data = join(world.folder, 'picked')
  const args = ['mine', 'start', '--data', data, '--coordinator', world.coordinatorUrl, '--network-id', world.networkId]
  const line = [process.execPath, CREO, ...args].join(' ')
  const child = spawn(SCRIPT, ['-qfec', line, '/dev/null'], {env: world.env, stdio: ['pipe', 'pipe', 'inherit']})
  let shown = ''
  child.stdout.on('data', (chunk: Buffer) => {
    shown += chunk
    if (shown.includes('[1]:') && !child.stdin.writableEnded) child.stdin.end('2 1\r')
  })
  await once(child, 'exit')
  expect(shown).toContain('The same without asking: --earn colibris/LEAF --earn gutta')
  expect(JSON.parse(await readFile(join(data, 'settings.json'), 'utf8'))).toMatchObject({earn: ['colibris/LEAF', 'gutta'], enrolled: false})
})

it('takes no incentive to earn that the network has not, and says when it could not look', async () => {
  const data = join(world.folder, 'earning')
  await mkdir(data, {recursive: true})
  const defaults = {name: 'pi', memoryBytes: 2 ** 30, cpuMillis: 1000, runtime: 'podman'}
  const {coordinatorUrl, networkId} = world
  await saveSettings(data, mergeSettings(undefined, {coordinatorUrl, networkId, earn: ['gutta']}, defaults))
  const set = (...earn: string[]) => world.json('mine', 'set', '--data', data, ...earn.flatMap((name) => ['--earn', name]))
  expect(await set('colibris/LEEF')).toMatchObject({code: 4, json: {error: {code: 'not_found', hint: 'Did you mean colibris/LEAF?'}}})
  expect(await set('gutta', 'org:nobody')).toMatchObject({code: 4, json: {error: {code: 'not_found'}}})
  expect(await set('org:colibris', 'colibris/BARK', 'gutta')).toMatchObject({
    code: 0,
    json: {earn: ['org:colibris', 'colibris/BARK', 'gutta']}
  })
  await saveSettings(data, mergeSettings(undefined, {coordinatorUrl: 'http://127.0.0.1:1', networkId, earn: ['gutta']}, defaults))
  const away = await world.run('mine', 'set', '--data', data, '--earn', 'colibris/LEEF')
  expect(away.code).toBe(0)
  expect(away.stderr).toContain('Whether the network has colibris/LEEF was not looked up: ')
})
