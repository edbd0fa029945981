import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import type {InstanceSpec} from '../../src/runtime/port.ts'
import {prepared, signal, started, TERMS, type World, world} from './miner-world.ts'
import {MIB} from './worlds.ts'

const FROZEN = [{tier: 'frozen', heldBytes: 0}] as const
const ALL_TIERS = [...FROZEN, {tier: 'initialised', heldBytes: MIB}, {tier: 'created', heldBytes: 0}] as const
/** A frozen function of the memory runtime holds as much as this process. */
const ROOMY = {terms: {...TERMS, memoryBytes: 2 ** 40}}

async function idsAndTiers(w: World): Promise<string[]> {
  return (await w.runtime.list(signal)).map(({id, tier}) => `${id}: ${tier}`)
}

test('an instance that its gateway lets rest is frozen, gateways hear of it, and the next start says where it came from', async () => {
  const w = await world(undefined, FROZEN)
  w.coordinator.setTable(w.table())
  const miner = await w.miner(ROOMY)
  await expect.poll(() => miner.status.leases).toMatchObject([{imageReady: true}])
  expect(await started(w, 'i-1')).toMatchObject({type: 'started', tier: 'pulled'})
  const link = await w.gateway.link(w.node)
  link.send({type: 'stop', instance: 'i-1', graceMs: 0, rest: true})
  await expect.poll(() => w.gateway.messages.at(-1)).toEqual({type: 'resting', waiting: [{revision: 'rev_7', tier: 'frozen'}]})
  expect(await idsAndTiers(w)).toEqual(['i-1: frozen'])
  expect(await w.gateway.ask(w.node, 'i-1')).toBeUndefined()
  expect(await started(w, 'i-2')).toMatchObject({type: 'started', instance: 'i-2', tier: 'frozen'})
  expect(await w.gateway.ask(w.node, 'i-2')).toContain('from the function')
  expect(miner.status).toMatchObject({instances: [{instance: 'i-2'}], resting: {frozen: 0}})
  link.send({type: 'stop', instance: 'i-2', graceMs: 0})
  await expect.poll(() => idsAndTiers(w)).toEqual([])
  await miner.drain()
})

test('what waits ends when the owner lets the machine rest, and when the node drains', async () => {
  const w = await world(undefined, ALL_TIERS)
  w.coordinator.setTable(w.table())
  const miner = await w.miner(ROOMY)
  await expect.poll(() => miner.status.resting.initialised).toBe(1)
  const nobodyNow = {fromMinute: (new Date().getUTCHours() * 60 + 720) % 1440, toMinute: (new Date().getUTCHours() * 60 + 721) % 1440}
  await miner.apply({...ROOMY.terms, hours: nobodyNow})
  await expect.poll(() => idsAndTiers(w)).toEqual([])
  await miner.apply(ROOMY.terms)
  await expect.poll(() => miner.status.resting.initialised).toBe(1)
  await miner.drain()
  expect(await idsAndTiers(w)).toEqual([])
})

test('after a kill, what waited for a lease that holds is taken over at its tier, and what had woken under the name that its gateway knows', async () => {
  const w = await world(undefined, ALL_TIERS)
  w.coordinator.setTable(w.table())
  const first = await w.miner(ROOMY)
  await started(w, 'i-1')
  await first.drain()
  const {manifestDigest} = await prepared(w)
  const limits = {memoryBytes: 64 * MIB, cpuMillis: 100, pidsMax: 10, scratchBytes: MIB, logBytes: MIB}
  const left = (id: string, labels: Record<string, string>): InstanceSpec => ({
    id,
    labels,
    imageDigest: manifestDigest,
    argv: [],
    env: {},
    port: 8080,
    limits
  })
  await w.runtime.create(left('rest-1', {revision: 'rev_7'}), 'initialised', signal)
  await w.runtime.create(left('rest-2', {revision: 'rev_6'}), 'initialised', signal)
  await w.runtime.start(left('rest-3', {revision: 'rev_7'}), signal)
  await w.runtime.start(left('rest-4', {revision: 'rev_7'}), signal)
  const names = {'rest-3': {instance: 'i-5', gateway: w.gateway.id, lease: 'lea_9'}}
  await writeFile(join(w.directory, 'm', 'instances.json'), JSON.stringify(names))
  const second = await w.miner(ROOMY)
  expect(await idsAndTiers(w)).toEqual(['rest-1: initialised', 'rest-3: running'])
  expect(second.status).toMatchObject({instances: [{instance: 'i-5'}], resting: {initialised: 1}})
  expect(await w.gateway.ask(w.node, 'i-5')).toContain('from the function')
  expect(await started(w, 'i-6')).toMatchObject({type: 'started', tier: 'initialised'})
  await second.drain()
  expect(await idsAndTiers(w)).toEqual([])
})
