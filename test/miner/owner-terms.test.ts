import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {signal, started, TERMS, world} from './miner-world.ts'
import {MIB} from './worlds.ts'

/** Minutes of the day that are over, or not yet there, for a while. */
function otherHours(): {fromMinute: number; toMinute: number} {
  const now = new Date()
  const minute = now.getUTCHours() * 60 + now.getUTCMinutes()
  return {fromMinute: (minute + 600) % 1440, toMinute: (minute + 660) % 1440}
}

test('outside its hours a node says that it drains, ends what runs, starts nothing, and says why; within them it works again', async () => {
  const w = await world()
  w.coordinator.setTable(w.table())
  const miner = await w.miner()
  expect(await started(w, 'i-1')).toMatchObject({type: 'started'})

  await miner.apply({...TERMS, hours: otherHours()})
  await w.gateway.next('draining')
  expect(await w.gateway.next('ended')).toMatchObject({instance: 'i-1'})
  expect(await started(w, 'i-2')).toMatchObject({type: 'start_failed', code: 'draining'})
  expect(miner.status).toMatchObject({draining: false, restReason: expect.stringContaining('It is outside the hours')})
  expect(w.coordinator.heartbeats.at(-1)).toMatchObject({draining: true})

  await miner.apply(TERMS)
  await expect.poll(() => w.gateway.messages.filter(({type}) => type === 'ready').length).toBe(2)
  expect(await started(w, 'i-3')).toMatchObject({type: 'started'})
  expect(miner.status.restReason).toBeNull()
  await miner.drain()
})

test('a node that starts outside its hours fetches nothing and starts nothing', async () => {
  const w = await world()
  w.coordinator.setTable(w.table())
  const miner = await w.miner({terms: {...TERMS, hours: otherHours()}})
  expect(await started(w)).toMatchObject({type: 'start_failed', code: 'draining'})
  expect(miner.status).toMatchObject({dataUsedBytes: expect.any(Number), imageBytes: 0})
  await miner.drain()
})

test('when the owner lends less memory than runs, the youngest instances end and the rest stay within it', async () => {
  const w = await world()
  w.coordinator.setTable(w.table())
  const miner = await w.miner()
  for (const instance of ['i-1', 'i-2', 'i-3']) expect(await started(w, instance)).toMatchObject({type: 'started'})
  await miner.apply({...TERMS, memoryBytes: 100 * MIB})
  await expect.poll(async () => (await w.runtime.list(signal)).map(({id}) => id)).toEqual(['i-1'])
  expect(await started(w, 'i-4')).toMatchObject({type: 'start_failed', code: 'overloaded'})
  expect(w.coordinator.heartbeats.at(-1)).toMatchObject({memoryBytes: 100 * MIB})
  await miner.drain()
})

test('together, instances never get more CPUs than are lent', async () => {
  const w = await world()
  w.coordinator.setTable(w.table({spec: {cpuMillis: 400}}))
  const miner = await w.miner({terms: {...TERMS, memoryBytes: 2 ** 30}})
  expect([await started(w, 'i-1'), await started(w, 'i-2'), await started(w, 'i-3')]).toMatchObject([
    {type: 'started'},
    {type: 'started'},
    {type: 'start_failed', code: 'overloaded'}
  ])
  await miner.drain()
})

test('an answer is cut when it uses up the month, nothing passes afterwards, and a later process knows it', async () => {
  const chunk = Buffer.alloc(64 * 1024, 'a')
  const w = await world(() => (_request, response) => {
    const pour = (): void => {
      while (response.write(chunk));
      response.once('drain', pour)
    }
    pour()
  })
  w.coordinator.setTable(w.table())
  const cap = 4 * MIB
  const miner = await w.miner({terms: {...TERMS, dataBytesPerMonth: cap}})
  expect(await started(w)).toMatchObject({type: 'started'})
  const got = (await w.gateway.ask(w.node, 'i-1')) ?? ''
  expect(got.length).toBeGreaterThan(cap / 2)
  expect(miner.status.dataUsedBytes).toBeLessThan(cap + 2 * MIB)
  expect(await w.gateway.next('ended')).toMatchObject({instance: 'i-1'})
  const used = miner.status.dataUsedBytes
  expect(await w.gateway.ask(w.node, 'i-1')).toBeUndefined()
  expect(await started(w, 'i-2')).toMatchObject({type: 'start_failed', code: 'draining'})
  expect(miner.status.restReason).toContain("of this month's 4.0 MiB of data are used")
  await miner.drain()

  expect(JSON.parse(await readFile(join(w.directory, 'm', 'data-used.json'), 'utf8'))).toMatchObject({format: 'creo-data-used-v1'})
  const later = await w.miner({terms: {...TERMS, dataBytesPerMonth: cap}})
  expect(later.status.dataUsedBytes).toBeGreaterThanOrEqual(used)
  expect(later.status.restReason).not.toBeNull()
  expect(await started(w, 'i-3')).toMatchObject({type: 'start_failed', code: 'draining'})
  await later.drain()
}, 40_000)

test('what functions print counts into the month, and stays here when the month has no room for it', async () => {
  const w = await world((process) => (_request, response) => {
    for (let line = 0; line < 400; line += 1) process.log('x'.repeat(1000))
    response.end()
  })
  w.coordinator.setTable(w.table())
  const cap = MIB
  const terms = {...TERMS, dataBytesPerMonth: cap}
  const miner = await w.miner({terms})
  expect(await started(w)).toMatchObject({type: 'started'})
  const lines = () => w.coordinator.heartbeats.reduce((sum, {logs}) => sum + logs.length, 0)
  const flood = async () => {
    await w.gateway.ask(w.node, 'i-1')
    await miner.apply(terms)
  }
  const before = miner.status.dataUsedBytes
  await flood()
  await expect.poll(lines).toBeGreaterThan(100)
  expect(miner.status.dataUsedBytes).toBeGreaterThan(before + lines() * 1000)
  // Each further round has more to say than the last bytes of the month can take.
  for (let round = 0; round < 4; round += 1) await flood()
  expect(lines() * 1000).toBeGreaterThan(cap / 2)
  expect(miner.status.dataUsedBytes).toBeLessThan(cap)
  expect(w.coordinator.heartbeats.at(-1)?.logs).toEqual([])
  await miner.drain()
}, 40_000)
