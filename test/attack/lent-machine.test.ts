import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {createPodmanRuntime} from '../../plugins/runtime-podman/src/podman-runtime.ts'
import {runtimeTools} from '../../src/compose/runtimes.ts'
import type {RevisionSpec} from '../../src/core/protocol/revisions.ts'
import type {ContainerRuntime, RuntimeInstance} from '../../src/runtime/port.ts'
import {TERMS, type World, world} from '../miner/miner-world.ts'
import {MIB} from '../miner/worlds.ts'
import {buildProbe} from './build-probe.ts'
import {attempt, patience} from './probe-world.ts'

const LENT = {...TERMS, cpuMillis: 1500, memoryBytes: 2048 * MIB}
const ASKED = 5
const FIT = 3
/** What hogs have worked by the time that their share is looked at. */
const WORKED_MICROS = 2_000_000
/** The kernel gives each container its share anew ten times a second. */
const SHARE_SLACK = 1.1

test('functions that take what processor time they can get take no more in all than the owner lends, and no further one is started', async () => {
  const {runtime, instances} = await fullNode({cpuMillis: 500, memoryBytes: 64 * MIB})
  await Promise.all(instances.map((instance) => attempt(instance, 'cpu-hog')))
  const beganMs = performance.now()
  const before = await cpuMicros(instances)
  await expect.poll(() => cpuMicros(instances), {timeout: 50_000}).toBeGreaterThan(before + WORKED_MICROS)
  const after = await cpuMicros(instances)
  const cores = (after - before) / 1000 / (performance.now() - beganMs)
  process.stdout.write(`podman: ${FIT} hogs of the processor used ${cores.toFixed(2)} of 1.5 cores\n`)
  expect(cores).toBeLessThan((LENT.cpuMillis / 1000) * SHARE_SLACK)
  expect(await runtime.list(patience())).toHaveLength(FIT)
})

test('functions that take what memory they can get take no more in all than the owner lends, and no further one is started', async () => {
  const {instances} = await fullNode({cpuMillis: 100, memoryBytes: 600 * MIB})
  const hogs = new Set(instances)
  const ended = instances.map(async (instance) => {
    // The kernel ends the greedy process, or the whole container.
    const outcome = await attempt(instance, 'memory-hog').catch(() => undefined)
    hogs.delete(instance)
    return outcome?.count ?? 0
  })
  let most = 0
  while (hogs.size > 0) most = Math.max(most, await memoryBytes(instances))
  process.stdout.write(`podman: ${FIT} hogs of memory used ${Math.round(most / MIB)} of 2048 MiB\n`)
  expect(most).toBeGreaterThan(0)
  expect(most).toBeLessThanOrEqual(LENT.memoryBytes)
  for (const mib of await Promise.all(ended)) expect(mib).toBeLessThanOrEqual(600)
})

/** A node on which as many instances run as its owner's terms let. */
async function fullNode(
  spec: Pick<RevisionSpec, 'cpuMillis' | 'memoryBytes'>
): Promise<{readonly runtime: ContainerRuntime; readonly instances: readonly RuntimeInstance[]}> {
  const w = await world(undefined, [], await buildProbe(patience()))
  const tools = await runtimeTools({stateDirectory: join(w.directory, 'state'), env: process.env, log: () => undefined})
  const runtime = await createPodmanRuntime(tools)
  onTestFinished(async () => {
    for (const left of await runtime.list(patience())) await left.stop({graceMs: 0}, patience())
    await runtime.prune([], patience())
    await runtime.close()
  })
  w.coordinator.setTable(w.table({spec}))
  const miner = await w.miner({runtime, terms: LENT, allowUnlimited: false})
  onTestFinished(async () => {
    await miner.drain()
  })
  const answers = await startAll(w)
  expect(answers.filter((answer) => answer === 'started')).toHaveLength(FIT)
  expect(answers.filter((answer) => answer === 'overloaded')).toHaveLength(ASKED - FIT)
  return {runtime, instances: await runtime.list(patience())}
}

async function startAll(w: World): Promise<readonly string[]> {
  const link = await w.gateway.link(w.node)
  for (let count = 1; count <= ASKED; count += 1) link.send({type: 'start', instance: `i-${count}`, revision: 'rev_7', lease: 'lea_9'})
  const answers: string[] = []
  while (answers.length < ASKED) {
    const answer = await w.gateway.next('started', 'start_failed')
    answers.push(answer.type === 'started' ? 'started' : answer.code)
  }
  return answers
}

async function cpuMicros(instances: readonly RuntimeInstance[]): Promise<number> {
  const stats = await Promise.all(instances.map((instance) => instance.stats(patience())))
  return stats.reduce((sum, one) => sum + one.cpuMicros, 0)
}

/** One that was ended uses none. */
async function memoryBytes(instances: readonly RuntimeInstance[]): Promise<number> {
  const stats = await Promise.all(instances.map((instance) => instance.stats(patience()).catch(() => ({memoryBytes: 0}))))
  return stats.reduce((sum, one) => sum + one.memoryBytes, 0)
}
