import {expect, test} from 'vitest'
import {CreoError} from '../../src/core/errors.ts'
import type {Instances, InstancesOptions} from '../../src/miner/instances.ts'
import {createMemoryRuntime} from '../../src/runtime/memory-runtime.ts'
import type {ContainerRuntime} from '../../src/runtime/port.ts'
import {instancesWorld} from './instances-world.ts'
import {changedRuntime, finished, revisionEntry, temporaryDirectory} from './worlds.ts'

const DIGEST = `sha256:${'7'.repeat(64)}`
const ORIGIN = {instance: 'i-1', gateway: 'gw_1', lease: 'lea_9', revision: 'rev_7'}
const signal = new AbortController().signal

interface World {
  readonly runtime: ContainerRuntime
  readonly instances: Instances
  readonly ended: string[]
  /** Resolves when the runtime has been asked to start something. */
  readonly asked: Promise<AbortSignal>
  /** Lets the runtime do what it was asked. */
  readonly release: () => void
  /** Instance time measured in the next second. */
  measured(): number
}

/** A runtime whose start takes until it is released, and which does not notice that it was called off. */
async function slowWorld(changes: Partial<InstancesOptions> = {}): Promise<World> {
  const directory = await temporaryDirectory()
  const images = new Map([[DIGEST, () => (_request: unknown, response: {end(): void}) => response.end()]])
  const runtime = createMemoryRuntime({directory, images})
  await runtime.prepare({layoutDirectory: directory, manifestDigest: DIGEST}, signal)
  const asked = Promise.withResolvers<AbortSignal>()
  const gate = Promise.withResolvers<void>()
  const slow = changedRuntime(runtime, {
    start: async (spec, calledOff) => {
      asked.resolve(calledOff)
      await gate.promise
      return await runtime.start(spec, signal)
    }
  })
  const {instances, meter, ended, clock} = await finished(instancesWorld(directory, slow, changes))
  const measured = (): number => {
    clock.ms += 1000
    return meter.measured(ORIGIN.gateway, ORIGIN.revision).mibMs
  }
  return {runtime, instances, ended, asked: asked.promise, release: gate.resolve, measured}
}

test.each([
  ['its gateway stops it', (instances: Instances) => instances.stop('i-1', 100)],
  ['the node drains', (instances: Instances) => instances.endAll(100)]
])('an instance whose start is under way when %s is called off, and what came of it is stopped and not measured', async (_when, stop) => {
  const {runtime, instances, ended, asked, release, measured} = await slowWorld()
  const started = instances.start(ORIGIN, revisionEntry(DIGEST), DIGEST)
  const calledOff = await asked
  const stopped = stop(instances)
  expect([calledOff.aborted, instances.count]).toEqual([true, 1])
  release()
  await stopped
  expect([await runtime.list(signal), instances.count]).toEqual([[], 0])
  expect(await started).toMatchObject({status: 'failed', code: 'stopped'})
  expect([measured(), ended]).toEqual([0, []])
})

test('an instance that was started is measured until it is stopped, and its end is said when the node ends it', async () => {
  const {runtime, instances, ended, release, measured} = await slowWorld()
  release()
  expect(await instances.start(ORIGIN, revisionEntry(DIGEST), DIGEST)).toEqual({status: 'started', from: 'pulled'})
  expect(measured()).toBe(64_000)
  await instances.end('i-1', 100)
  expect([await runtime.list(signal), measured(), ended]).toEqual([[], 64_000, ['i-1']])
})

test('a function that does not listen is said to its owner while there is time left, and again when there is none', async () => {
  const directory = await temporaryDirectory()
  const runtime = createMemoryRuntime({directory, images: new Map([[DIGEST, () => () => undefined]])})
  await runtime.prepare({layoutDirectory: directory, manifestDigest: DIGEST}, signal)
  const deaf = changedRuntime(runtime, {
    start: async (spec, calledOff) =>
      Object.assign(await runtime.start(spec, calledOff), {
        ready: (late: AbortSignal) =>
          new Promise<void>((_, reject) => late.addEventListener('abort', () => reject(new CreoError('timeout', 'It does not listen.'))))
      })
  })
  const said: string[] = []
  const onFailure: InstancesOptions['onFailure'] = (_, {reason}, words) => said.push(`${reason}: ${words}`)
  const {instances} = await finished(instancesWorld(directory, deaf, {onFailure, startTimes: {timeoutMs: 200, usualMs: 50}}))
  expect(await instances.start(ORIGIN, revisionEntry(DIGEST), DIGEST)).toMatchObject({status: 'failed', code: 'timeout'})
  expect(said).toEqual([
    'not_listening_yet: It runs and does not listen on port 8080 yet.',
    'port_not_opened: It runs and did not listen on port 8080 in time.'
  ])
})
