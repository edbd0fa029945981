import {Agent, errors} from 'undici'
import {afterEach, describe, expect, it} from 'vitest'
import {createClient} from '../../src/client/client.ts'
import {ask} from '../../src/client/http.ts'
import {joinNetwork} from '../../src/client/join.ts'
import {CreoError} from '../../src/core/errors.ts'
import {joinToken} from '../../src/core/join-token.ts'
import type {SignedCommand} from '../../src/core/protocol/commands.ts'
import {verifyCommand} from '../../src/identity/commands.ts'
import {sha256Hex} from '../../src/identity/keys.ts'
import {signTable, signTableDelta} from '../../src/identity/tables.ts'
import {type Answer, client, closeAll, coordinator, coordinatorKey, key, NETWORK, refusal, signedTime} from './client-world.ts'

afterEach(closeAll)

const appliedAnswer: Answer = {status: 200, body: {answers: [{status: 'applied', seq: 9, result: {}}]}}
const fund = {type: 'pool.fund', incentive: 'colibris/LEAF', amountMinor: 5} as const

describe('commands', () => {
  it('are signed, and later reads ask for at least their sequence', async () => {
    const {coordinatorUrl, asked} = await coordinator(({url}) =>
      url === '/v1/commands' ? appliedAnswer : {status: 200, body: {incentives: []}}
    )
    const one = client(coordinatorUrl)
    expect(await one.submit(fund)).toMatchObject({status: 'applied', seq: 9})
    const {commands} = JSON.parse(asked[0]!.body) as {commands: [SignedCommand]}
    expect(verifyCommand(commands[0], key.publicKey)).toBe(true)
    await one.incentives()
    expect(asked[1]?.headers['creo-after']).toBe('9')
  })

  it('that are posted together have one signature, by which each of them holds', async () => {
    const answers = [9, 10, 11].map((seq) => ({status: 'applied', seq, result: {}}))
    const {coordinatorUrl, asked} = await coordinator(() => ({status: 200, body: {answers}}))
    await client(coordinatorUrl).submitMany([fund, fund, fund])
    const {commands} = JSON.parse(asked[0]!.body) as {commands: SignedCommand[]}
    expect(new Set(commands.map(({signature}) => signature)).size).toBe(1)
    expect(commands.map((command) => verifyCommand(command, key.publicKey))).toEqual([true, true, true])
  })

  it('read all incentives, page by page, since amounts are shown by their decimals', async () => {
    const incentive = (index: number) => ({
      id: `colibris/L${String(index).padStart(4, '0')}`,
      org: `acc_${'1'.repeat(32)}`,
      name: 'Leaf',
      scope: null,
      decimals: 2,
      lotMinor: '100',
      supplyMinor: '100',
      tradeVolumeLimitMicroGutta: '1',
      tradeVolumeUsedMicroGutta: '0',
      captured: 'burn',
      transferable: false,
      issuedAtMs: 1
    })
    const {coordinatorUrl} = await coordinator(({url}) => {
      const first = Number(new URL(url, 'http://any').searchParams.get('cursor') ?? 0)
      const incentives = Array.from({length: Math.min(1000, 1500 - first)}, (_, index) => incentive(first + index))
      return {status: 200, body: {incentives, ...(first === 0 && {next: '1000'})}}
    })
    expect((await client(coordinatorUrl).incentives()).incentives).toHaveLength(1500)
  })

  it('whose answer got lost are repeated byte for byte', async () => {
    const {coordinatorUrl, asked} = await coordinator((_, count) => (count < 3 ? 'cut' : appliedAnswer))
    await client(coordinatorUrl).submit(fund)
    expect(asked).toHaveLength(3)
    expect(new Set(asked.map(({body}) => body)).size).toBe(1)
  })

  it.each([
    ['insufficient_funds', 'insufficient_funds'],
    ['a_code_of_tomorrow', 'rejected']
  ])('rejected as %s throw %s', async (code, expected) => {
    const {coordinatorUrl} = await coordinator(() => ({status: 200, body: {answers: [{status: 'rejected', seq: 3, code, message: 'No.'}]}}))
    await expect(client(coordinatorUrl).submit(fund)).rejects.toMatchObject({code: expected})
  })

  it.each([
    ['late', 'expired', () => Date.now() - 3 * 86_400_000],
    ['early', 'invalid_input', () => Date.now() + 3 * 86_400_000]
  ])('refused because a clock is %s are signed anew with the coordinator’s time', async (_, code, now) => {
    const {coordinatorUrl, asked} = await coordinator(({url}, count) => {
      if (count === 1) return {status: 200, body: {answers: [{status: 'error', error: {code, message: 'No.'}}]}}
      return url.startsWith('/v1/time') ? {status: 200, body: signedTime(url, coordinatorKey)} : appliedAnswer
    })
    await client(coordinatorUrl, {now}).submit(fund)
    const [first, , last] = asked.map(({body}) => (body === '' ? undefined : (JSON.parse(body) as {commands: [SignedCommand]}).commands[0]))
    expect(Math.abs((last?.notAfterMs ?? 0) - Date.now())).toBeLessThan(3_600_000)
    expect(last?.idempotencyKey).toBe(first?.idempotencyKey)
  })

  it('posted together are signed anew with the coordinator’s time, and only those that its clock refused', async () => {
    const late = {status: 'error', error: {code: 'expired', message: 'No.'}}
    const {coordinatorUrl, asked} = await coordinator(({url}, count) => {
      if (count === 1) return {status: 200, body: {answers: [late, {status: 'rejected', seq: 3, code: 'sold_out', message: 'No.'}, late]}}
      if (url.startsWith('/v1/time')) return {status: 200, body: signedTime(url, coordinatorKey)}
      const applied = {status: 'applied', result: {}}
      return {
        status: 200,
        body: {
          answers: [
            {...applied, seq: 4},
            {...applied, seq: 5}
          ]
        }
      }
    })
    const outcomes = await client(coordinatorUrl, {now: () => Date.now() - 3_600_000}).submitMany([fund, fund, fund])
    expect(outcomes).toMatchObject([{seq: 4}, {status: 'rejected', seq: 3}, {seq: 5}])
    const [first, , last] = asked.map(({body}) => (body === '' ? [] : (JSON.parse(body) as {commands: SignedCommand[]}).commands))
    expect(last?.map((command) => command.idempotencyKey)).toEqual([first?.[0]?.idempotencyKey, first?.[2]?.idempotencyKey])
    expect(Math.abs((last?.[0]?.notAfterMs ?? 0) - Date.now())).toBeLessThan(3_600_000)
  })

  it('that enrol a node whose clock is late are signed anew with the coordinator’s time', async () => {
    const {coordinatorUrl, asked} = await coordinator(({url}, count) => {
      if (count === 1) return refusal('expired')
      if (url.startsWith('/v1/time')) return {status: 200, body: signedTime(url, coordinatorKey)}
      return {status: 200, body: {answer: {status: 'applied', seq: 7, result: {}}}}
    })
    const board = client(coordinatorUrl, {now: () => Date.now() - 3_600_000})
    expect(await board.enroll({token: joinToken(`acc_${'a'.repeat(32)}`, 'secret'), name: 'board', architecture: 'arm64'})).toMatchObject({
      status: 'applied',
      seq: 7
    })
    const [first, , last] = asked.map(({body}) => (body === '' ? undefined : (JSON.parse(body) as {command: SignedCommand}).command))
    expect(Math.abs((last?.notAfterMs ?? 0) - Date.now())).toBeLessThan(3_600_000)
    expect(last?.idempotencyKey).toBe(first?.idempotencyKey)
  })

  it('need an account', async () => {
    const {coordinatorUrl, asked} = await coordinator(() => appliedAnswer)
    const nobody = createClient({coordinatorUrl, networkId: NETWORK, coordinatorKey: coordinatorKey.publicKey, now: Date.now})
    await expect(nobody.submit(fund)).rejects.toMatchObject({code: 'unauthorized'})
    await nobody.close()
    expect(asked).toHaveLength(0)
  })
})

describe('tables', () => {
  const body = {kind: 'routes', apps: [], revisions: [], leases: [], nodes: [], gateways: []}

  it('come as they were signed, whole or as what changed, and none comes when none is newer', async () => {
    const table = signTable({network: NETWORK, version: 4, body, key: coordinatorKey})
    const delta = signTableDelta({network: NETWORK, since: 4, version: 6, body: {}, key: coordinatorKey})
    const {coordinatorUrl, asked} = await coordinator(({url}) => {
      if (url.includes('deltas=true')) return {status: 200, body: delta}
      return url.includes('after=0') ? {status: 200, body: table} : {status: 204}
    })
    const one = client(coordinatorUrl)
    expect(await one.routesTable(0, 10)).toEqual({signed: table})
    expect(await one.routesTable(4, 10)).toBeUndefined()
    expect(await one.routesTable(4, 10, undefined, {deltas: true})).toEqual({signed: delta})
    const asking = asked.slice(1).map(({url}) => url)
    expect(asking).toEqual(['/v1/tables/routes?after=4&waitMs=10', '/v1/tables/routes?after=4&waitMs=10&deltas=true'])
  })

  it('that are none are refused', async () => {
    const {coordinatorUrl} = await coordinator(() => ({status: 200, body: {v: 'creo-table-v9'}}))
    await expect(client(coordinatorUrl).routesTable(0, 0)).rejects.toMatchObject({code: 'bad_gateway'})
  })
})

describe('what goes wrong', () => {
  it('says where no coordinator answers and how to start one', async () => {
    const {coordinatorUrl, close} = await coordinator(() => 'cut')
    await close()
    await expect(client(coordinatorUrl).incentives()).rejects.toMatchObject({
      code: 'unavailable',
      message: `No coordinator answers at ${coordinatorUrl}.`,
      hint: 'creo coordinator serve'
    })
  })

  it('does not ask again at once where not even a connection came about, and says where to look', async () => {
    let connections = 0
    const pool = new Agent({
      connect: (_options, callback) => {
        connections += 1
        setImmediate(() => callback(new errors.ConnectTimeoutError('no packet came back'), null))
      }
    })
    const url = 'http://192.0.2.1:7700/v1/network'
    const {signal} = new AbortController()
    await expect(ask(pool, {method: 'GET', url, headers: () => ({}), idempotent: true, signal})).rejects.toMatchObject({
      code: 'unavailable',
      message: 'No coordinator answers at http://192.0.2.1:7700.',
      hint: 'Look whether this machine reaches it: creo doctor'
    })
    expect(connections).toBe(1)
    await pool.close()
  })

  it('repeats what was overloaded and passes on what was refused, with its hint', async () => {
    const {coordinatorUrl, asked} = await coordinator((_, count) =>
      count === 1 ? refusal('overloaded') : refusal('not_found', 'creo incentive list')
    )
    await expect(client(coordinatorUrl).incentive('colibris/LEAF')).rejects.toMatchObject({code: 'not_found', hint: 'creo incentive list'})
    expect(asked).toHaveLength(2)
  })

  it('waits as long as it is told where it asks too often, and does not wait for what takes too long', async () => {
    const limited = (seconds: number) => ({
      status: 429,
      body: {error: {code: 'rate_limited', message: 'No.'}},
      headers: {'retry-after': `${seconds}`}
    })
    const patient = await coordinator((_, count) => (count < 3 ? limited(1) : {status: 200, body: {incentives: []}}))
    const startedMs = performance.now()
    expect((await client(patient.coordinatorUrl).incentives()).incentives).toEqual([])
    expect(performance.now() - startedMs).toBeGreaterThan(1900)
    expect(patient.asked).toHaveLength(3)
    const hopeless = await coordinator(() => limited(31))
    await expect(client(hopeless.coordinatorUrl).incentives()).rejects.toMatchObject({code: 'rate_limited', message: 'No.'})
    expect(hopeless.asked).toHaveLength(1)
  })

  it('posts those of many commands again that came too often or were too many, and keeps what was said of the others', async () => {
    const limited = {status: 'error', error: {code: 'rate_limited', message: 'No.'}}
    const overloaded = {status: 'error', error: {code: 'overloaded', message: 'No.'}}
    const {coordinatorUrl, asked} = await coordinator((_, count) =>
      count === 1
        ? {status: 200, body: {answers: [{status: 'applied', seq: 4, result: {}}, limited, overloaded]}}
        : {
            status: 200,
            body: {
              answers: [
                {status: 'applied', seq: 5, result: {}},
                {status: 'rejected', seq: 6, code: 'sold_out', message: 'No.'}
              ]
            }
          }
    )
    expect(await client(coordinatorUrl).submitMany([fund, fund, fund])).toMatchObject([{seq: 4}, {seq: 5}, {status: 'rejected', seq: 6}])
    const [first, second] = asked.map(({body}) => (JSON.parse(body) as {commands: SignedCommand[]}).commands)
    expect(second?.map(({idempotencyKey}) => idempotencyKey)).toEqual(first?.slice(1).map(({idempotencyKey}) => idempotencyKey))
  })

  it('refuses answers that it does not understand', async () => {
    const {coordinatorUrl} = await coordinator(() => ({status: 200, body: {surprise: true}}))
    await expect(client(coordinatorUrl).incentives()).rejects.toMatchObject({code: 'bad_gateway'})
  })

  it('ends what is under way when its signal fires, with the reason', async () => {
    const stop = new AbortController()
    const {coordinatorUrl} = await coordinator(async () => {
      stop.abort(new CreoError('interrupted', 'Interrupted by SIGINT.'))
      return await new Promise<never>(() => {})
    })
    await expect(client(coordinatorUrl, {signal: stop.signal}).incentives()).rejects.toMatchObject({code: 'interrupted'})
  })
})

describe('joining a network', () => {
  const genesis = JSON.stringify({
    format: 'creo-genesis-v1',
    network: 'development',
    name: 'test',
    createdAtMs: 1,
    coordinatorKey: coordinatorKey.publicKey,
    operatorKey: key.publicKey,
    exchangeOrg: 'creometry',
    ruleset: '1',
    emission: {
      epochMs: 1000,
      perEpochMicroGutta: '1',
      halvingEpochs: 0,
      totalMicroGutta: '10',
      ownerShareMaxPermille: 500,
      workPerRequest: 1,
      workPerMillionMibMs: 1
    },
    fees: {makerPpm: 0, takerPpm: 1000},
    redemptionTimeoutMs: 1000,
    receiptGraceMs: 60_000,
    volumeBucketMs: 1000,
    volumeBuckets: 24
  })
  const view = {
    name: 'test',
    network: 'development',
    coordinatorKey: coordinatorKey.publicKey,
    genesis,
    version: '0',
    sequence: 0,
    registryPath: '/v2/'
  }
  const id = sha256Hex(genesis)
  const signal = new AbortController().signal

  it('believes a genesis with the expected hash alone', async () => {
    const {coordinatorUrl} = await coordinator(() => ({status: 200, body: {id, ...view}}))
    expect(await joinNetwork({coordinatorUrl, networkId: id, signal})).toMatchObject({
      networkId: id,
      coordinatorKey: coordinatorKey.publicKey
    })
    await expect(joinNetwork({coordinatorUrl, networkId: NETWORK, signal})).rejects.toMatchObject({code: 'verification_failed'})
  })

  it('refuses a coordinator key that the genesis does not name', async () => {
    const {coordinatorUrl} = await coordinator(() => ({status: 200, body: {id, ...view, coordinatorKey: key.publicKey}}))
    await expect(joinNetwork({coordinatorUrl, networkId: id, signal})).rejects.toMatchObject({code: 'verification_failed'})
  })
})
