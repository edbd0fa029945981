import {type ChildProcess, execFileSync, fork} from 'node:child_process'
import {generateKeyPairSync} from 'node:crypto'
import {once} from 'node:events'
import {mkdtemp, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {z} from 'zod'
import {type Figure, figure, type Goal} from './form.ts'
import {type LoadResult, load, type Workload} from './gateway/load.ts'
import {startFunction, startProxy} from './gateway/nginx.ts'
import type {Setup} from './gateway/roles.ts'
import type {Bench} from './run.ts'

const ROUNDS = 3
const SECONDS = 3
const WARM_UP_SECONDS = 2
const CONNECTIONS = 64
/** The kernel counts CPU time in these. */
const TICK_US = 1_000_000 / Number(execFileSync('getconf', ['CLK_TCK'], {encoding: 'utf8'}))

const small: Workload = {name: '100B', path: '/', bodyBytes: 0}
const workloads: readonly {readonly workload: Workload; readonly goal: Goal}[] = [
  {workload: small, goal: {atLeast: 0.45}},
  {workload: {name: '64KiB', path: '/large', bodyBytes: 0}, goal: {atLeast: 0.75}},
  {workload: {name: 'post1KiB', path: '/', bodyBytes: 1024}, goal: {atLeast: 0.45}}
]

interface Target {
  readonly pid: number
  readonly url: string
}
interface Measured extends LoadResult {
  readonly cpuUsPerRequest: number
}

/**
 * The gateway with everything on, through the real tunnel and a miner's byte pipe to a static binary on a unix socket, beside one
 * nginx worker in front of the same binary; in turns, on the same cores, with the load generator on them as well.
 */
export const measure: Bench['measure'] = async ({signal, say}) => {
  const directory = await mkdtemp(join(tmpdir(), 'creo-bench-'))
  const stops: (() => Promise<void>)[] = []
  try {
    const functionSocket = join(directory, 'function.sock')
    const backend = await startFunction(directory, functionSocket)
    stops.push(backend.stop)
    const nginx = await startProxy(directory, functionSocket)
    stops.push(nginx.stop)
    const gateway = await startGateway(directory, functionSocket, stops)
    const ask = async (target: Target, workload: Workload, connections: number, seconds = SECONDS): Promise<Measured> => {
      const before = await cpuUs(target.pid)
      const result = await load({url: target.url, workload, connections, seconds, directory, signal})
      return {...result, cpuUsPerRequest: ((await cpuUs(target.pid)) - before) / result.requests}
    }
    for (const target of [gateway, nginx]) await ask(target, small, CONNECTIONS, WARM_UP_SECONDS)
    say(`${ROUNDS} rounds of ${SECONDS} s each, ${CONNECTIONS} connections, gateway and nginx in turns.`)
    const figures: Figure[] = []
    for (const {workload, goal} of workloads) figures.push(...(await throughput({ask, gateway, nginx, workload, goal})))
    return [...figures, ...(await addedLatency({ask, gateway, backend}))]
  } finally {
    for (const stop of stops.reverse()) await stop()
    await rm(directory, {recursive: true, force: true})
  }
}

type Ask = (target: Target, workload: Workload, connections: number) => Promise<Measured>

async function throughput(options: {
  readonly ask: Ask
  readonly gateway: Target
  readonly nginx: Target
  readonly workload: Workload
  readonly goal: Goal
}): Promise<Figure[]> {
  const {ask, gateway, nginx, workload, goal} = options
  const ours: Measured[] = []
  const peers: Measured[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    ours.push(await ask(gateway, workload, CONNECTIONS))
    peers.push(await ask(nginx, workload, CONNECTIONS))
  }
  const of = (results: readonly Measured[], pick: (result: Measured) => number): number[] => results.map(pick)
  const rates = of(ours, (result) => result.perSecond)
  const peerRates = of(peers, (result) => result.perSecond)
  const cpu = of(ours, (result) => result.cpuUsPerRequest)
  const peerCpu = of(peers, (result) => result.cpuUsPerRequest)
  const {name} = workload
  const figures = [
    figure({name: `rps.${name}.vs_nginx`, unit: 'ratio', samples: ratios(rates, peerRates), goal}),
    figure({name: `rps.${name}`, unit: '1/s', samples: rates}),
    figure({name: `rps.${name}.nginx`, unit: '1/s', samples: peerRates})
  ]
  if (workload !== small) return figures
  return [
    ...figures,
    figure({name: 'cpu_us_per_request', unit: 'µs', samples: cpu, goal: {atMost: 60}}),
    figure({name: 'cpu_us_per_request.nginx', unit: 'µs', samples: peerCpu}),
    figure({name: 'cost.cpu.vs_nginx', unit: 'ratio', samples: ratios(cpu, peerCpu), goal: {atMost: 4}})
  ]
}

/** What the way through gateway, tunnel and miner adds to asking the function itself. */
async function addedLatency(options: {readonly ask: Ask; readonly gateway: Target; readonly backend: Target}): Promise<Figure[]> {
  const {ask, gateway, backend} = options
  const p50: number[] = []
  const p99: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    p50.push((await ask(gateway, small, 1)).p50Ms - (await ask(backend, small, 1)).p50Ms)
    p99.push((await ask(gateway, small, CONNECTIONS)).p99Ms - (await ask(backend, small, CONNECTIONS)).p99Ms)
  }
  return [
    figure({name: 'added_p50_ms.c1', unit: 'ms', samples: p50, goal: {atMost: 1}}),
    figure({name: 'added_p99_ms.c64', unit: 'ms', samples: p99, goal: {atMost: 15}})
  ]
}

function ratios(ours: readonly number[], peer: readonly number[]): number[] {
  return ours.map((value, round) => value / (peer[round] ?? value))
}

async function startGateway(directory: string, functionSocket: string, stops: (() => Promise<void>)[]): Promise<Target> {
  const key = (): string => generateKeyPairSync('ed25519').privateKey.export({format: 'der', type: 'pkcs8'}).toString('base64url')
  const setup: Setup = {
    network: 'b'.repeat(64),
    directory: join(directory, 'gateway'),
    coordinator: key(),
    gateway: key(),
    node: key(),
    functionSocket,
    tunnelUrl: ''
  }
  const gateway = startProcess(new URL('./gateway/gateway-process.ts', import.meta.url), setup)
  stops.push(() => stopProcess(gateway))
  const [ready] = await once(gateway, 'message')
  const {publicUrl, tunnelUrl} = z.object({publicUrl: z.string(), tunnelUrl: z.string()}).parse(ready)
  const miner = startProcess(new URL('./gateway/miner-process.ts', import.meta.url), {...setup, tunnelUrl})
  stops.push(() => stopProcess(miner))
  await once(miner, 'message')
  return {pid: gateway.pid ?? 0, url: publicUrl}
}

function startProcess(file: URL, setup: Setup): ChildProcess {
  return fork(file, [JSON.stringify(setup)], {stdio: ['ignore', 'inherit', 'inherit', 'ipc']})
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.send('stop')
  await once(child, 'exit')
}

/** CPU time of all threads of a process, user and system. */
async function cpuUs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_US
}
