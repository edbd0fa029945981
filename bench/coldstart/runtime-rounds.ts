import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {Config} from '@oclif/core'
import {execa} from 'execa'
import {createRuntime, runtimeTools} from '../../src/compose/runtimes.ts'
import {findRuntimes} from '../../src/runtime/find-runtimes.ts'
import type {ContainerRuntime, InstanceSpec, InstanceTier, RuntimeInstance} from '../../src/runtime/port.ts'
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

/** What a start begins from: `nothing`, or an instance that the runtime holds. */
const beginnings = ['nothing', 'created', 'initialised', 'frozen'] as const
type Beginning = (typeof beginnings)[number]
type Rounds = Readonly<Record<Beginning | 'runc', readonly Round[]>>

/** Functions started by the runtime itself, without gateway and tunnel, from nothing and from each tier, and by `runc run` of the same bundle, in turns. */
export async function runtimeFigures(options: BenchOptions): Promise<readonly Figure[]> {
  const figures: Figure[] = []
  for (const kind of kinds) figures.push(...(await measureKind(kind, options)))
  options.say(
    `${ROUNDS} rounds of each function, podman from nothing and from each tier, and runc, in turns, after ${WARM_UP_ROUNDS} to warm up.`
  )
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
}): Promise<Rounds> {
  const {runtime, peer, specOf} = options
  const rounds = {nothing: [] as Round[], created: [] as Round[], initialised: [] as Round[], frozen: [] as Round[], runc: [] as Round[]}
  for (let number = -WARM_UP_ROUNDS; number < ROUNDS; number += 1) {
    const signal = AbortSignal.any([options.signal, AbortSignal.timeout(ROUND_TIMEOUT_MS)])
    for (const beginning of beginnings) {
      const own = await ourRound(runtime, {spec: specOf(`${beginning}-${number + WARM_UP_ROUNDS}`), beginning, signal})
      if (number >= 0) rounds[beginning].push(own)
    }
    const theirs = await peerRound(peer, signal)
    if (number >= 0) rounds.runc.push(theirs)
  }
  return rounds
}

/** What is held is made before the clock runs; a frozen function has answered once. */
async function ourRound(
  runtime: ContainerRuntime,
  {spec, beginning, signal}: {readonly spec: InstanceSpec; readonly beginning: Beginning; readonly signal: AbortSignal}
): Promise<Round> {
  const held = beginning === 'nothing' ? undefined : await hold(runtime, spec, beginning, signal)
  const beganMs = performance.now()
  const instance = held ?? (await runtime.start(spec, signal))
  try {
    if (beginning === 'frozen') await instance.thaw(signal)
    else await instance.run(signal)
    return await firstAnswer(instance, beganMs, signal)
  } finally {
    await stop(instance)
  }
}

async function hold(
  runtime: ContainerRuntime,
  spec: InstanceSpec,
  tier: Exclude<InstanceTier, 'running'>,
  signal: AbortSignal
): Promise<RuntimeInstance> {
  if (tier !== 'frozen') return runtime.create(spec, tier, signal)
  const instance = await runtime.start(spec, signal)
  await firstAnswer(instance, 0, signal)
  await instance.freeze(signal)
  return instance
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

/** `frozen_ms` is the design's name for thawing a Node function. */
function figuresOf(kind: Kind, rounds: Rounds): readonly Figure[] {
  const first = (of: keyof Rounds): number[] => rounds[of].map(({firstAnswerMs}) => firstAnswerMs)
  const against = (of: Beginning): number[] => ratios(first(of), first('runc'))
  const initialisedGoal = kind === 'static' ? {goal: {atMost: 0.5}} : {}
  const frozen = kind === 'node' ? {name: 'frozen_ms', goal: {atMost: 15}} : {name: `frozen.${kind}.creo_ms`}
  return [
    figure({name: `cost.nothing.${kind}.vs_runc`, unit: 'ratio', samples: against('nothing'), goal: goals[kind]}),
    figure({name: `cost.initialised.${kind}.vs_runc`, unit: 'ratio', samples: against('initialised'), ...initialisedGoal}),
    figure({name: `nothing.${kind}.creo_ms`, unit: 'ms', samples: first('nothing')}),
    figure({name: `created.${kind}.creo_ms`, unit: 'ms', samples: first('created')}),
    figure({name: `initialised.${kind}.creo_ms`, unit: 'ms', samples: first('initialised')}),
    figure({...frozen, unit: 'ms', samples: first('frozen')}),
    figure({name: `nothing.${kind}.runc_ms`, unit: 'ms', samples: first('runc')}),
    figure({name: `start_to_ready.${kind}_ms`, unit: 'ms', samples: rounds.nothing.map(({readyMs}) => readyMs)})
  ]
}

/** podman keeps its storage folder mounted on itself. */
export async function unmountBelow(directory: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '')
  for (const path of mounts.filter((mount) => mount.startsWith(directory))) await execa('umount', ['--lazy', path])
}
