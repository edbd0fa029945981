import {afterAll, beforeAll, expect, it} from 'vitest'
import {type Node, type Person, startWorld} from './coordinator-world.ts'

let world: Awaited<ReturnType<typeof startWorld>>
let org: Person
let sequence = 0

interface Page {
  readonly rows: readonly string[]
  readonly next?: string
}

beforeAll(async () => {
  world = await startWorld()
  org = await world.actors.colibris()
  for (const item of ['b', 'c', 'd', 'e']) await addOffer(item)
  const nodes = [await world.actors.node(org), await world.actors.node(org)]
  await Promise.all(nodes.map((node) => world.actors.heartbeat(node)))
  const [leased] = await Promise.all(nodes.map((node) => world.actors.leased(node)))
  await tradeAndRedeem()
  for (const name of ['one.example', 'two.example']) await block(name)
  const gateway = await world.actors.gateway(world.operator)
  const receipts = [1, 2, 3].map((window) =>
    world.actors.receipt({gateway, node: nodes[0] as Node, lease: leased?.lease as {id: string; revision: string}, window, requests: 1})
  )
  const {json} = await world.actors.ask('POST', '/v1/receipts', {body: {receipts}})
  expect(json).toMatchObject({answers: receipts.map(() => ({status: 'paid'}))})
  // So that what the receipts did is seen, too.
  await addOffer('f')
})
afterAll(() => world.close())

/** Ann buys three lots of the org's, and spends two of them. */
async function tradeAndRedeem(): Promise<void> {
  const {actors, operator} = world
  await actors.person('creometry', operator)
  const ann = await actors.person('ann')
  await actors.apply('operator', operator, {type: 'allot', account: ann.id, amountMicroGutta: 1_000_000})
  for (const price of [10, 11, 12]) {
    const order = {
      type: 'order.place',
      incentive: 'colibris/LEAF',
      priceMicroGutta: price,
      lots: 1,
      kind: 'limit',
      timeInForce: 'GTC'
    } as const
    await actors.apply(org.id, org.key, {...order, side: 'sell'})
    await actors.apply(ann.id, ann.key, {...order, side: 'buy'})
  }
  for (let bought = 0; bought < 2; bought += 1)
    await actors.apply(ann.id, ann.key, {type: 'redemption.request', offer: `off_${sequence}`, quantity: 1})
}

async function block(name: string): Promise<void> {
  await world.actors.apply('operator', world.operator, {type: 'operator.block', target: {kind: 'domain', name}, reason: 'A test.'})
}

async function addOffer(item: string): Promise<void> {
  const body = {type: 'offer.add', incentive: 'colibris/LEAF', offer: {item, priceMinor: 100, stock: 5, where: 'in-app'}} as const
  sequence = (await world.actors.apply(org.id, org.key, body)).seq
}

async function page(path: string, query: string): Promise<Page> {
  const headers = {'creo-after': String(sequence)}
  const {json, status} = await world.actors.ask('GET', `${path}?${query}`, {headers})
  expect(status).toBe(200)
  const {next, ...lists} = json as unknown as {next?: string} & Record<string, object[]>
  const rows = (Object.values(lists)[0] ?? []).map((row) => JSON.stringify(row))
  return {rows, ...(next !== undefined && {next})}
}

async function pages(path: string, limit: number): Promise<string[][]> {
  const all: string[][] = []
  for (let cursor = ''; all.length < 100; ) {
    const {rows, next} = await page(path, `limit=${limit}${cursor}`)
    all.push([...rows])
    if (next === undefined) return all
    cursor = `&cursor=${next}`
  }
  throw new Error('the list does not end')
}

const LISTS = [
  'offers',
  'nodes',
  'accounts',
  'incentives',
  'apps',
  'apps/colibris/garden/revisions',
  'accounts/colibris/entries',
  'accounts/ann/orders',
  'accounts/ann/redemptions',
  'markets/colibris/LEAF/trades',
  'redemptions',
  'receipts',
  'blocks',
  'blocks/history'
]

it.each(LISTS)('gives every row of %s once, in the same order, by pages of any size', async (list) => {
  const whole = (await page(`/v1/${list}`, 'limit=1000')).rows
  expect(whole.length).toBeGreaterThan(list === 'incentives' || list.startsWith('apps') ? 0 : 1)
  for (const limit of [1, 2, 3]) expect((await pages(`/v1/${list}`, limit)).flat()).toEqual(whole)
})

it.each([...LISTS, 'leases', 'epochs'])('sends a page of %s to who has it without its rows', async (list) => {
  const first = await world.actors.ask('GET', `/v1/${list}?limit=1`)
  const again = await world.actors.ask('GET', `/v1/${list}?limit=1`, {headers: {'if-none-match': first.headers.get('etag') ?? ''}})
  expect([first.status, again.status, again.json]).toEqual([200, 304, {}])
  const cursor = (first.json as {next?: string}).next
  if (cursor === undefined) return
  const second = await world.actors.ask('GET', `/v1/${list}?limit=1&cursor=${cursor}`, {
    headers: {'if-none-match': first.headers.get('etag') ?? ''}
  })
  expect(second.status).toBe(200)
})

it('goes back from the newest leases to the oldest', async () => {
  const whole = (await page('/v1/leases', 'limit=1000')).rows
  expect(whole.length).toBeGreaterThan(1)
  expect((await pages('/v1/leases', 1)).reverse().flat()).toEqual(whole)
})

it('shows no row twice and leaves none out while rows are added', async () => {
  const path = '/v1/accounts/colibris/entries'
  const first = await page(path, 'limit=2')
  const {rows: before} = await page(path, 'limit=1000')
  await world.actors.apply(org.id, org.key, {type: 'pool.fund', incentive: 'colibris/LEAF', amountMinor: 100})
  const second = await page(path, `limit=1000&cursor=${first.next}`)
  expect([...first.rows, ...second.rows]).toEqual(before)
})

it.each([
  ['nonsense', 'offers'],
  [Buffer.from('["a"]').toString('base64url'), 'offers'],
  [Buffer.from('[1,2]').toString('base64url'), 'offers'],
  [Buffer.from('{}').toString('base64url'), 'apps'],
  [Buffer.from('["node_nobody"]').toString('base64url'), 'nodes'],
  ['x'.repeat(501), 'accounts']
])('refuses the cursor %s of %s with a hint', async (cursor, list) => {
  const {status, json} = await world.actors.ask('GET', `/v1/${list}?cursor=${cursor}`)
  expect(status).toBe(400)
  expect(json.error).toMatchObject({code: 'invalid_input', hint: expect.any(String)})
})
