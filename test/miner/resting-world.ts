import {setImmediate as turn} from 'node:timers/promises'
import type {RevisionEntry} from '../../src/core/protocol/tables.ts'
import type {InstancesOptions} from '../../src/miner/instances.ts'
import type {RestingOptions} from '../../src/miner/resting.ts'
import {createMemoryRuntime} from '../../src/runtime/memory-runtime.ts'
import type {ContainerRuntime, HeldTier, RuntimeInstance} from '../../src/runtime/port.ts'
import {type InstancesWorld, instancesWorld} from './instances-world.ts'
import {changedRuntime, finished, MIB, revisionEntry, temporaryDirectory} from './worlds.ts'

const DIGEST = `sha256:${'7'.repeat(64)}`
const GATEWAY = {gateway: 'gw_1', lease: 'lea_9'}
export const ALL_TIERS: readonly HeldTier[] = [
  {tier: 'frozen', heldBytes: 0},
  {tier: 'initialised', heldBytes: 11 * MIB},
  {tier: 'created', heldBytes: 0}
]
export const signal = new AbortController().signal

export interface World extends InstancesWorld {
  readonly runtime: ContainerRuntime
  start(instance: string, revision?: RevisionEntry): Promise<string>
  /** What the runtime has, as `id: tier`. */
  containers(): Promise<string[]>
  /** Looks after what waits, until nothing changes. */
  settle(): Promise<void>
}

/** Each process of a function takes `processMib`, whatever this process takes. */
export async function world(
  options: {
    readonly processMib?: number
    /** Done to each container when it is made. */
    readonly tamper?: (instance: RuntimeInstance) => void
    readonly create?: ContainerRuntime['create']
    readonly revisions?: readonly RevisionEntry[]
  } & Partial<Pick<InstancesOptions & RestingOptions, 'tiers' | 'wanted' | 'limits'>> = {}
): Promise<World> {
  const {processMib = 20, revisions = [revisionEntry(DIGEST)], tamper, create, ...parts} = options
  const directory = await temporaryDirectory()
  const memory = createMemoryRuntime({
    directory,
    images: new Map([[DIGEST, () => (_request: unknown, response: {end(text: string): void}) => response.end('hello')]])
  })
  await memory.prepare({layoutDirectory: directory, manifestDigest: DIGEST}, signal)
  const measured = (instance: RuntimeInstance): RuntimeInstance => {
    instance.stats = async () => ({cpuMicros: 0, memoryBytes: instance.tier === 'created' ? 0 : processMib * MIB, pids: 1})
    tamper?.(instance)
    return instance
  }
  const runtime = changedRuntime(memory, {
    start: async (spec, ended) => measured(await memory.start(spec, ended)),
    create: create ?? (async (spec, tier, ended) => measured(await memory.create(spec, tier, ended)))
  })
  const made = await finished(instancesWorld(directory, runtime, {tiers: ALL_TIERS, wanted: () => [...revisions], ...parts}))
  const containers = async (): Promise<string[]> => (await runtime.list(signal)).map(({id, tier}) => `${id.slice(0, 4)}: ${tier}`)
  return {
    ...made,
    runtime,
    containers,
    start: async (instance, revision = revisionEntry(DIGEST)) => {
      const outcome = await made.instances.start({instance, ...GATEWAY, revision: revision.id}, revision, DIGEST)
      return outcome.status === 'started' ? outcome.from : outcome.code
    },
    settle: async () => {
      for (let round = 0; round < 20; round += 1) {
        made.resting.round()
        await turn()
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    }
  }
}

export function revision(id: string, memoryMib = 64): RevisionEntry {
  return {...revisionEntry(DIGEST, {memoryBytes: memoryMib * MIB}), id}
}
