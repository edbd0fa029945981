import {join} from 'node:path'
import type {RevisionEntry} from '../core/protocol/tables.ts'
import type {RuntimeProbe} from '../runtime/port.ts'
import type {ImageCache} from './image-cache.ts'
import {Instances, type InstancesOptions} from './instances.ts'
import type {MinerOptions} from './miner-options.ts'
import {Resting, type RestingOptions} from './resting.ts'
import {openWaysOut, type WaysOutOwner} from './ways-out.ts'

type FromOptions = Pick<MinerOptions, 'dataDirectory' | 'coordinatorUrl' | 'runtime' | 'now' | 'monotonicMs' | 'log'>
type FromNode = Pick<InstancesOptions, 'meter' | 'logs' | 'limits' | 'names' | 'dialCalls' | 'onEnded' | 'onBytes' | 'signal'> &
  Pick<RestingOptions, 'wanted'> & {readonly probe: RuntimeProbe; readonly images: Pick<ImageCache, 'preparedDigest'>}

/** The containers of a node: those that run for gateways, and those that wait. */
export function createInstances(options: FromOptions, node: FromNode): {readonly instances: Instances; readonly resting: Resting} {
  const {dataDirectory, coordinatorUrl, runtime, now, monotonicMs, log} = options
  const {meter, logs, limits, names, dialCalls, onEnded, onBytes, signal, wanted, probe, images} = node
  const around = {
    runtime,
    logs,
    dialCalls,
    openWaysOut: (of: WaysOutOwner) => openWaysOut({directory: join(dataDirectory, 'out'), coordinatorUrl}, of),
    now,
    log
  }
  const resting: Resting = new Resting({
    ...around,
    tiers: probe.tiers,
    lentBytes: () => limits().memoryBytes,
    runningBytes: () => instances.memoryBytes,
    runningOf: (revision) => instances.countOf(revision),
    wanted,
    preparedImage: (revision: RevisionEntry) => images.preparedDigest(revision),
    monotonicMs,
    signal
  })
  const instances: Instances = new Instances({...around, meter, resting, names, limits, onEnded, onBytes, signal})
  return {instances, resting}
}
