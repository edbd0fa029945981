import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {Config} from '@oclif/core'
import {execa} from 'execa'
import {createRuntime, findRuntimes, runtimeTools} from '../../src/compose/runtimes.ts'
import type {ContainerRuntime, InstanceSpec, RuntimeInstance} from '../../src/runtime/port.ts'
import {type Figure, figure, type Goal, ratios} from '../form.ts'
import {ask} from '../function/ask.ts'
import {buildFunction, type Kind, kinds, MEMORY_MIB} from './functions.ts'
import {RuncPeer} from './runc.ts'

const ROUNDS = 11
/** Rounds that fill the page cache and start podman's service, and are not counted. */
const WARM_UP_ROUNDS = 2
const ROUND_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 60_000
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MIB = 2 ** 20
const goals: Readonly<Record<Kind, Goal>> = {static: {atMost: 2}, node: {atMost: 1.5}}

export interface BenchOptions {
  readonly directory: string
  readonly signal: AbortSignal
  say(text: string): void
}

interface Round {
  /** Until the socket accepted connections, and until the whole first answer was there; from the same beginning. */
  readonly readyMs: number
  readonly firstAnswerMs: number
}

/** Functions started by the runtime itself, without gateway and tunnel, and by `runc run` of the same bundle, in turns. */
export async function runtimeFigures(options: BenchOptions): Promise<readonly Figure[]> {
  const figures: Figure[] = []
  for (const kind of kinds) figures.push(...(await measureKind(kind, options)))
  options.say(`${ROUNDS} rounds of each function, podman and runc in turns, after ${WARM_UP_ROUNDS} to warm up.`)
  return figures
}

async function measureKind(kind: Kind, {directory, signal, say}: BenchOptions): Promise<readonly Figure[]> {
  const state = join(directory, `runtime-${kind}`)
  const runtime = await podman(state, say)
  try {
    const image = await buildFunction(kind, directory, signal)
    await runtime.prepare(image, signal)
    const specOf = (id: string): InstanceSpec => ({...specification(kind), id, imageDigest: image.manifestDigest})
    const template = await runtime.start(specOf('template'), signal)
    try {
      await template.ready(signal)
      const peer = await RuncPeer.of(join(state, 'storage'), join(directory, `runc-${kind}`))
      return figuresOf(kind, await measureRounds({runtime, peer, specOf, signal}))
    } finally {
      await stop(template)
    }
  } finally {
    await runtime.close()
    await unmountBelow(state)
  }
}

function specification(kind: Kind): Omit<InstanceSpec, 'id' | 'imageDigest'> {
  const limits = {memoryBytes: MEMORY_MIB[kind] * MIB, cpuMillis: 1000, pidsMax: 64, scratchBytes: 16 * MIB, logBytes: MIB}
  return {argv: [], env: {}, port: 8080, limits, labels: {}}
}

async function podman(stateDirectory: string, say: (text: string) => void): Promise<ContainerRuntime> {
  const found = await findRuntimes(await Config.load(ROOT))
  const log = (level: string, message: string): void => {
    if (level === 'warn' || level === 'error') say(message)
  }
  return createRuntime({found, name: 'podman', tools: await runtimeTools({stateDirectory, env: process.env, log})})
}

async function measureRounds(options: {
  readonly runtime: ContainerRuntime
  readonly peer: RuncPeer
  readonly specOf: (id: string) => InstanceSpec
  readonly signal: AbortSignal
}): Promise<{readonly ours: readonly Round[]; readonly peers: readonly Round[]}> {
  const {runtime, peer, specOf} = options
  const ours: Round[] = []
  const peers: Round[] = []
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    const signal = AbortSignal.any([options.signal, AbortSignal.timeout(ROUND_TIMEOUT_MS)])
    const own = await ourRound(runtime, specOf(`round-${round + WARM_UP_ROUNDS}`), signal)
    const theirs = await peerRound(peer, signal)
    if (round < 0) continue
    ours.push(own)
    peers.push(theirs)
  }
  return {ours, peers}
}

async function ourRound(runtime: ContainerRuntime, spec: InstanceSpec, signal: AbortSignal): Promise<Round> {
  const beganMs = performance.now()
  const instance = await runtime.start(spec, signal)
  try {
    return await firstAnswer(instance, beganMs, signal)
  } finally {
    await stop(instance)
  }
}

async function peerRound(peer: RuncPeer, signal: AbortSignal): Promise<Round> {
  const run = await peer.bundle()
  const beganMs = performance.now()
  const container = run()
  try {
    return await firstAnswer(container, beganMs, signal)
  } finally {
    await container.stop()
  }
}

async function firstAnswer(
  started: {readonly socketPath: string; ready(signal: AbortSignal): Promise<void>},
  beganMs: number,
  signal: AbortSignal
): Promise<Round> {
  await started.ready(signal)
  const readyMs = performance.now() - beganMs
  await ask({to: {socketPath: started.socketPath}, path: '/', host: 'bench', signal})
  return {readyMs, firstAnswerMs: performance.now() - beganMs}
}

/** Also after an interruption, which is why it takes no signal of the bench. */
async function stop(instance: RuntimeInstance): Promise<void> {
  await instance.stop({graceMs: 0}, AbortSignal.timeout(STOP_TIMEOUT_MS))
}

function figuresOf(kind: Kind, {ours, peers}: {readonly ours: readonly Round[]; readonly peers: readonly Round[]}): readonly Figure[] {
  const first = (rounds: readonly Round[]): number[] => rounds.map(({firstAnswerMs}) => firstAnswerMs)
  return [
    figure({name: `cost.nothing.${kind}.vs_runc`, unit: 'ratio', samples: ratios(first(ours), first(peers)), goal: goals[kind]}),
    figure({name: `nothing.${kind}.creo_ms`, unit: 'ms', samples: first(ours)}),
    figure({name: `nothing.${kind}.runc_ms`, unit: 'ms', samples: first(peers)}),
    figure({name: `start_to_ready.${kind}_ms`, unit: 'ms', samples: ours.map(({readyMs}) => readyMs)})
  ]
}

/** podman keeps its storage folder mounted on itself. */
export async function unmountBelow(directory: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '')
  for (const path of mounts.filter((mount) => mount.startsWith(directory))) await execa('umount', ['--lazy', path])
}
