import {randomUUID} from 'node:crypto'
import {once} from 'node:events'
import {createServer, type IncomingHttpHeaders, type Server, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {afterAll, afterEach, beforeAll, beforeEach, expect, it} from 'vitest'
import {type VerifiedWebhook, verifyWebhook} from '../../src/app-client/webhooks.ts'
import type {Coordinator} from '../../src/coordinator/server.ts'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import {signCommand} from '../../src/identity/commands.ts'
import {newRedemptionCode} from '../../src/identity/redemption-codes.ts'
import {Actors, type Answer, type Person, startWorld} from './coordinator-world.ts'

const PATH = '/v1/orgs/colibris/webhook'
const REDEMPTION_TIMEOUT_MS = 5 * 60_000

interface Told {
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

let world: Awaited<ReturnType<typeof startWorld>>
let coordinator: Coordinator
let actors: Actors
let org: Person
let ann: Person
let offer: string
let aheadMs = 0
let server: Server
let told: Told[]
/** What the server does with a request; 204 when there is none left. */
let answers: ((response: ServerResponse) => void)[]
let arrived: (() => void) | undefined

beforeAll(async () => {
  world = await startWorld({nowMs: () => Date.now() + aheadMs})
  ;({coordinator, actors} = world)
  org = await actors.colibris()
  await actors.person('creometry', world.operator)
  ann = await actors.person('ann')
  await actors.apply('operator', world.operator, {type: 'allot', account: ann.id, amountMicroGutta: 1_000_000})
  const order = {type: 'order.place', incentive: 'colibris/LEAF', priceMicroGutta: 10, lots: 50, kind: 'limit', timeInForce: 'GTC'} as const
  await actors.apply(org.id, org.key, {...order, side: 'sell'})
  await actors.apply(ann.id, ann.key, {...order, side: 'buy'})
  const item = {item: 'Espresso', priceMinor: 100, stock: 1000, where: 'in-store'} as const
  offer = `off_${(await actors.apply(org.id, org.key, {type: 'offer.add', incentive: 'colibris/LEAF', offer: item})).seq}`
})
afterAll(async () => {
  if (coordinator !== world.coordinator) await coordinator.close()
  await world.close()
})

beforeEach(async () => {
  told = []
  answers = []
  server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const answer = answers.shift() ?? ((to: ServerResponse) => void to.writeHead(204).end())
    answer(response)
    told.push({headers: request.headers, text})
    arrived?.()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  await ask('/remove', {})
  server.closeAllConnections()
  server.close()
})

const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?of=creo`
const ask = (path: string, body?: object, key = org.key): Promise<Answer> =>
  actors.signed(body === undefined ? 'GET' : 'POST', `${PATH}${path}`, key, {...(body && {body}), nowMs: Date.now() + aheadMs})
const set = (): Promise<Answer> => ask('', {url: url()})
const show = async () => (await ask('')).json.webhook as unknown as Record<string, unknown>

async function redeem(): Promise<string> {
  const {kept} = newRedemptionCode(ann.key, actors.networkId)
  const {result} = await apply(ann, {type: 'redemption.request', offer, quantity: 1, code: kept})
  return String(result.redemption)
}

async function apply({id: account, key}: Person, body: CommandBody): Promise<{seq: number; result: Record<string, unknown>}> {
  const {networkId: network} = actors
  const command = signCommand({network, account, key, idempotencyKey: randomUUID(), notAfterMs: Date.now() + aheadMs + 60_000, body})
  const answer = await actors.send(command)
  if (answer.status !== 'applied') throw new Error(JSON.stringify(answer))
  return answer
}

/** What the server was told, once it is so much, each verified. */
async function toldEvents(count: number): Promise<VerifiedWebhook['event'][]> {
  while (told.length < count)
    await new Promise<void>((resolve) => {
      arrived = resolve
    })
  const {networkId: network, coordinatorKey} = actors
  const terms = {network, coordinatorKey, org: 'colibris', nowMs: Date.now() + aheadMs}
  return Promise.all(told.map(async ({headers, text}) => (await verifyWebhook({method: 'POST', headers, text}, terms)).event))
}

/** Until the coordinator has settled what was told. */
async function until(holds: (webhook: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
  for (;;) {
    const webhook = await show()
    if (holds(webhook)) return webhook
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

it('tells the org of each redemption: requested, captured, released and expired, signed, once, and without its code', async () => {
  expect((await set()).json).toMatchObject({webhook: {url: url(), waiting: 0, failing: null, lastDeliveredAtMs: null}})
  const captured = await redeem()
  await apply(org, {type: 'redemption.capture', redemption: captured})
  const released = await redeem()
  await apply(org, {type: 'redemption.release', redemption: released, reason: 'None left.'})
  const events = await toldEvents(4)
  const of = (id: string) => events.filter(({redemption}) => redemption?.id === id).map(({type}) => type)
  expect(of(captured)).toEqual(['redemption.requested', 'redemption.captured'])
  expect(of(released)).toEqual(['redemption.requested', 'redemption.released'])
  const ended = events.find(({type}) => type === 'redemption.released')
  expect(ended?.redemption).toMatchObject({offer, item: 'Espresso', amountMinor: '100', holder: ann.id, reason: 'None left.'})
  expect(new Set(events.map(({id}) => id)).size).toBe(4)
  for (const {text} of told) expect(text).not.toMatch(/code|salt|hash/i)
  const expired = await redeem()
  await toldEvents(5)
  aheadMs += REDEMPTION_TIMEOUT_MS + 1000
  told = []
  expect(await toldEvents(1)).toMatchObject([{type: 'redemption.expired', redemption: {id: expired}}])
  expect((await ask('/deliveries')).json.deliveries).toHaveLength(6)
})

it('tells it again until it arrived, with the same id and in order, and shows what went wrong meanwhile', async () => {
  const {networkId} = actors
  answers = [(to) => void to.writeHead(302, {location: '/elsewhere'}).end(), (to) => void to.writeHead(500).end('x'.repeat(100_000))]
  await set()
  const id = await redeem()
  await apply(org, {type: 'redemption.capture', redemption: id})
  expect(await until(({failing}) => failing !== null)).toMatchObject({waiting: 2, failing: {attempts: 1, said: 'it answered 302'}})
  aheadMs += 10_000
  expect(await until(({failing}) => (failing as {attempts?: number})?.attempts === 2)).toMatchObject({failing: {said: 'it answered 500'}})
  aheadMs += 20_000
  expect(await until(({waiting}) => waiting === 0)).toMatchObject({failing: null, givenUp: 0})
  const ids = told.map(({text}) => JSON.parse(text) as {id: string; type: string; network: string})
  expect(ids.map(({type}) => type)).toEqual([...Array(3).fill('redemption.requested'), 'redemption.captured'])
  expect(new Set(ids.map((one) => one.id)).size).toBe(2)
  expect(ids.every(({network}) => network === networkId)).toBe(true)
})

it('gives an event up after three days, and tells it again once the org asks for that', async () => {
  answers = [(to) => void to.destroy()]
  await set()
  const id = await redeem()
  await until(({failing}) => failing !== null)
  // The redemption has expired by then, and that is told next.
  answers = Array.from({length: 5}, () => (to: ServerResponse) => void to.writeHead(503).end())
  aheadMs += 73 * 3600_000
  expect(await until(({givenUp}) => givenUp === 1)).toMatchObject({failing: {said: 'it answered 503'}})
  const [delivery] = (await ask('/deliveries?state=given_up')).json.deliveries as unknown as {id: string; redemption: string}[]
  expect(delivery?.redemption).toBe(id)
  expect((await ask('/deliveries/retry', {delivery: 'evt_9_9'})).json.error?.code).toBe('not_found')
  answers = []
  aheadMs += 60_000
  expect((await ask('/deliveries/retry', {})).json).toEqual({retried: 1})
  await until(({waiting, givenUp}) => waiting === 0 && givenUp === 0)
  expect((await ask('/deliveries/retry', {delivery: delivery?.id ?? ''})).json.error?.code).toBe('conflict')
  expect((await ask('/deliveries/retry', {})).json).toEqual({retried: 0})
})

it('answers how its server took a test, and keeps the address from all but keys of the org', async () => {
  expect((await ask('/test', {})).json.error?.code).toBe('not_found')
  expect((await ask('')).json).toEqual({webhook: null})
  await set()
  expect((await ask('/test', {})).json).toMatchObject({status: 204})
  expect(await toldEvents(1)).toMatchObject([{type: 'webhook.test', org: 'colibris'}])
  answers = [(to) => void to.writeHead(404).end()]
  expect((await ask('/test', {})).json).toMatchObject({status: 404, said: 'it answered 404'})
  answers = [(to) => void to.destroy()]
  expect((await ask('/test', {})).json).toMatchObject({status: null, said: expect.stringMatching(/hang up|ECONNRESET/)})
  for (const path of ['', '/deliveries']) expect((await ask(path, undefined, ann.key)).json.error?.code).toBe('forbidden')
  for (const path of ['', '/test', '/remove', '/deliveries/retry'])
    expect((await ask(path, path === '' ? {url: url()} : {}, ann.key)).json.error?.code).toBe('forbidden')
  for (const wrong of [
    'shop.example.org',
    'ftp://x.example',
    'http://ann:secret@x.example/',
    'http://x.example/#a',
    `http://x.example/${'a'.repeat(600)}`
  ])
    expect((await ask('', {url: wrong})).json.error?.code).toBe('invalid_input')
  expect((await ask('/remove', {})).json).toEqual({status: 'removed'})
  expect((await ask('/remove', {})).json).toEqual({status: 'already_removed'})
})

it('tells what was committed and not told before it stopped, once it is started again, and nothing twice', async () => {
  await set()
  await redeem()
  await toldEvents(1)
  answers = Array(3).fill((to: ServerResponse) => void to.destroy())
  const id = await redeem()
  await coordinator.close()
  coordinator = await world.start()
  actors = new Actors({networkId: actors.networkId, coordinatorKey: actors.coordinatorKey, url: coordinator.url})
  answers = []
  aheadMs += 60_000
  const toldOf = (): unknown[] => told.map(({text}) => (JSON.parse(text) as {redemption: {id: string}}).redemption.id)
  while (toldOf().at(-1) !== id) await toldEvents(told.length + 1)
  await until(({waiting}) => waiting === 0)
  expect((await ask('/deliveries')).json.deliveries).toHaveLength(2)
})
