import {once} from 'node:events'
import {mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {request} from 'node:http'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {Config} from '@oclif/core'
import {execa} from 'execa'
import {createRuntime, findRuntimes, runtimeTools} from '../src/compose/runtimes.ts'
import {nodeBase} from '../src/images/base-node.ts'
import {buildImage, type LocalImage} from '../src/images/build-image.ts'
import type {ContainerRuntime, InstanceSpec} from '../src/runtime/port.ts'
import {figure} from './form.ts'
import type {Bench} from './run.ts'

const ROUNDS = 15
/** Rounds that fill the page cache and start podman's service, and are not counted. */
const WARM_UP_ROUNDS = 2
const REQUESTS_PER_ROUND = 10
const ROUND_TIMEOUT_MS = 60_000
const ROOT = fileURLToPath(new URL('..', import.meta.url))
const MIB = 2 ** 20
const SERVER = `import {createServer} from 'node:http'
createServer((_request, response) => response.end('hello')).listen(Number(process.env.PORT), '127.0.0.1')
`

interface Round {
  /** Until the container's process was started. */
  readonly startMs: number
  /** Until its socket accepted connections. */
  readonly readyMs: number
  /** Until the whole first answer was there; all three from the same beginning. */
  readonly firstRequestMs: number
  /** The tenth request alone, on a connection of its own like the first. */
  readonly tenthRequestMs: number
}

/** A Node function by podman, asked at its socket: from nothing to its first answer, and its tenth answer. No gateway, no tunnel. */
export const measure: Bench['measure'] = async ({signal, say}) => {
  const directory = await mkdtemp(join(tmpdir(), 'creo-coldstart-'))
  try {
    const runtime = await podman(join(directory, 'runtime'), say)
    try {
      const image = await functionImage(directory, signal)
      await runtime.prepare(image, signal)
      const rounds = await measureRounds(runtime, image, signal)
      say(`${ROUNDS} rounds after ${WARM_UP_ROUNDS} to warm up, ${REQUESTS_PER_ROUND} requests each.`)
      return [
        figure({name: 'runtime.node.start_ms', unit: 'ms', samples: rounds.map(({startMs}) => startMs)}),
        figure({name: 'runtime.node.ready_ms', unit: 'ms', samples: rounds.map(({readyMs}) => readyMs)}),
        figure({name: 'runtime.node.first_request_ms', unit: 'ms', samples: rounds.map(({firstRequestMs}) => firstRequestMs)}),
        figure({name: 'runtime.node.tenth_request_ms', unit: 'ms', samples: rounds.map(({tenthRequestMs}) => tenthRequestMs)})
      ]
    } finally {
      await runtime.close()
    }
  } finally {
    await unmountBelow(directory)
    await rm(directory, {recursive: true, force: true})
  }
}

async function podman(stateDirectory: string, say: (text: string) => void): Promise<ContainerRuntime> {
  const found = await findRuntimes(await Config.load(ROOT))
  const log = (level: string, message: string): void => {
    if (level === 'warn' || level === 'error') say(message)
  }
  return createRuntime({found, name: 'podman', tools: await runtimeTools({stateDirectory, env: process.env, log})})
}

async function functionImage(directory: string, signal: AbortSignal): Promise<LocalImage> {
  const cacheDirectory = join(ROOT, 'node_modules', '.cache', 'creo-bench-base')
  await mkdir(cacheDirectory, {recursive: true})
  const base = await nodeBase({cacheDirectory, signal})
  const folder = join(directory, 'function')
  await mkdir(folder)
  await writeFile(join(folder, 'server.mjs'), SERVER)
  const {architecture} = base
  const layoutDirectory = join(directory, 'layout')
  return buildImage({base, folder, argv: ['node', '/app/server.mjs'], env: {}, architecture, layoutDirectory, signal})
}

async function measureRounds(runtime: ContainerRuntime, image: LocalImage, signal: AbortSignal): Promise<readonly Round[]> {
  const rounds: Round[] = []
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    const measured = await measureRound(runtime, image, round, AbortSignal.any([signal, AbortSignal.timeout(ROUND_TIMEOUT_MS)]))
    if (round >= 0) rounds.push(measured)
  }
  return rounds
}

async function measureRound(runtime: ContainerRuntime, image: LocalImage, round: number, signal: AbortSignal): Promise<Round> {
  const limits = {memoryBytes: 128 * MIB, cpuMillis: 1000, pidsMax: 64, scratchBytes: 16 * MIB, logBytes: MIB}
  const id = `round-${round + WARM_UP_ROUNDS}`
  const spec: InstanceSpec = {id, imageDigest: image.manifestDigest, argv: [], env: {}, port: 8080, limits, labels: {}}
  const beganMs = performance.now()
  const instance = await runtime.start(spec, signal)
  const startMs = performance.now() - beganMs
  try {
    await instance.ready(signal)
    const readyMs = performance.now() - beganMs
    await ask(instance.socketPath, signal)
    const firstRequestMs = performance.now() - beganMs
    let tenthRequestMs = 0
    for (let number = 2; number <= REQUESTS_PER_ROUND; number += 1) tenthRequestMs = await ask(instance.socketPath, signal)
    return {startMs, readyMs, firstRequestMs, tenthRequestMs}
  } finally {
    await instance.stop({graceMs: 0}, AbortSignal.timeout(ROUND_TIMEOUT_MS))
  }
}

/** One request on a connection of its own; how long it took. */
async function ask(socketPath: string, signal: AbortSignal): Promise<number> {
  const beganMs = performance.now()
  const asked = request({socketPath, path: '/', headers: {host: 'bench'}, agent: false, signal})
  asked.end()
  const [answer] = (await once(asked, 'response')) as [AsyncIterable<Buffer>]
  let text = ''
  for await (const chunk of answer) text += chunk
  if (text !== 'hello') throw new Error(`the function answered ${JSON.stringify(text)}`)
  return performance.now() - beganMs
}

/** podman keeps its storage folder mounted on itself. */
async function unmountBelow(directory: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '')
  for (const path of mounts.filter((mount) => mount.startsWith(directory))) await execa('umount', ['--lazy', path])
}
