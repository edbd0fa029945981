import {once} from 'node:events'
import {copyFile, mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises'
import {request} from 'node:http'
import {createServer, type Server} from 'node:net'
import {constants, tmpdir} from 'node:os'
import {join} from 'node:path'
import {text} from 'node:stream/consumers'
import {runtimeTools} from '../../src/compose/runtimes.ts'
import {buildImage} from '../../src/images/build-image.ts'
import {connectInstance} from '../../src/miner/instance-socket.ts'
import type {ContainerRuntime, InstanceSpec, RuntimeInstance, RuntimeTools} from '../../src/runtime/port.ts'
import {SLOWNESS} from '../support/slowness.ts'
import {buildProbe} from './build-probe.ts'

const PATIENCE_MS = 90_000 * SLOWNESS
const MIB = 2 ** 20
export const patience = (): AbortSignal => AbortSignal.timeout(PATIENCE_MS)

export const LIMITS = {memoryBytes: 64 * MIB, cpuMillis: 1000, pidsMax: 32, scratchBytes: 4 * MIB, logBytes: MIB}

/** What came of one attack. */
export interface Outcome {
  /** `succeeded`, or the errno or signal that stopped it. */
  readonly result: string
  /** How far a greedy one came. */
  readonly count: number
}

export interface ProbeWorld {
  readonly directory: string
  readonly probePath: string
  readonly runtime: ContainerRuntime
  start(id: string, changes?: Partial<InstanceSpec>): Promise<RuntimeInstance>
  /** Connections that anybody made to what the test listens on for its attackers: none may come. */
  readonly reached: () => number
  /** On 127.0.0.1 of the host. */
  readonly baitPort: number
  close(): Promise<void>
}

/** A real runtime with the probe as its image, and on the host what the probe would like to reach. */
export async function openProbeWorld(create: (tools: RuntimeTools) => Promise<ContainerRuntime>): Promise<ProbeWorld> {
  const directory = await mkdtemp(join(tmpdir(), 'creo-attack-'))
  const probePath = await buildProbe(patience())
  const folder = join(directory, 'folder')
  await mkdir(folder)
  await copyFile(probePath, join(folder, 'probe'))
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
  const layoutDirectory = join(directory, 'layout')
  const image = await buildImage({
    platforms: [{architecture, base: 'scratch'}],
    folder,
    argv: ['/app/probe'],
    env: {},
    layoutDirectory,
    signal: patience()
  })
  const runtime = await create(await runtimeTools({stateDirectory: join(directory, 'state'), env: process.env, log: () => undefined}))
  await runtime.prepare(image, patience())
  const bait = await layBait(directory)
  return {
    directory,
    probePath,
    runtime,
    reached: bait.reached,
    baitPort: Number(bait.env.HOST_PORT),
    start: async (id, changes) => {
      const common = {argv: [], env: bait.env, port: 8080, limits: LIMITS, labels: {}}
      const instance = await runtime.start({id, imageDigest: image.manifestDigest, ...common, ...changes}, patience())
      await instance.ready(patience())
      return instance
    },
    close: async () => {
      for (const left of await runtime.list(patience())) await left.stop({graceMs: 0}, patience())
      await runtime.prune([], patience())
      await runtime.close()
      bait.close()
      await rm(directory, {recursive: true})
    }
  }
}

/** Tries the attack in a container and says what came of it. */
export async function attempt(instance: RuntimeInstance, attack: string): Promise<Outcome> {
  return outcomeOf(await ask(instance, `/${attack}`))
}

/** What the proxy answers to the function's CONNECT. */
export async function connectThrough(instance: RuntimeInstance, authority: string): Promise<number> {
  return JSON.parse(await ask(instance, `/through/${authority}`)).status
}

/** Reads one line of the probe. */
export function outcomeOf(line: string): Outcome {
  const {errno, signal, count} = JSON.parse(line) as {errno: number; signal: number; count: number}
  if (errno === 255) throw new Error('The probe knows no such attack.')
  const numbers = signal === 0 ? constants.errno : constants.signals
  const number = signal === 0 ? errno : signal
  return {result: number === 0 ? 'succeeded' : nameOf(numbers, number), count}
}

function nameOf(numbers: Readonly<Record<string, number>>, number: number): string {
  const more: Readonly<Record<number, string>> = {93: 'EPROTONOSUPPORT', 94: 'ESOCKTNOSUPPORT'}
  return Object.keys(numbers).find((name) => numbers[name] === number) ?? more[number] ?? `number ${number}`
}

/** Through the miner's own eyes: what is no socket is refused before it is connected to. */
async function ask(instance: RuntimeInstance, path: string): Promise<string> {
  const socket = await connectInstance(instance.socketPath)
  const asked = request({createConnection: () => socket, path, signal: patience()}).end()
  const [answer] = await once(asked, 'response')
  return text(answer)
}

/** A file, a port, a path and a name that only this host's own programs may reach. */
async function layBait(directory: string): Promise<{env: Record<string, string>; reached(): number; close(): void}> {
  const file = join(directory, 'secret')
  const path = join(directory, 'bait.sock')
  const name = `creo-attack-${process.pid}`
  await writeFile(file, 'secret')
  let reached = 0
  const listen = async (at: string | number): Promise<Server> => {
    const server = createServer((socket) => {
      reached += 1
      socket.destroy()
    })
    await once(typeof at === 'number' ? server.listen(at, '127.0.0.1') : server.listen(at), 'listening')
    return server
  }
  const servers = await Promise.all([listen(0), listen(path), listen(`\0${name}`)])
  const {port} = servers[0].address() as {port: number}
  return {
    env: {HOST_FILE: file, HOST_PORT: String(port), HOST_SOCKET: path, HOST_ABSTRACT: name, HOST_PID: String(process.pid)},
    reached: () => reached,
    close: () => {
      for (const server of servers) server.close()
    }
  }
}
