import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {createClient} from '../../src/client/client.ts'
import {readEvents} from '../../src/client/event-stream.ts'
import {WATCHERS_PER_CLIENT_MAX} from '../../src/coordinator/events/event-hub.ts'
import type {NetworkEvent} from '../../src/core/protocol/events.ts'
import {signRequest} from '../../src/identity/http-signatures.ts'
import {proveKey} from '../../src/identity/key-proofs.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {Actors, type Person, startWorld} from './coordinator-world.ts'

interface Told {
  readonly name: string
  readonly id: number
  readonly data: Record<string, unknown>
}
type World = Awaited<ReturnType<typeof startWorld>>

let world: World
let org: Person
let buyer: Person

beforeAll(async () => {
  world = await startWorld()
  org = await world.actors.colibris()
  buyer = await world.actors.person('ann')
  await world.actors.person('creometry', world.operator)
  await world.actors.apply('operator', world.operator, {type: 'allot', account: buyer.id, amountMicroGutta: 100_000_000})
})
afterAll(() => world.close())

interface Asked {
  readonly url?: string
  readonly headers?: Record<string, string>
}

/** Everything that a stream tells until `isEnough` says so. */
async function told(query: string, isEnough: (all: readonly Told[]) => boolean, asked: Asked = {}): Promise<Told[]> {
  return (await opened(query, isEnough, asked)).all
}

/** A stream that is there, so that nothing is missed of what happens from now on, and what it will have told by then. */
async function opened(query: string, isEnough: (all: readonly Told[]) => boolean, asked: Asked = {}): Promise<{all: Promise<Told[]>}> {
  if (asked.headers === undefined) await allTold(asked.url ?? world.actors.url)
  const ended = new AbortController()
  const all: Told[] = []
  const response = await fetch(`${asked.url ?? world.actors.url}/v1/events?${query}`, {signal: ended.signal, headers: asked.headers ?? {}})
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
  const read = async (): Promise<Told[]> => {
    for await (const event of readEvents(response.body as unknown as AsyncIterable<Uint8Array>)) {
      if (event.name !== '') all.push({name: event.name, id: Number(event.id), data: JSON.parse(event.data)})
      if (isEnough(all)) break
    }
    ended.abort()
    return all
  }
  return {all: read()}
}

/** Until all that was committed is told: a group is told once the projections have it, also to who begins to watch between. */
async function allTold(url: string): Promise<void> {
  for (;;) {
    const {sequence} = (await (await fetch(`${url}/v1/network`)).json()) as {sequence: number}
    const ended = new AbortController()
    const response = await fetch(`${url}/v1/events?topic=groups`, {signal: ended.signal})
    const {value} = await readEvents(response.body as unknown as AsyncIterable<Uint8Array>).next()
    ended.abort()
    if (value !== undefined && (JSON.parse(value.data) as {sequence: number}).sequence >= sequence) return
  }
}

function order(side: 'buy' | 'sell', priceMicroGutta: number, lots = 1) {
  return {type: 'order.place', incentive: 'colibris/LEAF', side, priceMicroGutta, lots, kind: 'limit', timeInForce: 'GTC'} as const
}

async function trade(price: number): Promise<number> {
  await world.actors.apply(org.id, org.key, order('sell', price))
  return (await world.actors.apply(buyer.id, buyer.key, order('buy', price))).seq
}

const named = (all: readonly Told[], name: string): Told[] => all.filter((one) => one.name === name)

describe('a stream of events', () => {
  it('tells trades, orders and groups once they are committed, with the sequence as id', async () => {
    const watched = await opened(
      'topic=trades,orders&topic=groups',
      (all) => named(all, 'trade').length === 1 && named(all, 'order').length >= 3
    )
    const seq = await trade(500)
    const all = await watched.all
    expect(all[0]).toMatchObject({name: 'open', data: {sequence: expect.any(Number)}})
    expect(named(all, 'trade')).toMatchObject([{data: {incentive: 'colibris/LEAF', priceMicroGutta: '500', lots: '1', seq, index: 0}}])
    expect(named(all, 'order').at(-1)?.data).toMatchObject({status: 'filled', remainingLots: '0'})
    expect(named(all, 'group')[0]?.data).toMatchObject({firstSeq: seq - 1})
  })

  it('tells a market’s book whole and then what changes of it, candles and tickers, and goes on after the last event that came', async () => {
    const {seq} = await world.actors.apply(org.id, org.key, order('sell', 700, 3))
    const query = 'topic=books,candles,tickers&incentive=colibris/LEAF&span=1h'
    const watched = await opened(query, (all) => named(all, 'candle').length === 1 && named(all, 'ticker').length === 1)
    await world.actors.apply(buyer.id, buyer.key, order('buy', 700, 2))
    const all = await watched.all
    const books = named(all, 'book').map(({data}) => data)
    expect(books[0]).toMatchObject({whole: true, bids: [], asks: [{priceMicroGutta: '700', lots: '3'}]})
    expect(books.at(-1)).toMatchObject({whole: false, bids: [], asks: [{priceMicroGutta: '700', lots: '1'}], sequence: seq + 1})
    expect(named(all, 'candle')[0]?.data).toMatchObject({span: '1h', closeMicroGutta: '700', trades: expect.any(Number)})
    expect(named(all, 'ticker')[0]?.data).toMatchObject({last: {priceMicroGutta: '700'}, bestAskMicroGutta: '700'})
    const since = await told(query, (seen) => named(seen, 'book').length === 1, {headers: {'last-event-id': String(seq)}})
    expect(named(since, 'open')[0]?.data).toEqual({sequence: seq})
    expect(named(since, 'book')[0]?.data).toEqual(books.at(-1))
    await world.actors.apply(org.id, org.key, {type: 'orders.cancel'})
  })

  it('leaves out what its filters do not choose', async () => {
    const query = `topic=orders,apps&account=ann&app=colibris/garden`
    const watched = await opened(query, (all) => named(all, 'app').length === 1)
    await trade(400)
    await world.actors.deploy(org, true, `sha256:${'b'.repeat(64)}`)
    const all = await watched.all
    expect(new Set(named(all, 'order').map(({data}) => data.account))).toEqual(new Set([buyer.id]))
    expect(named(all, 'app')[0]?.data).toMatchObject({org: 'colibris', app: 'garden', change: 'deployed', revisions: [expect.any(String)]})
  })

  it('goes on after the last event that came, with nothing twice and nothing left out, also with a coordinator that was started again', async () => {
    const first = await trade(300)
    for (const price of [301, 302, 303]) await trade(price)
    const since = (id: number, url?: string): Promise<Told[]> =>
      told('topic=trades', (all) => named(all, 'trade').some(({data}) => data.priceMicroGutta === '303'), {
        headers: {'last-event-id': String(id)},
        ...(url !== undefined && {url})
      })
    const prices = (all: Told[]): unknown[] => named(all, 'trade').map(({data}) => data.priceMicroGutta)
    expect(prices(await since(first))).toEqual(['301', '302', '303'])
    expect(prices(await since(first - 1))).toEqual(['300', '301', '302', '303'])
    await world.coordinator.close()
    const again = await world.start()
    world = {
      ...world,
      coordinator: again,
      actors: new Actors({...world.actors, url: again.url}),
      close: async () => {
        await again.close()
        await world.folder.remove()
      }
    }
    expect(prices(await since(first, again.url))).toEqual(['301', '302', '303'])
    const books = 'topic=books&incentive=colibris/LEAF'
    const anew = await told(books, (all) => all.length === 2, {headers: {'last-event-id': String(first)}, url: again.url})
    expect(anew).toMatchObject([{name: 'reset'}, {name: 'book', data: {whole: true}}])
  })

  it('says that everything is to be read anew to who names a sequence that is not there', async () => {
    const all = await told('topic=trades', (seen) => seen.length === 1, {headers: {'last-event-id': '999999'}})
    expect(all).toMatchObject([{name: 'reset', data: {sequence: expect.any(Number)}}])
  })

  it('tells leases, and nodes that come and drain', async () => {
    const node = await world.actors.node(org)
    const watched = await opened(
      `topic=leases,nodes&node=${node.id}`,
      (all) => named(all, 'lease').length > 0 && named(all, 'node').some(({data}) => data.state === 'draining')
    )
    await world.actors.heartbeat(node)
    await world.actors.leased(node)
    await world.actors.heartbeat(node, {draining: true, instances: 3})
    const all = await watched.all
    expect(named(all, 'lease')[0]?.data).toMatchObject({org: 'colibris', app: 'garden', function: 'api', node: node.id, status: 'active'})
    // That it enrolled is told once the projections have it, which may be after somebody began to watch.
    const states = named(all, 'node').filter(({data}) => data.state !== 'enrolled')
    expect(states.map(({data}) => [data.state, data.instances])).toEqual([
      ['there', 0],
      ['draining', 3]
    ])
  })

  it.each([
    ['topic=weather', 400, 'invalid_input'],
    ['topic=trades&colour=red', 400, 'invalid_input'],
    ['', 400, 'invalid_input'],
    ['topic=orders&account=nobody', 404, 'not_found'],
    ['topic=instances', 400, 'invalid_input'],
    ['topic=instances&app=colibris/garden', 401, 'unauthorized']
  ])('refuses ?%s with %i %s', async (query, status, code) => {
    const answer = await world.actors.ask('GET', `/v1/events?${query}`)
    expect([answer.status, answer.json.error?.code]).toEqual([status, code])
    expect(answer.json.error?.message).toMatch(/\.$|:/)
  })

  it('refuses a place that is no sequence, and has no HEAD', async () => {
    const headers = {'last-event-id': 'yesterday'}
    expect((await world.actors.ask('GET', '/v1/events?topic=trades', {headers})).json.error?.code).toBe('invalid_input')
    expect((await fetch(`${world.actors.url}/v1/events?topic=trades`, {method: 'HEAD'})).status).toBe(404)
  })
})

describe('what instances do', () => {
  const query = 'topic=instances&app=colibris/garden'
  const signedBy = (key: Person['key']): Record<string, string> =>
    signRequest({method: 'GET', url: `${world.actors.url}/v1/events?${query}`, key, nowMs: Date.now()})

  it('is told to keys of the org alone, until they are taken away', async () => {
    expect((await world.actors.signed('GET', `/v1/events?${query}`, buyer.key)).json.error?.code).toBe('forbidden')
    const node = await world.actors.node(org)
    await world.actors.heartbeat(node)
    const {lease} = await world.actors.leased(node)
    const viewer = generateKeyPair()
    const proof = proveKey(viewer, {network: world.actors.networkId, account: org.id})
    await world.actors.apply(org.id, org.key, {type: 'key.add', publicKey: viewer.publicKey, roles: ['viewer'], proof})
    const watched = await opened(query, (all) => named(all, 'instance').length === 2, {headers: signedBy(viewer)})
    const other = await opened(query, () => false, {headers: signedBy(viewer)})
    const line = {revision: lease.revision, instance: 'i-1', atMs: Date.now(), line: 'It crashed.', failure: {reason: 'crash', exitCode: 3}}
    await world.actors.heartbeat(node, {instances: 1, running: [{revision: lease.revision, instances: 1}], logs: [line]})
    const all = await watched.all
    expect(named(all, 'instance').map(({data}) => data)).toMatchObject([
      {function: 'api', node: node.id, revision: lease.revision, instances: 1},
      {failure: {reason: 'crash', exitCode: 3, instance: 'i-1', line: 'It crashed.'}}
    ])
    const revoked = viewer.keyId
    await world.actors.apply(org.id, org.key, {type: 'key.revoke', keyId: revoked})
    await allTold(world.actors.url)
    await world.actors.heartbeat(node, {instances: 0, running: []})
    expect(named(await other.all, 'instance')).toHaveLength(2)
  })
})

it('lets one address have so many watchers and no more, and ends all with the coordinator', async () => {
  const one = await startWorld()
  const ended = Array.from({length: WATCHERS_PER_CLIENT_MAX}, () => told('topic=groups', () => false, {url: one.actors.url}))
  await expect
    .poll(async () => (await (await fetch(`${one.actors.url}/metrics`)).text()).match(/creo_events_watchers (\d+)/)?.[1])
    .toBe(String(WATCHERS_PER_CLIENT_MAX))
  expect((await one.actors.ask('GET', '/v1/events?topic=groups')).json.error?.code).toBe('rate_limited')
  await one.close()
  expect((await Promise.all(ended)).map((all) => all.map(({name}) => name))).toEqual(ended.map(() => ['open']))
})

it("is followed by creo's own client", async () => {
  const {actors} = world
  const ended = new AbortController()
  const client = createClient({
    coordinatorUrl: actors.url,
    networkId: actors.networkId,
    coordinatorKey: actors.coordinatorKey,
    now: Date.now
  })
  const seen: NetworkEvent[] = []
  const opened = Promise.withResolvers<void>()
  const watching = (async () => {
    for await (const event of client.watch({topics: ['trades'], incentive: 'colibris/LEAF'}, ended.signal)) {
      seen.push(event)
      opened.resolve()
      if (event.name === 'trade') return
    }
  })()
  await opened.promise
  const seq = await trade(250)
  await watching
  expect(seen.map(({name}) => name)).toEqual(['open', 'trade'])
  expect(seen[1]).toMatchObject({id: expect.any(Number), data: {seq, priceMicroGutta: 250}})
  await client.close()
})
