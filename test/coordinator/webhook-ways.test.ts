import {once} from 'node:events'
import {createServer, type Server} from 'node:https'
import {type AddressInfo, connect} from 'node:net'
import {join} from 'node:path'
import {setImmediate as turn} from 'node:timers/promises'
import Database from 'better-sqlite3'
import {pino} from 'pino'
import {afterEach, beforeEach, expect, it} from 'vitest'
import {ENDED_PER_ORG_MAX} from '../../src/coordinator/webhooks/webhook-store.ts'
import {Webhooks, waitAfter} from '../../src/coordinator/webhooks/webhooks.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import type {CommittedGroup, Ledger, RecentGroup} from '../../src/ledger/port.ts'
import {selfSignedCertificate} from '../../src/tunnel/self-signed.ts'
import {temporaryFolder} from './coordinator-world.ts'

const HOST = 'hooks.example.org'
const {signal} = new AbortController()
const keyId = 'a'.repeat(32)
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let server: Server
let names: Record<string, readonly string[]>
let dialled: string[]
let webhooks: Webhooks
/** The journal of a ledger that is not there, and who listens to it. */
let journal: RecentGroup[]
let listener: ((group: CommittedGroup) => void) | undefined

beforeEach(async () => {
  folder = await temporaryFolder()
  journal = []
  dialled = []
  names = {
    [HOST]: ['93.184.216.34'],
    'inside.example.org': ['93.184.216.34', '10.0.0.7'],
    'home.example.org': ['198.41.0.4'],
    'nowhere.example.org': []
  }
  const certificate = selfSignedCertificate(generateKeyPair(), HOST)
  server = createServer(certificate, (request, response) => {
    request.resume().on('end', () => response.writeHead(204).end())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  webhooks = open(certificate.cert)
})
afterEach(async () => {
  await webhooks.close()
  server.closeAllConnections()
  server.close()
  await folder.remove()
})

function open(ca: string, anywhere = false): Webhooks {
  const {port} = server.address() as AddressInfo
  const redemption = (id: string) => ({
    id,
    offer: 'off_1',
    incentive: 'colibris/LEAF',
    holder: `acc_${keyId}`,
    quantity: 1,
    amountMinor: 5,
    requestedAtMs: 1
  })
  const ledger = {
    networkId: 'b'.repeat(64),
    get sequence() {
      return journal.at(-1)?.lastSeq ?? 0
    },
    nowMs: Date.now,
    onCommitted: (to: typeof listener) => {
      listener = to
      return () => undefined
    },
    reads: {
      redemption,
      offer: () => ({item: 'Espresso'}),
      groupsAfter: (seq: number) => journal.filter(({lastSeq}) => lastSeq > seq).slice(0, 2)
    }
  } as unknown as Ledger
  return new Webhooks({
    path: join(folder.path, 'webhooks.sqlite'),
    ...{ledger, key: generateKeyPair(), timeoutMs: 1000, anywhere, log: pino({level: 'silent'})},
    web: {
      ca,
      resolve: async (host) => names[host] ?? [],
      ownNetworks: () => ['198.41.0.0/24'],
      connect: (address, at) => {
        dialled.push(`${address}:${at}`)
        return connect(port, '127.0.0.1')
      }
    }
  })
}

function commit(seq: number): CommittedGroup {
  const effects = [{type: 'redemption.ended', id: `red_${seq}`, status: 'captured'}] as const
  const group = {firstSeq: seq, lastSeq: seq, commands: [{seq, atMs: 1, effects}]}
  journal.push(group)
  return group as unknown as CommittedGroup
}

it('goes to https addresses in the public internet alone, and connects to the address that was looked at', async () => {
  for (const url of [
    'http://hooks.example.org/',
    'https://127.0.0.1/',
    'https://[::1]/',
    'https://10.0.0.7/',
    'https://169.254.169.254/',
    'https://hooks.example.org:25/'
  ])
    expect(() => webhooks.set({org: 'colibris', url, keyId})).toThrow(expect.objectContaining({code: 'forbidden'}))
  webhooks.set({org: 'colibris', url: `https://${HOST}/hook`, keyId})
  expect(await webhooks.test('colibris', signal)).toMatchObject({status: 204})
  expect(dialled).toEqual(['93.184.216.34:443'])
})

it('refuses a name that has any address inside, in a network of this machine, or none', async () => {
  for (const [host, said] of [
    ['inside.example.org', 'private address 10.0.0.7'],
    ['home.example.org', 'only public addresses are reached'],
    ['nowhere.example.org', 'has no address']
  ] as const) {
    webhooks.set({org: 'colibris', url: `https://${host}/hook`, keyId})
    expect(await webhooks.test('colibris', signal)).toMatchObject({status: null, said: expect.stringContaining(said)})
  }
  expect(dialled).toEqual([])
})

it('goes to this machine, over TLS or without, in a network that is tried out', async () => {
  const certificate = selfSignedCertificate(generateKeyPair(), 'localhost')
  server.close()
  server = createServer(certificate, (request, response) => {
    request.resume().on('end', () => response.writeHead(202).end())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  await webhooks.close()
  webhooks = open(certificate.cert, true)
  webhooks.set({org: 'colibris', url: `https://localhost:${(server.address() as AddressInfo).port}/hook`, keyId})
  expect(await webhooks.test('colibris', signal)).toMatchObject({status: 202})
  webhooks.set({org: 'colibris', url: `http://localhost:${(server.address() as AddressInfo).port}/hook`, keyId})
  expect(await webhooks.test('colibris', signal)).toMatchObject({status: null})
})

it('ends a test at once when who asked has gone', async () => {
  const gone = new AbortController()
  names[HOST] = new Promise(() => undefined) as unknown as string[]
  webhooks.set({org: 'colibris', url: `https://${HOST}/hook`, keyId})
  const tested = webhooks.test('colibris', gone.signal)
  gone.abort()
  await expect(tested).rejects.toMatchObject({name: 'AbortError'})
})

it('reads from the journal what was committed and not noted down before it was killed, step by step and each once', () => {
  commit(1)
  webhooks.set({org: 'colibris', url: 'https://nowhere.example.org/', keyId})
  // Committed, and nobody noted them down.
  for (const seq of [2, 3, 4, 5, 6]) commit(seq)
  listener?.(commit(7))
  for (let turn = 0; turn < 5; turn += 1) webhooks.tick(signal)
  const ids = webhooks.store.deliveries('colibris', {state: undefined, limit: 100}).map(({id}) => id)
  expect(ids.toReversed()).toEqual([2, 3, 4, 5, 6, 7].map((seq) => `evt_${seq}_0`))
})

it('does not note down what the projections do not show yet', () => {
  webhooks.set({org: 'colibris', url: 'https://nowhere.example.org/', keyId})
  listener?.(commit(1))
  commit(2)
  for (let turn = 0; turn < 3; turn += 1) webhooks.tick(signal)
  expect(webhooks.store.deliveries('colibris', {state: undefined, limit: 100})).toHaveLength(1)
})

it('forgets what was told beyond the end of a ledger that was restored', async () => {
  webhooks.set({org: 'colibris', url: 'https://nowhere.example.org/', keyId})
  for (const seq of [1, 2, 3]) listener?.(commit(seq))
  for (let turn = 0; turn < 3; turn += 1) webhooks.tick(signal)
  expect(webhooks.store.toldSeq).toBe(3)
  await webhooks.close()
  journal.length = 1
  webhooks = open('')
  listener?.(commit(2))
  for (let turn = 0; turn < 3; turn += 1) webhooks.tick(signal)
  expect(webhooks.store.deliveries('colibris', {state: undefined, limit: 100}).map(({id}) => id)).toEqual(['evt_2_0', 'evt_1_0'])
  expect(webhooks.store.toldSeq).toBe(2)
})

const eventOf = (org: string, seq: number, redemption = `red_${seq}`) => ({
  ...{id: `evt_${seq}_0`, seq, org, type: 'redemption.captured' as const, redemption, body: '{}', atMs: 1}
})

it('gives a server that keeps it waiting one place, and all of them half, so that who answers is told at once', async () => {
  const ending = new AbortController()
  let kept = 0
  const silent = Array.from({length: 20}, (_, at) => `silent${at}`)
  for (const org of silent) {
    Object.defineProperty(names, `${org}.example.org`, {
      get: () => {
        kept += 1
        return new Promise(() => undefined)
      }
    })
    webhooks.set({org, url: `https://${org}.example.org/`, keyId})
  }
  webhooks.set({org: 'colibris', url: `https://${HOST}/hook`, keyId})
  const orgs = [...silent, ...silent, ...Array<string>(9).fill('colibris')]
  webhooks.store.take(
    orgs.map((org, at) => eventOf(org, at + 1)),
    {seq: orgs.length, nowMs: 1}
  )
  const told = () => webhooks.store.deliveries('colibris', {state: 'delivered', limit: 100}).length
  const toldAfter: number[] = []
  while (told() < 9) {
    webhooks.tick(ending.signal)
    if (told() !== toldAfter.at(-1)) toldAfter.push(told())
    await turn()
  }
  // One until it has shown that it answers.
  expect(toldAfter[1]).toBe(1)
  expect(kept).toBe(16)
  ending.abort()
})

it('looks at nothing that waits behind an event before that one is tried again, and at it once that one is over', () => {
  webhooks.set({org: 'colibris', url: `https://${HOST}/hook`, keyId})
  const {store} = webhooks
  const due = (nowMs: number) => store.due('colibris', {nowMs, limit: 10}).map(({id}) => id)
  const settled = (id: string, next: number | null) => store.settle([{org: 'colibris', id, next, said: 'so', nowMs: 1}])
  store.take([eventOf('colibris', 1, 'red_1'), eventOf('colibris', 2, 'red_1')], {seq: 2, nowMs: 1})
  expect(due(1)).toEqual(['evt_1_0'])
  settled('evt_1_0', 5000)
  store.take([eventOf('colibris', 3, 'red_1')], {seq: 3, nowMs: 2})
  expect(store.orgsDue(4999)).toEqual([])
  expect(store.orgsDue(5000)).toEqual(['colibris'])
  expect(due(5000)).toEqual(['evt_1_0'])
  settled('evt_1_0', null)
  expect(due(1)).toEqual(['evt_2_0'])
})

it('keeps a thousand events that arrived and a thousand that were given up, and counts as dropped what was given up before', () => {
  webhooks.set({org: 'colibris', url: 'https://nowhere.example.org/', keyId})
  const {store} = webhooks
  const [arrived, given] = [ENDED_PER_ORG_MAX + 2, ENDED_PER_ORG_MAX + 3]
  const events = Array.from({length: given + arrived}, (_, at) => eventOf('colibris', at + 1))
  store.take(events, {seq: events.length, nowMs: 1})
  // The oldest are given up after the others arrived: those don't push them out.
  const settle = (ended: typeof events, next: 'given_up' | null) =>
    store.settle(ended.map(({id}) => ({org: 'colibris', id, next, said: 'so', nowMs: 1})))
  settle(events.slice(given), null)
  settle(events.slice(0, given), 'given_up')
  expect(store.view('colibris')).toMatchObject({waiting: 0, givenUp: ENDED_PER_ORG_MAX, dropped: 3})
  expect(store.deliveries('colibris', {state: 'delivered', limit: 5000})).toHaveLength(ENDED_PER_ORG_MAX)
})

it('tells an org nothing of before its webhook was set, though others had theirs, and no less once its address changes', async () => {
  webhooks.set({org: 'colibris', url: 'https://nowhere.example.org/', keyId})
  commit(1)
  commit(2)
  webhooks.set({org: 'amapolis', url: 'https://nowhere.example.org/', keyId})
  commit(3)
  webhooks.set({org: 'amapolis', url: 'https://nowhere.example.org/new', keyId})
  const both = [1, 2, 3].flatMap((seq) => [eventOf('colibris', seq), {...eventOf('amapolis', seq), id: `evt_${seq}_1`}])
  webhooks.store.take(both, {seq: 3, nowMs: 1})
  const told = (org: string) => webhooks.store.deliveries(org, {state: undefined, limit: 10}).map(({id}) => id)
  expect(told('colibris')).toHaveLength(3)
  expect(told('amapolis')).toEqual(['evt_3_1'])
  await webhooks.close()
  webhooks = open('')
  webhooks.store.take(
    [2, 3].map((seq) => ({...eventOf('amapolis', seq), id: `evt_${seq}_2`})),
    {seq: 3, nowMs: 1}
  )
  expect(told('amapolis')).toEqual(['evt_3_2', 'evt_3_1'])
})

it('tells all that comes after a ledger was restored to before a webhook was set, and opens a file that an earlier version made', async () => {
  for (const seq of [1, 2, 3]) commit(seq)
  webhooks.set({org: 'colibris', url: 'https://nowhere.example.org/', keyId})
  await webhooks.close()
  const db = new Database(join(folder.path, 'webhooks.sqlite'))
  db.prepare('UPDATE told SET seq = 2').run()
  db.close()
  journal.length = 2
  webhooks = open('')
  webhooks.store.take([eventOf('colibris', 3)], {seq: 3, nowMs: 1})
  expect(webhooks.store.view('colibris')?.waiting).toBe(1)
  commit(3)
  await webhooks.close()
  const older = new Database(join(folder.path, 'webhooks.sqlite'))
  older.exec('ALTER TABLE hooks DROP COLUMN since_seq')
  older.close()
  webhooks = open('')
  webhooks.store.take([eventOf('colibris', 4)], {seq: 4, nowMs: 1})
  expect(webhooks.store.view('colibris')?.waiting).toBe(2)
})

it('keeps ten thousand events of an org, and counts what comes then', () => {
  webhooks.set({org: 'colibris', url: 'https://nowhere.example.org/', keyId})
  const events = Array.from({length: 10_005}, (_, at) => eventOf('colibris', at + 1))
  webhooks.store.take(events, {seq: 10_005, nowMs: 1})
  expect(webhooks.store.view('colibris')).toMatchObject({waiting: 10_000, dropped: 5})
})

it('waits twice as long after each attempt, give or take a fifth, and an hour at most', () => {
  for (const [attempts, ms] of [
    [0, 5000],
    [1, 10_000],
    [5, 160_000],
    [40, 3600_000]
  ] as const) {
    const waits = Array.from({length: 100}, () => waitAfter(attempts))
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(ms * 0.8)
    expect(Math.max(...waits)).toBeLessThanOrEqual(ms * 1.2)
    expect(new Set(waits).size).toBeGreaterThan(1)
  }
})
