import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {createClient} from '../../src/client/client.ts'
import {writeFileDurably} from '../../src/config/durable-file.ts'
import type {Receipt} from '../../src/core/protocol/receipts.ts'
import {loadOrCreateKeyFile} from '../../src/identity/keys.ts'
import {openReceipt} from '../../src/identity/receipts.ts'
import {readStatus} from '../../src/miner/status-file.ts'
import {prepared, signal, stalledRegistry, started, TERMS, world} from './miner-world.ts'
import {changedRuntime, MIB} from './worlds.ts'

/** By chance a node looks a quarter of an hour from now whether there is something to say. */
const SELDOM = {random: () => 1000}

test('a leased function is fetched, started when a gateway asks, reached through the tunnel, signed for and paid', async () => {
  const w = await world()
  w.coordinator.setTable(w.table())
  const miner = await w.miner()
  expect(w.coordinator.heartbeats[0]).toMatchObject({node: w.node, earn: ['colibris/LEAF'], runtime: 'memory', memoryBytes: 256 * MIB})
  expect(await w.gateway.next('ready')).toEqual({type: 'ready', instances: []})
  await expect.poll(() => miner.status.leases).toMatchObject([{id: 'lea_9', function: 'colibris/shop/site', imageReady: true}])
  expect(await started(w)).toMatchObject({type: 'started', instance: 'i-1', tier: 'pulled'})
  expect(await w.gateway.ask(w.node, 'i-1')).toContain('from the function')
  ;(await w.gateway.link(w.node)).send(w.gateway.propose(w.nodeKey, {requests: 1, bytesIn: 10, bytesOut: 10, mibMs: 1}))
  const {receipt} = await w.gateway.next('receipt')
  expect(openReceipt(receipt).attestation).toMatchObject({mibMs: 1, bytesIn: 10, bytesOut: 10})
  await expect.poll(() => [...w.coordinator.receipts.values()]).toEqual([receipt])
  await expect.poll(() => miner.status.earnings).toEqual([{incentive: 'colibris/LEAF', paidMinor: 1, pendingMinor: 0}])
  ;(await w.gateway.link(w.node)).send({type: 'stop', instance: 'i-1', graceMs: 100})
  await expect.poll(() => w.runtime.list(signal)).toEqual([])
  await miner.drain()
})

test('what the function prints goes to the coordinator with the next heartbeat', async () => {
  const w = await world()
  w.coordinator.setTable(w.table())
  const miner = await w.miner()
  await started(w)
  await w.gateway.ask(w.node, 'i-1')
  await miner.drain()
  const lines = w.coordinator.heartbeats.flatMap((beat) => beat.logs)
  expect(lines).toMatchObject([{revision: 'rev_7', instance: 'i-1', line: 'asked'}])
  expect(w.coordinator.heartbeats.at(-1)?.draining).toBe(true)
})

test.each([
  ['a lease of another', {lease: 'lea_8', revision: 'rev_7'}, 'expired'],
  ['another revision than the lease is for', {lease: 'lea_9', revision: 'rev_6'}, 'invalid_input']
])('a start for %s fails', async (_what, asked, code) => {
  const w = await world()
  w.coordinator.setTable(w.table())
  const miner = await w.miner()
  ;(await w.gateway.link(w.node)).send({type: 'start', instance: 'i-1', ...asked})
  expect(await w.gateway.next('start_failed')).toMatchObject({instance: 'i-1', code})
  await miner.drain()
})

test('a function that crashes while it starts is said with its last words, and nothing of it stays', async () => {
  const w = await world((process) => {
    process.log('no such table')
    throw new Error('boom')
  })
  w.coordinator.setTable(w.table())
  const miner = await w.miner()
  expect(await started(w)).toMatchObject({type: 'start_failed', code: 'crash', message: expect.stringContaining('no such table')})
  expect(await w.runtime.list(signal)).toEqual([])
  expect(w.gateway.messages.some(({type}) => type === 'ended')).toBe(false)
  await miner.drain()
})

test('the org hears at once how a start failed, after everything that the function printed', async () => {
  const w = await world((process) => {
    process.log('no such table')
    throw new Error('boom')
  })
  w.coordinator.setTable(w.table())
  const miner = await w.miner(SELDOM)
  await expect.poll(() => w.coordinator.heartbeats.length).toBeGreaterThan(0)
  await started(w)
  const lines = () => w.coordinator.heartbeats.flatMap((beat) => beat.logs)
  await expect.poll(() => lines().length).toBe(3)
  const of = {revision: 'rev_7', instance: 'i-1'}
  expect(lines()).toMatchObject([
    {...of, line: 'no such table'},
    {...of, line: 'Error: boom'},
    {...of, line: 'It ended with exit code 1 before it listened on port 8080.', failure: {reason: 'crash', exitCode: 1}}
  ])
  await miner.drain()
})

test('the org hears that an instance which served ended by itself, and nothing of one that its gateway stopped', async () => {
  let end: (code: number) => void = () => undefined
  const w = await world((process) => {
    end = process.exit
    return (_request, response) => void response.end('hi')
  })
  w.coordinator.setTable(w.table())
  const miner = await w.miner(SELDOM)
  await started(w, 'i-1')
  ;(await w.gateway.link(w.node)).send({type: 'stop', instance: 'i-1', graceMs: 100})
  await expect.poll(() => w.runtime.list(signal)).toEqual([])
  await started(w, 'i-2')
  end(139)
  const failures = () => w.coordinator.heartbeats.flatMap((beat) => beat.logs)
  await expect.poll(failures).toMatchObject([
    {
      instance: 'i-2',
      line: 'It was killed by SIGSEGV (exit code 139) while it served.',
      failure: {reason: 'crash', exitCode: 139, served: true}
    }
  ])
  await miner.drain()
})

test('a function that ends by itself is said, once', async () => {
  let end: (code: number) => void = () => undefined
  const w = await world((process) => {
    end = process.exit
    return (_request, response) => void response.end('hi')
  })
  w.coordinator.setTable(w.table())
  const miner = await w.miner()
  await started(w)
  end(3)
  expect(await w.gateway.next('ended')).toEqual({type: 'ended', instance: 'i-1', exitCode: 3, oom: false})
  expect(await w.gateway.ask(w.node, 'i-1')).toBeUndefined()
  await miner.drain()
})

test('a node is full when the limits that its owner set are used up', async () => {
  const w = await world()
  w.coordinator.setTable(w.table())
  const miner = await w.miner({terms: {...TERMS, memoryBytes: 100 * MIB}})
  expect(await started(w, 'i-1')).toMatchObject({type: 'started'})
  expect(await started(w, 'i-2')).toMatchObject({type: 'start_failed', code: 'overloaded'})
  await miner.drain()
})

test('when the budget of a lease is used up the gateway is told, instances stop, and further starts and connections are refused', async () => {
  const w = await world()
  w.coordinator.setTable(w.table({lease: {budgets: [{incentive: 'colibris/LEAF', amountMinor: 3}]}}))
  const miner = await w.miner()
  await started(w)
  ;(await w.gateway.link(w.node)).send(w.gateway.propose(w.nodeKey, {requests: 3}))
  await w.gateway.next('receipt')
  expect(await w.gateway.next('budget_empty')).toEqual({type: 'budget_empty', lease: 'lea_9'})
  expect(await w.gateway.ask(w.node, 'i-1')).toBeUndefined()
  expect(await started(w, 'i-2')).toMatchObject({type: 'start_failed', code: 'reward_pool_empty'})
  await expect.poll(() => w.runtime.list(signal)).toEqual([])
  await miner.drain()
})

test('a start that waits for its image is called off by a stop', async () => {
  const w = await world()
  const absent = `sha256:${'5'.repeat(64)}`
  const table = w.table()
  w.coordinator.setTable({...table, revisions: table.revisions.map((revision) => ({...revision, imageDigest: absent}))})
  const registry = await stalledRegistry()
  const miner = await w.miner({coordinatorUrl: registry.url})
  const link = await w.gateway.link(w.node)
  link.send({type: 'start', instance: 'i-1', revision: 'rev_7', lease: 'lea_9'})
  await registry.asked
  link.send({type: 'stop', instance: 'i-1', graceMs: 0})
  expect(await w.gateway.next('start_failed')).toMatchObject({instance: 'i-1', code: 'interrupted'})
  await miner.drain()
})

test('when a lease is taken away its instances stop and the gateway is told', async () => {
  const w = await world()
  w.coordinator.setTable(w.table())
  const miner = await w.miner()
  await started(w)
  w.coordinator.setTable(w.table({leases: []}))
  expect(await w.gateway.next('ended')).toMatchObject({instance: 'i-1'})
  expect(await w.runtime.list(signal)).toEqual([])
  await miner.drain()
})

test('with the coordinator gone a miner starts from the table and images on disk, serves, and is paid once when it is back', async () => {
  const w = await world()
  w.coordinator.setTable(w.table())
  const first = await w.miner()
  await started(w)
  await first.drain()
  await w.coordinator.stop()
  const second = await w.miner()
  expect(await started(w, 'i-2')).toMatchObject({type: 'started'})
  expect(await w.gateway.ask(w.node, 'i-2')).toContain('from the function')
  const proposed = w.gateway.propose(w.nodeKey, {requests: 1})
  const link = await w.gateway.link(w.node)
  link.send(proposed)
  const one = await w.gateway.next('receipt')
  link.send(proposed)
  expect(await w.gateway.next('receipt')).toEqual(one)
  expect(second.status.pendingReceipts).toBe(1)
  await w.coordinator.start()
  await expect.poll(() => [...w.coordinator.receipts.values()] as Receipt[]).toEqual([one.receipt])
  await second.drain()
})

test('after a kill the next process adopts what still has a lease, tells the gateway, and stops the rest', async () => {
  const w = await world()
  w.coordinator.setTable(w.table())
  const first = await w.miner()
  await started(w, 'i-1')
  await first.drain()
  const labels = {gateway: w.gateway.id, revision: 'rev_7'}
  const {manifestDigest} = await prepared(w)
  const limits = {memoryBytes: 64 * MIB, cpuMillis: 100, pidsMax: 10, scratchBytes: MIB, logBytes: MIB}
  const left = {imageDigest: manifestDigest, argv: [], env: {}, port: 8080, limits}
  await w.runtime.start({...left, id: 'good', labels: {...labels, lease: 'lea_9'}}, signal)
  await w.runtime.start({...left, id: 'bad', labels: {...labels, lease: 'lea_1'}}, signal)
  const second = await w.miner()
  expect((await w.runtime.list(signal)).map(({id}) => id)).toEqual(['good'])
  await expect
    .poll(() => w.gateway.messages.filter(({type}) => type === 'ready').at(-1))
    .toEqual({type: 'ready', instances: [{instance: 'good', revision: 'rev_7', lease: 'lea_9'}]})
  expect(await w.gateway.ask(w.node, 'good')).toContain('from the function')
  await second.drain()
  expect(await w.runtime.list(signal)).toEqual([])
})

test('draining says so, lets a request that is under way finish, and stops every container', async () => {
  const release = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  const w = await world(() => (_request, response) => {
    asked.resolve()
    void release.promise.then(() => response.end('late but whole'))
  })
  w.coordinator.setTable(w.table())
  const miner = await w.miner()
  await started(w)
  const answer = w.gateway.ask(w.node, 'i-1')
  await asked.promise
  const drained = miner.drain()
  await w.gateway.next('draining')
  release.resolve()
  expect(await answer).toContain('late but whole')
  expect(await drained).toEqual({containersStopped: 1, inTime: true, receiptsWaiting: 0})
  expect(await w.runtime.list(signal)).toEqual([])
  expect(await readStatus(join(w.directory, 'm'))).toMatchObject({draining: true, instances: []})
})

test('draining ends with the last file of an image that was being fetched: nothing is written after it', async () => {
  const w = await world()
  const preparing = Promise.withResolvers<void>()
  let isWritten = false
  const runtime = changedRuntime(w.runtime, {
    prepare: async (_image, ended) => {
      preparing.resolve()
      await new Promise((resolve) => ended.addEventListener('abort', resolve, {once: true}))
      // Several times as many files as a miner has still to write when it ends.
      for (let count = 0; count < 20; count += 1) await writeFileDurably(join(w.directory, 'layer'), String(count))
      isWritten = true
      ended.throwIfAborted()
    }
  })
  w.coordinator.setTable(w.table())
  const miner = await w.miner({runtime})
  await preparing.promise
  expect(await miner.drain().then(() => isWritten)).toBe(true)
})

test('a clock that is too wrong for the tunnel, and not for the coordinator, is mended by the time that the coordinator signs', async () => {
  const w = await world()
  w.coordinator.setTable(w.table())
  const miner = await w.miner({now: () => Date.now() - 120_000})
  expect(await w.gateway.next('ready')).toEqual({type: 'ready', instances: []})
  await miner.drain()
})

test('draining waits for containers that the gateway is stopping at the same time', async () => {
  const terminated = Promise.withResolvers<() => void>()
  const w = await world((process) => {
    process.onTerminate(() => terminated.resolve(() => process.exit(0)))
    return (_request, response) => void response.end('hi')
  })
  w.coordinator.setTable(w.table())
  const miner = await w.miner()
  await started(w)
  const drained = miner.drain()
  await w.gateway.next('draining')
  ;(await w.gateway.link(w.node)).send({type: 'stop', instance: 'i-1', graceMs: 60_000})
  const end = await terminated.promise
  expect((await w.runtime.list(signal)).length).toBe(1)
  end()
  expect(await drained).toMatchObject({containersStopped: 1})
  expect(await w.runtime.list(signal)).toEqual([])
})

test('a host that enforces no limits takes no work of strangers', async () => {
  const w = await world()
  await expect(w.miner({allowUnlimited: false})).rejects.toMatchObject({code: 'not_a_host_of_limits'})
})

test('a node that the network does not know is told so at its first heartbeat', async () => {
  const w = await world()
  const stranger = await loadOrCreateKeyFile(join(w.directory, 'm', 'other.key'))
  const client = createClient({
    coordinatorUrl: w.coordinator.url,
    networkId: w.coordinator.network,
    coordinatorKey: w.coordinator.key.publicKey,
    now: Date.now,
    key: stranger,
    account: 'new'
  })
  onTestFinished(() => client.close())
  await expect(w.miner({nodeKey: stranger, client})).rejects.toMatchObject({code: 'unauthorized'})
})
