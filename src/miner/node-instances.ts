import {join} from 'node:path'
import type {RevisionEntry} from '../core/protocol/tables.ts'
import type {RuntimeProbe} from '../runtime/port.ts'
import type {HostRules} from './host-rules.ts'
import type {ImageCache} from './image-cache.ts'
import {Instances, type InstancesOptions} from './instances.ts'
import type {MinerOptions} from './miner-options.ts'
import {Resting, type RestingOptions} from './resting.ts'
import {openWaysOut, removeWaysOut, type WaysOutOwner} from './ways-out.ts'

type FromOptions = Pick<MinerOptions, 'dataDirectory' | 'coordinatorUrl' | 'runtime' | 'now' | 'monotonicMs' | 'log'>
type FromNode = Pick<
  InstancesOptions,
  'meter' | 'logs' | 'names' | 'positions' | 'secrets' | 'dialCalls' | 'onEnded' | 'onFailure' | 'signal'
> &
  Pick<RestingOptions, 'wanted'> & {
    readonly probe: RuntimeProbe
    readonly images: Pick<ImageCache, 'preparedDigest'>
    readonly rules: () => Pick<HostRules, 'terms' | 'count'>
  }

/** The containers of a node: those that run for gateways, and those that wait. */
export function createInstances(options: FromOptions, node: FromNode): {readonly instances: Instances; readonly resting: Resting} {
  const {dataDirectory, coordinatorUrl, runtime, now, monotonicMs, log} = options
  const {meter, logs, positions, rules, names, secrets, dialCalls, onEnded, onFailure, signal, wanted, probe, images} = node
  const ways = {directory: join(dataDirectory, 'out'), coordinatorUrl, callsUnderWay: {count: 0}, log}
  const around = {
    runtime,
    logs,
    positions,
    dialCalls,
    secrets,
    openWaysOut: (of: WaysOutOwner) => openWaysOut(ways, of),
    removeWaysOut: (id: string) => removeWaysOut(ways, id),
    now,
    log
  }
  const resting: Resting = new Resting({
    ...around,
    tiers: probe.tiers,
    lentBytes: () => rules().terms.memoryBytes,
    runningBytes: () => instances.memoryBytes,
    running: () => instances.running,
    wanted,
    preparedImage: (revision: RevisionEntry) => images.preparedDigest(revision),
    monotonicMs,
    signal
  })
  const instances: Instances = new Instances({
    ...around,
    meter,
    resting,
    names,
    limits: () => rules().terms,
    onBytes: (bytes) => rules().count(bytes),
    onEnded,
    onFailure,
    signal
  })
  return {instances, resting}
}
