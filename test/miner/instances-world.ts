import {join} from 'node:path'
import {type InstanceNames, openInstanceNames} from '../../src/miner/instance-names.ts'
import {Instances, type InstancesOptions} from '../../src/miner/instances.ts'
import {LogRing} from '../../src/miner/log-ring.ts'
import {Resting, type RestingOptions} from '../../src/miner/resting.ts'
import {WorkMeter} from '../../src/miner/work-meter.ts'
import type {ContainerRuntime} from '../../src/runtime/port.ts'
import {MIB, quietLog} from './worlds.ts'

export interface InstancesWorld {
  readonly instances: Instances
  readonly resting: Resting
  readonly names: InstanceNames
  readonly meter: WorkMeter
  readonly ended: string[]
  readonly clock: {ms: number}
}

/** The containers of a node, above a runtime, without the rest of the miner. Nothing waits unless `tiers` and `wanted` say so. */
export async function instancesWorld(
  directory: string,
  runtime: ContainerRuntime,
  changes: Partial<InstancesOptions & RestingOptions> = {}
): Promise<InstancesWorld> {
  const clock = {ms: 0}
  const meter = new WorkMeter(() => clock.ms)
  const ended: string[] = []
  const names = await openInstanceNames(join(directory, 'instances.json'), quietLog)
  const limits = changes.limits ?? (() => ({memoryBytes: 256 * MIB, cpuMillis: 1000}))
  const around = {
    runtime,
    logs: new LogRing(),
    positions: {get: () => 0, forget: () => undefined},
    dialCalls: () => Promise.reject(new Error('nobody is called')),
    openWaysOut: async () => ({bound: undefined, bytes: 0, cutCalls: () => undefined, close: async () => undefined}),
    removeWaysOut: async () => undefined,
    secrets: {environment: async () => ({})},
    now: Date.now,
    log: quietLog,
    signal: new AbortController().signal
  }
  const resting: Resting = new Resting({
    ...around,
    tiers: [],
    lentBytes: () => limits().memoryBytes,
    runningBytes: () => instances.memoryBytes,
    running: () => instances.running,
    wanted: () => [],
    preparedImage: ({imageDigest}) => imageDigest,
    monotonicMs: () => clock.ms,
    ...changes
  })
  const instances: Instances = new Instances({
    ...around,
    meter,
    resting,
    names,
    limits,
    onBytes: () => undefined,
    onEnded: ({instance}) => ended.push(instance),
    onFailure: () => undefined,
    ...changes
  })
  return {instances, resting, names, meter, ended, clock}
}
