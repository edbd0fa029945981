import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {answerSignIn, type SignInChallenge} from '../../src/app-client/sign-in.ts'
import {webKeyOfSeed} from '../../src/app-client/web-key.ts'
import {newRedemptionCode} from '../../src/identity/redemption-codes.ts'
import {type Actors, type Person, startWorld} from '../coordinator/coordinator-world.ts'

/** The counter's server of examples/counter, as a process of its own beside a real coordinator; its page has its test in test/web/counter.test.ts. */
const SERVER = fileURLToPath(new URL('../../examples/counter/api/server.mjs', import.meta.url))
const ORIGIN = 'https://counter--colibris.example.org'
const LEAF = 'colibris/LEAF'
const SEED_BYTES = 32

let world: Awaited<ReturnType<typeof startWorld>>
let actors: Actors
let org: Person
let ann: Person
let offer: string
let child: ChildProcess
let url: string

beforeAll(async () => {
  world = await startWorld()
  ;({actors} = world)
  org = await actors.colibris()
  await actors.person('creometry', world.operator)
  ann = await actors.person('ann')
  await actors.apply('operator', world.operator, {type: 'allot', account: ann.id, amountMicroGutta: 1_000_000})
  const order = {type: 'order.place', incentive: LEAF, priceMicroGutta: 10, lots: 5, kind: 'limit', timeInForce: 'GTC'} as const
  await actors.apply(org.id, org.key, {...order, side: 'sell'})
  await actors.apply(ann.id, ann.key, {...order, side: 'buy'})
  const tea = {item: 'Tea', priceMinor: 150, stock: 3, where: 'in-store'} as const
  offer = `off_${(await actors.apply(org.id, org.key, {type: 'offer.add', incentive: LEAF, offer: tea})).seq}`
  const env = {
    ...{COORDINATOR_URL: actors.url, NETWORK: actors.networkId, INCENTIVE: LEAF, ORIGIN, EXCHANGE: 'https://exchange.example.org/'},
    ...{SESSION_SECRET: Buffer.alloc(SEED_BYTES, 7).toString('base64url'), PORT: '0', PATH: process.env.PATH}
  }
  child = spawn(process.execPath, [SERVER], {env, stdio: ['ignore', 'pipe', 'inherit']})
  const [line] = (await once(createInterface({input: child.stdout as NodeJS.ReadableStream}), 'line')) as [string]
  url = `http://127.0.0.1:${/\d+$/.exec(line)?.[0]}/api`
})
afterAll(async () => {
  child.kill('SIGKILL')
  await world.close()
})

interface Said {
  readonly status: number
  readonly body: Record<string, never>
}

async function ask(path: string, {body, token}: {body?: unknown; token?: string} = {}): Promise<Said> {
  const headers = token === undefined ? {} : {authorization: `Bearer ${token}`}
  const answer = await fetch(`${url}${path}`, {headers, ...(body !== undefined && {method: 'POST', body: JSON.stringify(body)})})
  return {status: answer.status, body: (await answer.json()) as Record<string, never>}
}

async function signIn(person: Person): Promise<string> {
  const challenge = (await ask('/challenge')).body as unknown as SignInChallenge
  const {d = ''} = person.key.privateKey.export({format: 'jwk'})
  const key = await webKeyOfSeed(new Uint8Array(Buffer.from(d, 'base64url')))
  const answer = await answerSignIn(challenge, {signer: {account: person.id, key}, origin: ORIGIN, network: actors.networkId})
  const {body} = await ask('/session', {body: answer})
  expect(body).toMatchObject({name: person.name, isKeeper: person.name === 'colibris'})
  return String(body.token)
}

async function until<T>(read: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await read()
    if (holds(value)) return value
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

it('a customer signs in, pays, and is handed over by the code; the stock falls, and the server was told by a webhook that it has verified', async () => {
  const set = await actors.signed('POST', '/v1/orgs/colibris/webhook', org.key, {body: {url: `${url}/webhook`}})
  expect(set.status).toBe(200)
  const [customer, keeper] = [await signIn(ann), await signIn(org)]
  expect((await ask('/mine', {token: customer})).body).toEqual({availableMinor: '500', redemptions: []})
  const stock = async (): Promise<number> => {
    const {offers} = (await ask('/')).body as unknown as {offers: {id: string; stock: number}[]}
    return offers.find(({id}) => id === offer)?.stock ?? 0
  }
  expect(await stock()).toBe(3)
  const {kept} = newRedemptionCode(ann.key, actors.networkId)
  const {result} = await actors.apply(ann.id, ann.key, {type: 'redemption.request', offer, quantity: 1, code: kept})
  const waiting = async () => (await ask('/waiting', {token: keeper})).body as unknown as {waiting: {id: string}[]; told: object[]}
  const {waiting: found} = await until(waiting, ({told}) => told.length === 1)
  expect(found).toMatchObject([{id: result.redemption, codeHash: kept.hash}])
  expect(await stock()).toBe(2)
  expect((await ask('/mine', {token: customer})).body).toMatchObject({availableMinor: '350', redemptions: [{status: 'held'}]})
  await actors.apply(org.id, org.key, {type: 'redemption.capture', redemption: String(result.redemption)})
  const {told} = await until(waiting, ({told: all}) => all.length === 2)
  expect(told).toMatchObject([
    {type: 'redemption.captured', redemption: {id: result.redemption, item: 'Tea'}},
    {type: 'redemption.requested'}
  ])
  expect((await waiting()).waiting).toEqual([])
})

it('what is not signed, not signed in or not the shopkeeper’s is refused', async () => {
  expect(await ask('/webhook', {body: {v: 1, type: 'redemption.captured'}})).toMatchObject({
    status: 401,
    body: {error: {code: 'verification_failed'}}
  })
  expect((await ask('/mine')).status).toBe(401)
  const token = await signIn(ann)
  const forged = Buffer.from(JSON.stringify({account: org.id, name: 'colibris', isKeeper: true, untilMs: Date.now() + 1000})).toString(
    'base64url'
  )
  expect((await ask('/waiting', {token: `${forged}.${token.split('.')[1]}`})).status).toBe(401)
  expect(await ask('/waiting', {token})).toMatchObject({status: 403, body: {error: {code: 'forbidden'}}})
  expect((await ask('/session', {body: {account: org.id}})).body).toMatchObject({error: {code: 'invalid_input'}})
  expect((await ask('/elsewhere')).status).toBe(404)
})
