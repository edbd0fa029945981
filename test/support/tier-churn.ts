import {createContainerdRuntime} from '../../plugins/runtime-containerd/src/containerd-runtime.ts'
import {createPodmanRuntime} from '../../plugins/runtime-podman/src/podman-runtime.ts'
import {runtimeTools} from '../../src/compose/runtimes.ts'
import type {InstanceSpec, RuntimeInstance} from '../../src/runtime/port.ts'

/** A process to be killed: makes, runs, freezes, thaws and stops instances until then. Arguments: runtime, state directory, image digest, round. */
const [runtimeName = '', stateDirectory = '', imageDigest = '', round = ''] = process.argv.slice(2)
const CHURNS_MAX = 1000
const CHURNS_AT_ONCE = 2
const MIB = 2 ** 20
const LIMITS = {memoryBytes: 256 * MIB, cpuMillis: 1000, pidsMax: 64, scratchBytes: 4 * MIB, logBytes: MIB}
const signal = AbortSignal.timeout(60_000)

const tools = await runtimeTools({stateDirectory, env: process.env, log: () => undefined})
const runtime = await (runtimeName === 'podman' ? createPodmanRuntime(tools) : createContainerdRuntime(tools))
const {tiers} = await runtime.probe(signal)

async function make(spec: InstanceSpec, turn: number): Promise<RuntimeInstance> {
  const {tier} = tiers[turn % tiers.length] ?? {tier: 'frozen'}
  const instance = tier === 'frozen' ? await runtime.start(spec, signal) : await runtime.create(spec, tier, signal)
  await instance.run(signal)
  return instance
}

async function churn(lane: number): Promise<void> {
  for (let turn = 0; turn < CHURNS_MAX; turn++) {
    const spec = {id: `k${round}-${lane}-${turn}`, imageDigest, argv: [], env: {}, port: 8080, limits: LIMITS, labels: {lane: String(lane)}}
    const instance = await make(spec, turn + lane)
    await instance.freeze(signal)
    await instance.thaw(signal)
    if (turn % 2 === 0) await instance.stop({graceMs: 0}, signal)
  }
}

process.stdout.write('churning\n')
await Promise.all(Array.from({length: CHURNS_AT_ONCE}, (_none, lane) => churn(lane)))
