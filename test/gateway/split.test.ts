import type {IncomingMessage, ServerResponse} from 'node:http'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {type Answer, type GatewayWorld, openGatewayWorld} from '../support/gateway-world.ts'

let world: GatewayWorld
beforeEach(async () => {
  world = await openGatewayWorld()
})
afterEach(async () => {
  await world.close()
  expect(world.fatal).toEqual([])
})

const hello = (_request: IncomingMessage, response: ServerResponse): void => void response.end('hello')
/** For a machine that is busy with other things. */
const POLLED = {timeout: 20_000}
const TAGGED = 'next--site--shop--acme.localhost'

/** `site` has a second revision, rev_9, with this share of its traffic and the tag `next`. Leased to whoever has rev_1's first lease. */
function share(percent: number, {leased = true}: {readonly leased?: boolean} = {}): void {
  const [site] = world.table.revisions
  const [lease] = world.table.leases
  if (!world.table.revisions.some(({id}) => id === 'rev_9')) {
    world.table.revisions.push({...site!, id: 'rev_9'})
    if (leased) world.table.leases.push({...lease!, id: 'lea_9', revision: 'rev_9'})
  }
  const traffic = [
    {revision: 'rev_1', percent: 100 - percent},
    {revision: 'rev_9', percent}
  ].filter((one) => one.percent > 0)
  world.table.apps[0]!.functions[0] = {function: 'site', revision: 'rev_1', traffic, tags: [{tag: 'next', revision: 'rev_9'}]}
  world.publish()
}

async function taken(): Promise<void> {
  const version = world.gateway.status().tableVersion
  await expect.poll(() => world.gateway.status().tableVersion, POLLED).toBeGreaterThan(version)
}

async function askMany(count: number, host?: string): Promise<Answer[]> {
  return await Promise.all(Array.from({length: count}, () => world.ask('/', host === undefined ? {} : {host})))
}

const by = (answers: readonly Answer[]): string[] =>
  [...new Set(answers.map(({headers, status}) => `${status} ${headers['x-revision']}`))].sort()

describe('a function whose traffic two revisions share', () => {
  it('is answered by both, as their shares say', async () => {
    await world.addMiner({serve: hello})
    share(30)
    await taken()
    await askMany(20)
    await expect.poll(async () => by(await askMany(20)), POLLED).toEqual(['200 rev_1', '200 rev_9'])
    const answers = await askMany(400)
    const canary = answers.filter(({headers}) => headers['x-revision'] === 'rev_9').length
    // 30 % of 400, give or take five standard deviations.
    expect(canary).toBeGreaterThan(120 - 46)
    expect(canary).toBeLessThan(120 + 46)
  })

  it('is answered by the one that is warm while nobody can run the other', async () => {
    await world.addMiner({serve: hello})
    expect((await world.ask('/')).status).toBe(200)
    share(99, {leased: false})
    await taken()
    expect(by(await askMany(50))).toEqual(['200 rev_1'])
  })

  it('is answered by the one that is warm while the other fails to start, and asks for that no more than once a tick', async () => {
    const miner = await world.addMiner({
      serve: hello,
      refuseStart: (start) => (start.revision === 'rev_9' ? {code: 'failed', message: 'No.'} : undefined)
    })
    expect((await world.ask('/')).status).toBe(200)
    share(50)
    await taken()
    expect(by(await askMany(100))).toEqual(['200 rev_1'])
    expect(miner.messages.filter((message) => message.type === 'start' && message.revision === 'rev_9').length).toBeLessThan(3)
  })

  it('is answered from zero by the one that has what it needs, also for the share of the other', async () => {
    await world.addMiner({serve: hello})
    share(100, {leased: false})
    world.table.apps[0]!.functions[0]!.traffic = [
      {revision: 'rev_9', percent: 99},
      {revision: 'rev_1', percent: 1}
    ]
    world.table.leases.push({
      ...world.table.leases[0]!,
      id: 'lea_9',
      revision: 'rev_9',
      budgets: [{incentive: 'acme/LEAF', amountMinor: 0}]
    })
    world.publish()
    await taken()
    expect(by(await askMany(20))).toEqual(['200 rev_1'])
  })
})

it('replaces a revision on a miner that has no room for two at a time, and loses no request', async () => {
  let running: ReadonlySet<string> = new Set()
  const miner = await world.addMiner({
    serve: hello,
    refuseStart: () => (running.size === 0 ? undefined : {code: 'failed', message: 'No room.'})
  })
  running = miner.running
  expect((await world.ask('/')).status).toBe(200)
  share(100)
  await taken()
  expect(by(await askMany(20))).toEqual(['200 rev_1'])
  expect(miner.messages).toContainEqual(expect.objectContaining({type: 'start', revision: 'rev_9'}))
  // The coordinator ends the old one's lease: from here on nobody may serve but the new one.
  world.table.leases = world.table.leases.filter(({revision}) => revision !== 'rev_1')
  const stopped = miner.next('stop')
  world.publish()
  await stopped
  expect(by(await askMany(20))).toEqual(['200 rev_9'])
})

describe('a tag', () => {
  it('leads to its revision alone, started from zero, which gets no other request', async () => {
    await world.addMiner({serve: hello})
    expect((await world.ask('/')).status).toBe(200)
    share(0)
    await taken()
    expect(by(await askMany(10))).toEqual(['200 rev_1'])
    expect(by(await askMany(10, TAGGED))).toEqual(['200 rev_9'])
    expect(by(await askMany(10))).toEqual(['200 rev_1'])
    const byPath = await world.ask('/@next--site--shop--acme/', {host: '127.0.0.1'})
    expect(byPath.headers['x-revision']).toBe('rev_9')
  })

  it('leads nowhere else while its revision cannot run', async () => {
    world = await reopened(world, 300)
    await world.addMiner({serve: hello})
    expect((await world.ask('/')).status).toBe(200)
    share(0, {leased: false})
    await taken()
    const answer = await world.ask('/', {host: TAGGED})
    expect([answer.status, JSON.parse(answer.body).error.code]).toEqual([503, 'no_instance'])
  })

  it('keeps a revision that lost its traffic warm for those who ask for it', async () => {
    const miner = await world.addMiner({serve: hello})
    expect((await world.ask('/')).headers['x-revision']).toBe('rev_1')
    share(100)
    world.table.apps[0]!.functions[0] = {function: 'site', revision: 'rev_9', tags: [{tag: 'old', revision: 'rev_1'}]}
    world.publish()
    await expect.poll(async () => by(await askMany(5)), POLLED).toEqual(['200 rev_9'])
    expect((await world.ask('/', {host: 'old--site--shop--acme.localhost'})).headers['x-revision']).toBe('rev_1')
    expect(miner.messages.filter((message) => message.type === 'start' && message.revision === 'rev_1')).toHaveLength(1)
  })
})

async function reopened(before: GatewayWorld, timeoutMs: number): Promise<GatewayWorld> {
  await before.close()
  return await openGatewayWorld({spec: {timeoutMs}})
}
