import {request} from 'node:http'
import {expect, test} from 'vitest'
import type {RevisionEntry} from '../../src/core/protocol/tables.ts'
import type {HeldTier} from '../../src/runtime/port.ts'
import {instancesWorld} from './instances-world.ts'
import {ALL_TIERS, revision, signal, type World, world} from './resting-world.ts'
import {MIB, temporaryDirectory} from './worlds.ts'

const FROZEN: readonly HeldTier[] = [{tier: 'frozen', heldBytes: 0}]

test('an instance that its gateway lets rest is frozen, not measured, and the next start of its revision thaws it', async () => {
  const w = await world()
  expect(await w.start('i-1')).toBe('pulled')
  w.clock.ms += 1000
  await w.instances.rest('i-1', 100)
  expect([await w.containers(), w.resting.all]).toEqual([['i-1: frozen'], [{revision: 'rev_7', tier: 'frozen'}]])
  expect(w.meter.measured('gw_1', 'rev_7').mibMs).toBe(64_000)
  w.clock.ms += 3_600_000
  expect(w.meter.measured('gw_1', 'rev_7').mibMs).toBe(64_000)
  expect(await w.start('i-2')).toBe('frozen')
  expect([await w.containers(), w.resting.all, w.instances.get('i-1'), w.instances.get('i-2')?.lease]).toEqual([
    ['i-1: running'],
    [],
    undefined,
    'lea_9'
  ])
  w.clock.ms += 1000
  expect(w.meter.measured('gw_1', 'rev_7').mibMs).toBe(128_000)
  expect(w.ended).toEqual([])
})

test('a request of a frozen function is answered after the thaw, over the same connection', async () => {
  const w = await world()
  await w.start('i-1')
  const [instance] = await w.runtime.list(signal)
  await w.instances.rest('i-1', 100)
  const answer = new Promise<string>((resolve, reject) => {
    request({socketPath: instance!.socketPath}, (response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve(text))
    })
      .on('error', reject)
      .end()
  })
  await w.start('i-2')
  expect(await answer).toBe('hello')
})

const fails = (): Promise<never> => Promise.reject(new Error('it does not'))

test.each<[string, Parameters<typeof world>[0]]>([
  ['the policy has no memory for it', {processMib: 200}],
  ['the runtime cannot freeze', {tiers: []}],
  ['no lease is there for it any more', {wanted: () => []}],
  ['it cannot be measured', {tamper: (instance) => Object.assign(instance, {stats: fails})}],
  ['it cannot be frozen', {tamper: (instance) => Object.assign(instance, {freeze: fails})}]
])('an instance that rests is stopped when %s', async (_when, options) => {
  const w = await world(options)
  await w.start('i-1')
  await w.instances.rest('i-1', 0)
  expect([await w.containers(), w.instances.count]).toEqual([[], 0])
})

test('what waits and does not wake is removed, and another one is started in its place', async () => {
  const w = await world({tamper: (instance) => Object.assign(instance, {run: fails})})
  await w.settle()
  expect(w.resting.all).toEqual([{revision: 'rev_7', tier: 'initialised'}])
  expect(await w.start('i-1')).toBe('pulled')
  expect([await w.containers(), w.instances.count]).toEqual([['i-1: running'], 1])
})

test('a function that crashes as it wakes is not started twice', async () => {
  const crashes = new Error('it crashed')
  const w = await world({tamper: (instance) => Object.assign(instance, {ready: () => Promise.reject(crashes)})})
  await w.settle()
  expect(await w.start('i-1')).toBe('internal')
  expect([await w.containers(), w.instances.count]).toEqual([[], 0])
})

test('what an earlier process left waiting is handed out only once its ways out are open', async () => {
  const w = await world()
  await w.settle()
  const [left] = await w.runtime.list(signal)
  const opening = Promise.withResolvers<void>()
  const opened = {bound: undefined, bytes: 0, cutCalls: () => undefined, close: async () => undefined}
  const later = await instancesWorld(await temporaryDirectory(), w.runtime, {
    tiers: ALL_TIERS,
    wanted: () => [revision('rev_7')],
    openWaysOut: () => opening.promise.then(() => opened)
  })
  const adopted = later.resting.adopt(left!, revision('rev_7'))
  await new Promise((resolve) => setImmediate(resolve))
  expect([later.resting.take('rev_7'), later.resting.all]).toEqual([undefined, []])
  opening.resolve()
  expect([await adopted, later.resting.all]).toEqual([true, [{revision: 'rev_7', tier: 'initialised'}]])
})

test('of what an earlier process left waiting nothing is kept whose ways out do not open', async () => {
  const w = await world()
  await w.settle()
  const [left] = await w.runtime.list(signal)
  const parts = {tiers: ALL_TIERS, wanted: () => [revision('rev_7')], openWaysOut: fails}
  const later = await instancesWorld(await temporaryDirectory(), w.runtime, parts)
  expect([await later.resting.adopt(left!, revision('rev_7')), later.resting.count, await w.containers()]).toEqual([true, 0, []])
})

test('leased revisions are made ready ahead of need, and a start takes what waits', async () => {
  const w = await world()
  await w.settle()
  expect(w.resting.all).toEqual([{revision: 'rev_7', tier: 'initialised'}])
  expect(await w.start('i-1')).toBe('initialised')
  await w.settle()
  expect(await w.containers()).toEqual(['rest: running'])
  await w.instances.stop('i-1', 0)
  expect(w.instances.count).toBe(0)
})

test('what was asked for ahead and failed is not tried again at once', async () => {
  let tries = 0
  const create = async (): Promise<never> => {
    tries += 1
    throw new Error('no')
  }
  const w = await world({create})
  await w.settle()
  expect(tries).toBe(1)
  w.clock.ms += 61_000
  await w.settle()
  expect([tries, w.resting.count]).toEqual([2, 0])
})

test('a second instance of a revision finds nothing that waits, and of two that rest one is kept', async () => {
  const w = await world({tiers: FROZEN})
  expect([await w.start('i-1'), await w.start('i-2')]).toEqual(['pulled', 'pulled'])
  await Promise.all([w.instances.rest('i-1', 0), w.instances.rest('i-2', 0)])
  expect([w.resting.all, await w.containers()]).toEqual([[{revision: 'rev_7', tier: 'frozen'}], [expect.stringMatching('i-[12]: frozen')]])
})

test('a start while the container is being frozen gets that container', async () => {
  const w = await world()
  await w.start('i-1')
  const [instance] = await w.runtime.list(signal)
  const gate = Promise.withResolvers<void>()
  const freeze = instance!.freeze.bind(instance)
  instance!.freeze = async (ended) => {
    await gate.promise
    await freeze(ended)
  }
  const rested = w.instances.rest('i-1', 0)
  await expect.poll(() => w.resting.count).toBe(1)
  const started = w.start('i-2')
  gate.resolve()
  await rested
  expect([await started, await w.containers(), w.resting.count]).toEqual(['frozen', ['i-1: running'], 0])
})

test('a start while an instance is about to rest gets its container too', async () => {
  const gate = Promise.withResolvers<void>()
  const slowly = async () => {
    await gate.promise
    return {cpuMicros: 0, memoryBytes: MIB, pids: 1}
  }
  const w = await world({tamper: (instance) => Object.assign(instance, {stats: slowly})})
  await w.start('i-1')
  const rested = w.instances.rest('i-1', 0)
  const started = w.start('i-2')
  gate.resolve()
  await rested
  expect([await started, await w.containers(), w.instances.count]).toEqual(['frozen', ['i-1: running'], 1])
})

test('one that dies while it waits is forgotten', async () => {
  const w = await world({tiers: FROZEN})
  await w.start('i-1')
  const [instance] = await w.runtime.list(signal)
  await w.instances.rest('i-1', 0)
  await instance!.stop({graceMs: 0}, signal)
  await expect.poll(() => [w.resting.count, w.ended]).toEqual([0, []])
  expect(await w.start('i-2')).toBe('pulled')
})

test.each<[string, (w: World, wanted: RevisionEntry[]) => Promise<void>]>([
  [
    'the lease ends',
    async (w, wanted) => {
      wanted.length = 0
      await w.settle()
    }
  ],
  ['the node drains', (w) => w.instances.endAll(0)]
])('what waits is removed when %s', async (_when, happens) => {
  const wanted = [revision('rev_7'), revision('rev_8')]
  const w = await world({revisions: wanted, limits: () => ({memoryBytes: 400 * MIB, cpuMillis: 1000})})
  await w.start('i-1', wanted[1])
  await w.instances.rest('i-1', 0)
  await w.settle()
  expect(w.resting.all).toHaveLength(2)
  await happens(w, wanted)
  await expect.poll(() => w.containers()).toEqual([])
})

test('memory of those that wait is given to one that starts, the least valuable first, before it starts', async () => {
  const revisions = [revision('rev_1'), revision('rev_2'), revision('rev_3', 128)]
  const heldAtStart: number[] = []
  const w: World = await world({
    revisions,
    tiers: FROZEN,
    limits: () => ({memoryBytes: 160 * MIB, cpuMillis: 1000}),
    tamper: () => void heldAtStart.push(w.resting.heldBytes / MIB)
  })
  for (const [index, one] of [revisions[0], revisions[1], revisions[1]].entries()) {
    await w.start(`i-${index}`, one)
    await w.instances.rest(`i-${index}`, 0)
  }
  expect(w.resting.all.map((one) => one.revision)).toEqual(['rev_1', 'rev_2'])
  expect(await w.start('i-9', revisions[2])).toBe('pulled')
  expect([w.resting.all.map((one) => one.revision), heldAtStart.at(-1)]).toEqual([['rev_2'], 20])
})

test('when the owner lends less, what waits goes before what runs', async () => {
  let memoryBytes = 256 * MIB
  const revisions = [revision('rev_1'), revision('rev_2')]
  const w = await world({revisions, tiers: FROZEN, limits: () => ({memoryBytes, cpuMillis: 1000})})
  await w.start('i-1', revisions[0])
  await w.instances.rest('i-1', 0)
  await w.start('i-2', revisions[1])
  memoryBytes = 70 * MIB
  expect(await w.resting.fit()).toBe(true)
  expect([w.resting.count, w.instances.all.map(({instance}) => instance)]).toEqual([0, ['i-2']])
})
