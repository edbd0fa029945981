import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {CliWorld} from './cli-world.ts'

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
}, 60_000)
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
