import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import Database from 'better-sqlite3'
import {expect, onTestFinished, test, vi} from 'vitest'
import {CreoError} from '../../src/core/errors.ts'
import {openReceipt} from '../../src/identity/receipts.ts'
import {prepared, signal, stalledRegistry, started, TERMS, world} from './miner-world.ts'
import {changedRuntime, MIB} from './worlds.ts'

test('draining calls off a start that waits for its image', async () => {
  const w = await world()
  const absent = `sha256:${'5'.repeat(64)}`
  const table = w.table()
  w.coordinator.setTable({...table, revisions: table.revisions.map((revision) => ({...revision, imageDigest: absent}))})
  const registry = await stalledRegistry()
  const miner = await w.miner({coordinatorUrl: registry.url})
  const link = await w.gateway.link(w.node)
  link.send({type: 'start', instance: 'i-1', revision: 'rev_7', lease: 'lea_9'})
  link.send({type: 'start', instance: 'i-2', revision: 'rev_7', lease: 'lea_8'})
  expect(await w.gateway.next('start_failed')).toMatchObject({instance: 'i-2', code: 'expired'})
  const drained = miner.drain()
  expect(await w.gateway.next('start_failed')).toMatchObject({instance: 'i-1', code: 'draining'})
  expect(await drained).toMatchObject({containersStopped: 0})
})

test('a start that comes before the table with its lease waits for it, and is called off like any', async () => {
  const w = await world()
  w.coordinator.setTable(w.table({leases: []}))
  const miner = await w.miner()
  const link = await w.gateway.link(w.node)
  link.send({type: 'start', instance: 'i-1', revision: 'rev_7', lease: 'lea_9'})
  link.send({type: 'start', instance: 'i-2', revision: 'rev_7', lease: 'lea_9'})
  link.send({type: 'stop', instance: 'i-2', graceMs: 0})
  expect(await w.gateway.next('started', 'start_failed')).toMatchObject({type: 'start_failed', instance: 'i-2', code: 'interrupted'})
  w.coordinator.setTable(w.table())
  expect(await w.gateway.next('started', 'start_failed')).toMatchObject({type: 'started', instance: 'i-1'})
  await miner.drain()
})

test('a lease that is taken away while its image is fetched starts nothing', async () => {
  const w = await world()
  const fetching = Promise.withResolvers<void>()
  const fetched = Promise.withResolvers<void>()
  const runtime = changedRuntime(w.runtime, {
    prepare: async (image, ended) => {
      fetching.resolve()
      await fetched.promise
      await w.runtime.prepare(image, ended)
    }
  })
  w.coordinator.setTable(w.table())
  const miner = await w.miner({runtime})
  const link = await w.gateway.link(w.node)
  link.send({type: 'start', instance: 'i-1', revision: 'rev_7', lease: 'lea_9'})
  link.send({type: 'start', instance: 'i-2', revision: 'rev_7', lease: 'lea_8'})
  expect(await w.gateway.next('start_failed')).toMatchObject({instance: 'i-2'})
  await fetching.promise
  w.coordinator.setTable(w.table({leases: []}))
  await expect.poll(() => miner.status.leases).toEqual([])
  fetched.resolve()
  expect(await w.gateway.next('started', 'start_failed')).toMatchObject({type: 'start_failed', instance: 'i-1', code: 'expired'})
  expect(await w.runtime.list(signal)).toEqual([])
  await miner.drain()
})

test('a store that fails ends the miner with its reason, and the tunnel is not dialled anew', async () => {
  const w = await world()
  w.coordinator.setTable(w.table())
  const miner = await w.miner()
  const link = await w.gateway.link(w.node)
  const disk = new Database(join(w.directory, 'm', 'miner.sqlite'))
  onTestFinished(() => void disk.close())
  disk.exec('ALTER TABLE receipts RENAME TO receipts_elsewhere')
  link.send(w.gateway.propose(w.nodeKey, {mibMs: 1}))
  expect(await miner.crashed).toMatchObject({code: 'SQLITE_ERROR'})
  expect(await w.gateway.link(w.node)).toBe(link)
  disk.exec('ALTER TABLE receipts_elsewhere RENAME TO receipts')
  await miner.drain()
})

test('a status that cannot be written does not keep the miner from working', async () => {
  const w = await world()
  w.coordinator.setTable(w.table())
  await mkdir(join(w.directory, 'm', 'status.json'))
  const miner = await w.miner()
  expect(await started(w)).toMatchObject({type: 'started'})
  await miner.drain()
})

test('what an earlier process left and cannot be removed does not keep the miner from starting, and is removed later', async () => {
  const w = await world()
  w.coordinator.setTable(w.table())
  const first = await w.miner()
  await started(w)
  await first.drain()
  const {manifestDigest} = await prepared(w)
  const limits = {memoryBytes: 64 * MIB, cpuMillis: 100, pidsMax: 10, scratchBytes: MIB, logBytes: MIB}
  const left = {imageDigest: manifestDigest, argv: [], env: {}, port: 8080, limits, labels: {}}
  const stuck = await w.runtime.start({...left, id: 'stuck'}, signal)
  await w.runtime.start({...left, id: 'loose'}, signal)
  const stop = stuck.stop.bind(stuck)
  let attempts = 0
  stuck.stop = async (options, ended) => {
    attempts += 1
    if (attempts === 1) throw new CreoError('timeout', 'The runtime does not answer.')
    await stop(options, ended)
  }
  const second = await w.miner()
  expect((await w.runtime.list(signal)).map(({id}) => id)).toEqual(['stuck'])
  expect(second.status.instances).toEqual([])
  await expect.poll(() => w.runtime.list(signal)).toEqual([])
  await second.drain()
})

test('an instance of an earlier process for which there is no room any more is removed', async () => {
  const w = await world()
  w.coordinator.setTable(w.table())
  const first = await w.miner()
  await started(w)
  await first.drain()
  const {manifestDigest} = await prepared(w)
  const limits = {memoryBytes: 64 * MIB, cpuMillis: 100, pidsMax: 10, scratchBytes: MIB, logBytes: MIB}
  const labels = {gateway: w.gateway.id, revision: 'rev_7', lease: 'lea_9'}
  await w.runtime.start({imageDigest: manifestDigest, argv: [], env: {}, port: 8080, limits, labels, id: 'left'}, signal)
  const second = await w.miner({terms: {...TERMS, memoryBytes: 32 * MIB}})
  expect(await w.runtime.list(signal)).toEqual([])
  await second.drain()
})

test.each([
  ['forward', 86_400_000],
  ['back', -86_400_000]
])('a clock that is set %s by a day while the miner runs costs it no tunnel, no lease and no receipt', async (_way, stepMs) => {
  const w = await world()
  w.coordinator.setTable(w.table({lease: {endsAtMs: Date.now() + 7 * 86_400_000}}))
  let steppedMs = 0
  const miner = await w.miner({now: () => Date.now() + steppedMs})
  await started(w)
  // A heartbeat mends the clock too: the next one is five seconds away now.
  await expect.poll(() => w.coordinator.heartbeats.length).toBe(2)
  steppedMs = stepMs
  const link = await w.gateway.link(w.node)
  link.close()
  await link.closed
  await expect.poll(() => w.gateway.messages.findLast(({type}) => type === 'ready')).toMatchObject({instances: [{instance: 'i-1'}]})
  expect(w.coordinator.heartbeats).toHaveLength(2)
  expect(miner.status.leases).toMatchObject([{id: 'lea_9'}])
  expect(await started(w, 'i-2')).toMatchObject({type: 'started', instance: 'i-2'})
  expect(await w.gateway.ask(w.node, 'i-1')).toContain('from the function')
  ;(await w.gateway.link(w.node)).send(w.gateway.propose(w.nodeKey, {requests: 1, bytesIn: 10, bytesOut: 10, mibMs: 1}))
  const {receipt} = await w.gateway.next('receipt')
  expect(openReceipt(receipt).attestation).toMatchObject({mibMs: 1})
  await expect.poll(() => [...w.coordinator.receipts.values()]).toEqual([receipt])
  await miner.drain()
})

test('what a gateway has started is called off when the gateway leaves the table, before it runs', async () => {
  const w = await world()
  const starting = Promise.withResolvers<void>()
  const calledOff = Promise.withResolvers<never>()
  const runtime = changedRuntime(w.runtime, {
    start: (_spec, ended) => {
      starting.resolve()
      ended.addEventListener('abort', () => calledOff.reject(ended.reason))
      return calledOff.promise
    }
  })
  w.coordinator.setTable(w.table())
  const miner = await w.miner({runtime})
  ;(await w.gateway.link(w.node)).send({type: 'start', instance: 'i-1', revision: 'rev_7', lease: 'lea_9'})
  await starting.promise
  w.coordinator.setTable(w.table({gateways: []}))
  await expect(calledOff.promise).rejects.toMatchObject({code: 'interrupted'})
  await miner.drain()
})

test('a gateway that refused the node is dialled again as soon as a newer table comes', async () => {
  const w = await world()
  w.gateway.clock.skewMs = 120_000
  w.coordinator.setTable(w.table())
  // The tunnel's own next try is nearly a minute away.
  const chance = vi.spyOn(Math, 'random').mockReturnValue(1000)
  onTestFinished(() => chance.mockRestore())
  const miner = await w.miner()
  expect(miner.status.gateways).toMatchObject([{connected: false}])
  await expect.poll(() => w.gateway.clock.refused).toBeGreaterThan(0)
  w.gateway.clock.skewMs = 0
  w.coordinator.setTable(w.table())
  await expect.poll(() => miner.status.gateways).toMatchObject([{connected: true}])
  await miner.drain()
})
