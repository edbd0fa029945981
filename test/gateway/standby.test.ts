import type {IncomingMessage, ServerResponse} from 'node:http'
import {afterEach, describe, expect, it} from 'vitest'
import {SCALE_SETTINGS} from '../../src/core/autoscaling.ts'
import type {ReceiptProposal} from '../../src/core/protocol/receipts.ts'
import {type ProbeTimes, splitStood, standbyProver} from '../../src/gateway/standby-watch.ts'
import {gatewayIdOf, generateKeyPair} from '../../src/identity/keys.ts'
import {openProposal} from '../../src/identity/receipts.ts'
import {PROBE_LINES_BYTES_MAX} from '../core/standby-data.ts'
import type {FakeMiner} from '../support/fake-miner.ts'
import {type GatewayWorld, openGatewayWorld} from '../support/gateway-world.ts'

const line = {incentive: 'acme/LEAF', requestsPerMillionMinor: 1, mibMsPerMillionMinor: 1, dailyBudgetMinor: 1_000_000}
const spec = {rewards: [{...line, standbyMsPerMillionMinor: 1_000_000}]}
/** Numbers that were drawn: two a node at each look, when and what to probe. */
let drawn = 0
/** Every second, as often as the gateway looks. */
const probes: ProbeTimes = {
  meanMs: 1,
  firstMeanMs: 1,
  answerMaxMs: 500,
  uniform: () => {
    drawn += 1
    return Math.random()
  }
}
/** What is not asked for ends at once. */
const quick = {scale: {...SCALE_SETTINGS, zeroGraceMs: 0}, tickMs: 100, windowMs: 300}
/** Other gateways that are made up until one is chosen before ours for both functions: a handful, and thousands where ours is chosen nearly always. */
const DRAWS_MAX = 50_000
const WAIT = {timeout: 20_000, interval: 50}

let world: GatewayWorld
afterEach(async () => {
  await world.close()
  expect(world.fatal).toEqual([])
})

const asked: (string | undefined)[] = []
const hello = ({method}: IncomingMessage, response: ServerResponse): void => {
  asked.push(method)
  response.end('hello')
}

/** Windows in which the miner was proven to stand by. */
function stood(miner: FakeMiner): readonly ReceiptProposal[] {
  return miner.receipts.map(({proposal}) => openProposal(proposal)).filter(({standbyMs = 0}) => standbyMs > 0)
}
const bytesOf = (message: object): number => Buffer.byteLength(JSON.stringify(message)) + 1
const starts = (miner: FakeMiner): number => miner.messages.filter(({type}) => type === 'start').length

describe('standing by', () => {
  it('is proven by starts like any other, and proposed for the time between good ones, without what ran', async () => {
    world = await openGatewayWorld({spec, probes, ...quick})
    asked.length = 0
    const beganMs = performance.now()
    const miner = await world.addMiner({serve: hello}, {revision: 'rev_1'})
    await expect.poll(() => stood(miner).length, WAIT).toBeGreaterThanOrEqual(2)
    const lastedMs = performance.now() - beganMs
    const windows = stood(miner)
    const sumMs = windows.reduce((sum, {standbyMs = 0}) => sum + standbyMs, 0)
    expect(sumMs).toBeGreaterThan(100)
    expect(sumMs).toBeLessThan(lastedMs)
    for (const window of windows) {
      expect(window).toMatchObject({node: miner.node, revision: 'rev_1', lease: 'lea_1', requests: 0, mibMs: 0})
      expect(window.standbyMs).toBeLessThan(window.windowMs)
    }
    expect(asked).toEqual([])
    const [ids, all] = [new Set(miner.receipts.map(({proposal}) => openProposal(proposal).window)), miner.receipts.length]
    expect(ids.size).toBe(all)
    expect(world.gateway.status().revisions.find(({revision}) => revision === 'rev_1')).toMatchObject({requests: 0})
    await expect.poll(() => miner.running.size, WAIT).toBe(0)
    const lines = miner.messages.reduce((sum, message) => sum + bytesOf(message), 0)
    const answers = miner.receipts.reduce((sum, receipt) => sum + bytesOf({type: 'receipt', receipt}), 0)
    expect((lines + answers) / starts(miner)).toBeLessThan(PROBE_LINES_BYTES_MAX)
    const ran = () => miner.receipts.map(({proposal}) => openProposal(proposal)).reduce((sum, {mibMs}) => sum + mibMs, 0)
    await expect.poll(ran, WAIT).toBeGreaterThan(0)
  })

  it('is forfeited since the last good probe when a start fails', async () => {
    let isReady = true
    world = await openGatewayWorld({spec: {...spec, timeoutMs: 500}, probes, ...quick})
    const refuseStart = () => (isReady ? undefined : {code: 'failed', message: 'asleep'})
    const miner = await world.addMiner({serve: hello, refuseStart}, {revision: 'rev_1'})
    await expect.poll(() => stood(miner).length, WAIT).toBeGreaterThan(0)
    isReady = false
    const failed = starts(miner)
    await expect.poll(() => starts(miner), WAIT).toBeGreaterThan(failed)
    const failedAtMs = Date.now()
    isReady = true
    const before = stood(miner).length
    await expect.poll(() => stood(miner).length, WAIT).toBeGreaterThan(before)
    for (const {windowStartMs, windowMs} of stood(miner)) {
      expect(windowStartMs >= failedAtMs || windowStartMs + windowMs <= failedAtMs, `${windowStartMs} ${failedAtMs}`).toBe(true)
    }
  })

  it('can neither be withheld by a function that never answers nor takes the room of a client from one that serves one at a time', async () => {
    world = await openGatewayWorld({spec: {...spec, concurrency: 1}, probes})
    const miner = await world.addMiner(
      {serve: ({method}, response) => void (method === 'GET' && response.end('room'))},
      {revision: 'rev_1'}
    )
    await expect.poll(() => miner.running.size, WAIT).toBe(1)
    expect((await world.ask('/')).body).toBe('room')
    await world.close()
    world = await openGatewayWorld({spec, probes, ...quick})
    const silent = await world.addMiner({serve: (request) => void request.socket.destroy()}, {revision: 'rev_1'})
    await expect.poll(() => stood(silent).length, WAIT).toBeGreaterThan(0)
  })

  it.each(['crash', 'oom', 'timeout'])('is not forfeited when a start fails by the function itself: %s', async (code) => {
    let isWell = true
    world = await openGatewayWorld({spec, probes, ...quick})
    const refuseStart = () => (isWell ? undefined : {code, message: 'its own doing'})
    const miner = await world.addMiner({serve: hello, refuseStart}, {revision: 'rev_1'})
    await expect.poll(() => stood(miner).length, WAIT).toBeGreaterThan(0)
    isWell = false
    const failed = starts(miner)
    await expect.poll(() => starts(miner), WAIT).toBeGreaterThan(failed)
    const failedAtMs = Date.now()
    isWell = true
    const across = () =>
      stood(miner).some(({windowStartMs, windowMs}) => windowStartMs < failedAtMs && windowStartMs + windowMs > failedAtMs)
    await expect.poll(across, WAIT).toBe(true)
  })

  it('across the renewal of a lease is proposed for each lease, up to where the new one begins and from there', async () => {
    world = await openGatewayWorld({spec, probes, ...quick})
    const miner = await world.addMiner({serve: hello}, {revision: 'rev_1'})
    await expect.poll(() => stood(miner).length, WAIT).toBeGreaterThan(0)
    const startsAtMs = Date.now()
    world.table.leases[0] = {...world.table.leases[0]!, id: 'lea_7', startsAtMs}
    world.publish()
    const renewed = () => stood(miner).filter(({lease}) => lease === 'lea_7')
    await expect.poll(() => renewed().length, WAIT).toBeGreaterThan(0)
    const [first] = renewed()
    const ends = stood(miner).flatMap(({lease, windowStartMs, windowMs}) => (lease === 'lea_1' ? [windowStartMs + windowMs] : []))
    expect(first?.windowStartMs).toBeGreaterThanOrEqual(startsAtMs)
    expect(Math.min(...ends.map((endMs) => Math.abs((first?.windowStartMs ?? 0) - endMs)))).toBeLessThanOrEqual(1)
  })

  it.each([
    ['before', -500, [0, 0], [1000, 800]],
    ['within', 250, [250, 200], [750, 600]],
    ['after', 5000, [1000, 800], [0, 0]]
  ])('is split with nothing lost when the new lease begins %s its window', (_where, atMs, first, second) => {
    const pieces = splitStood({startMs: 10_000, windowMs: 1000, standbyMs: 800}, 10_000 + atMs)
    expect(pieces.map(({windowMs, standbyMs}) => [windowMs, standbyMs])).toEqual([first, second])
    expect(pieces[0].startMs + pieces[0].windowMs).toBe(pieces[1].startMs)
  })

  it('does not reach across the end of a session', async () => {
    world = await openGatewayWorld({spec, probes, ...quick})
    const miner = await world.addMiner({serve: hello}, {revision: 'rev_1'})
    await expect.poll(() => stood(miner).length, WAIT).toBeGreaterThan(0)
    const droppedAtMs = Date.now()
    const again = miner.next('start')
    miner.drop()
    await again
    const againAtMs = Date.now()
    const before = stood(miner).length
    await expect.poll(() => stood(miner).length, WAIT).toBeGreaterThan(before)
    const reaching = stood(miner).filter(
      ({windowStartMs, windowMs}) => windowStartMs < droppedAtMs && windowStartMs + windowMs >= againAtMs
    )
    expect(reaching).toEqual([])
  })

  it('is asked about where a reward pays for it, and by the one gateway whose turn it is', async () => {
    world = await openGatewayWorld({probes, ...quick})
    const unpaid = await world.addMiner({serve: hello})
    const own = gatewayIdOf(world.key.publicKey)
    const entry = world.table.gateways[0]
    if (entry === undefined) throw new Error('the table names no gateway')
    const wins = (publicKey: string): boolean =>
      ['rev_1', 'rev_2'].every((revision) => standbyProver([own, gatewayIdOf(publicKey)], {node: unpaid.node, revision}) !== own)
    let stronger = generateKeyPair().publicKey
    for (let draws = 1; !wins(stronger) && draws < DRAWS_MAX; draws += 1) stronger = generateKeyPair().publicKey
    expect(wins(stronger)).toBe(true)
    const paying = world.table.revisions.map((revision) => ({...revision, spec: {...revision.spec, ...spec}}))
    const look = async (): Promise<number> => {
      const version = world.gateway.status().tableVersion
      world.publish()
      await expect.poll(() => world.gateway.status().tableVersion, WAIT).toBeGreaterThan(version)
      const [before, drawnBefore] = [starts(unpaid), drawn]
      await expect.poll(() => drawn, WAIT).toBeGreaterThanOrEqual(drawnBefore + 4)
      return starts(unpaid) - before
    }
    expect(await look()).toBe(0)
    world.table = {...world.table, revisions: paying, gateways: [entry, {...entry, id: gatewayIdOf(stronger), publicKey: stronger}]}
    expect(await look()).toBe(0)
    world.table = {...world.table, gateways: [entry]}
    expect(await look()).toBeGreaterThan(0)
  })
})
