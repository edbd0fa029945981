import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {pino} from 'pino'
import {afterEach, beforeEach, expect, it} from 'vitest'
import {ProbeRecord} from '../../src/coordinator/probe-record.ts'
import {pauseOf, WorkProbes} from '../../src/coordinator/work-probes.ts'
import type {Genesis} from '../../src/core/protocol/genesis.ts'
import {gatewayIdOf, type KeyPair} from '../../src/identity/keys.ts'
import {signTime} from '../../src/identity/time.ts'
import type {Ledger} from '../../src/ledger/port.ts'
import {type GatewayWorld, openGatewayWorld} from '../support/gateway-world.ts'
import {temporaryFolder} from './coordinator-world.ts'

/** The coordinator's side, a real gateway, and hosts that are honest or not. */

const {signal} = new AbortController()
let world: GatewayWorld
let nowMs: number
let hasApp: boolean
let folder: Awaited<ReturnType<typeof temporaryFolder>>
/** Nodes that host something else. */
let strangers: Set<string>
let leaseEndsAtMs: number
beforeEach(async () => {
  nowMs = Date.now()
  hasApp = true
  strangers = new Set()
  leaseEndsAtMs = nowMs + 8 * 24 * 3_600_000
  folder = await temporaryFolder()
  world = await openGatewayWorld()
  for (const named of [...world.table.apps, ...world.table.revisions]) Object.assign(named, {app: 'exchange'})
  world.publish()
})
afterEach(async () => {
  await world.close()
  await folder.remove()
})

async function probesOf(draw?: (below: number) => number): Promise<WorkProbes> {
  const {publicKey} = world.key
  const gateway = {
    id: gatewayIdOf(publicKey),
    publicKey,
    name: 'gw',
    tunnelUrl: world.gateway.tunnelUrl,
    publicUrl: world.gateway.publicUrl
  }
  const reads = {
    app: () => (hasApp ? {routes: [{path: '/quotes', function: 'quotes'}]} : undefined),
    gateways: () => [gateway],
    revisions: () => [{id: 'rev_exchange'}],
    leases: ({node}: {node: string}) => [{revision: strangers.has(node) ? 'rev_other' : 'rev_exchange', endsAtMs: leaseEndsAtMs}]
  }
  const ledger = {reads, nowMs: () => nowMs} as unknown as Ledger
  const genesis = {exchangeOrg: 'acme', emission: {epochMs: 3_600_000}} as unknown as Genesis
  const log = pino({level: 'silent'})
  const record = await ProbeRecord.open(join(folder.path, 'probes.json'), log)
  return new WorkProbes({ledger, key: world.coordinator, genesis, record, log, ...(draw && {draw})})
}

/** A host that answers a read of the time as `answer` makes it out of the nonce. */
async function host(answer: (nonce: string) => object | string): Promise<string> {
  const miner = await world.addMiner({
    serve: (request, response) => {
      const said = answer(new URL(request.url ?? '', 'http://host').searchParams.get('nonce') ?? '')
      response.writeHead(200, {'content-type': 'application/json'}).end(typeof said === 'string' ? said : JSON.stringify(said))
    }
  })
  return miner.node
}

const time = (nonce: string, key: KeyPair = world.coordinator, atMs = nowMs) => signTime({nonce, atMs, key})

it('a host that hands on what the coordinator signed is good; of each the last twenty answers count, for a week', async () => {
  const probes = await probesOf()
  let isHonest = true
  const node = await host((nonce) => (isHonest ? time(nonce) : 'no'))
  for (let count = 0; count < 3; count += 1) await probes.probe(signal)
  expect(probes.forEpoch(7)).toEqual([{node, good: 3, failed: 0}])
  await probes.probe(signal)
  // An epoch whose closing is tried again is closed with the same.
  expect(probes.forEpoch(7)).toEqual([{node, good: 3, failed: 0}])
  expect(probes.forEpoch(8)).toEqual([{node, good: 4, failed: 0}])
  isHonest = false
  for (let count = 0; count < 18; count += 1) await probes.probe(signal)
  expect(probes.forEpoch(9)).toEqual([{node, good: 2, failed: 18}])
  nowMs += 7 * 24 * 3_600_000 + 1
  expect(probes.forEpoch(10)).toEqual([])
})

it('what hosts answered is on disk after each probe, and a file that is broken is begun anew', async () => {
  const node = await host(() => 'no')
  await (await probesOf()).probe(signal)
  expect((await probesOf()).forEpoch(0)).toEqual([{node, good: 0, failed: 1}])
  for (const broken of ['{"v":1,"nodes":[["nod', '{"v":1,"nodes":[["node","01",1]]}', '{"v":2,"nodes":[]}']) {
    await writeFile(join(folder.path, 'probes.json'), broken)
    expect((await probesOf()).forEpoch(0)).toEqual([])
  }
  await (await probesOf()).probe(signal)
  expect((await probesOf()).forEpoch(0)).toEqual([{node, good: 0, failed: 1}])
})

it('a node that has no lease of the exchange is not counted, whoever names it', async () => {
  strangers.add(await host(() => 'no'))
  const probes = await probesOf()
  await probes.probe(signal)
  expect(probes.forEpoch(0)).toEqual([])
})

it('a node whose last lease of the exchange is over since an hour is not counted, one whose lease ended just now is', async () => {
  const node = await host(() => 'no')
  const probes = await probesOf()
  leaseEndsAtMs = nowMs - 3_600_000
  await probes.probe(signal)
  expect(probes.forEpoch(0)).toEqual([])
  leaseEndsAtMs = nowMs - 3_599_000
  await probes.probe(signal)
  expect(probes.forEpoch(1)).toEqual([{node, good: 0, failed: 1}])
})

it('a host that makes it up, keeps an old one or says nothing has failed', async () => {
  const probes = await probesOf()
  const kept = time('an older nonce')
  const answers = [
    () => 'garbage',
    // Six times as long in the gateway's answer.
    () => '\u0001'.repeat(5000),
    () => kept,
    (nonce: string) => ({...kept, nonce}),
    (nonce: string) => time(nonce, world.key),
    (nonce: string) => time(nonce, world.coordinator, nowMs - 120_000)
  ]
  let turn = 0
  const node = await host((nonce) => answers[turn++ % answers.length]?.(nonce) ?? '')
  for (const _ of answers) await probes.probe(signal)
  expect(probes.forEpoch(0)).toEqual([{node, good: 0, failed: answers.length}])
})

it('nobody is counted where nobody was asked: no app, no host, no gateway that answers', async () => {
  const probes = await probesOf()
  await host((nonce) => time(nonce))
  hasApp = false
  await probes.probe(signal)
  hasApp = true
  await world.gateway.close()
  await expect(probes.probe(signal)).rejects.toThrow()
  expect(probes.forEpoch(0)).toEqual([])
})

it('asks at times that are drawn, one at a time, and ends with the signal', async () => {
  let asked = 0
  await host((nonce) => {
    asked += 1
    return time(nonce)
  })
  const never = await probesOf(() => 0)
  for (let turn = 0; turn < 3; turn += 1) never.tick(signal)
  await never.close()
  expect(asked).toBe(0)
  const always = await probesOf((below) => below - 1)
  for (let turn = 1; turn <= 2; turn += 1) {
    always.tick(signal)
    always.tick(signal)
    await always.close()
    expect(asked).toBe(turn)
  }
  const gone = new AbortController()
  gone.abort()
  always.tick(gone.signal)
  await always.close()
  expect(asked).toBe(2)
})

it('draws pauses of six minutes on average where an epoch has an hour', () => {
  const pauses = Array.from({length: 1000}, (_, at) => pauseOf(3_600_000, (at + 0.5) / 1000))
  expect(pauses.reduce((sum, ms) => sum + ms, 0) / 1000).toBeCloseTo(360_000, -4)
  expect(pauseOf(10_000, Math.exp(-1))).toBe(60_000)
  expect(pauseOf(24 * 3_600_000, Math.exp(-1))).toBe(600_000)
})
