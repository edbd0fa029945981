import {execFileSync} from 'node:child_process'
import {mkdtemp, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {type Figure, figure, type Goal, ratios} from './form.ts'
import {LARGE_BYTES, SMALL_BYTES} from './function/build.ts'
import {type Server, serveFunction} from './function/serve.ts'
import {checkAnswer, type LoadResult, load, type Workload} from './gateway/load.ts'
import {startNginx} from './gateway/nginx.ts'
import {pageFigures} from './gateway/page-rounds.ts'
import {startGateway} from './gateway/start-gateway.ts'
import type {Bench} from './run.ts'

const ROUNDS = 5
const SECONDS = 2
/** The gateway's code is compiled while it runs; until that is done it costs twice as much. */
const WARM_UP_SECONDS = 4
const CONNECTIONS = 64
/** The kernel counts CPU time in these. */
const TICK_US = 1_000_000 / Number(execFileSync('getconf', ['CLK_TCK'], {encoding: 'utf8'}))

const small: Workload = {name: '100B', path: '/', bodyBytes: 0, answerBytes: SMALL_BYTES}
const workloads: readonly {readonly workload: Workload; readonly goal: Goal}[] = [
  {workload: small, goal: {atLeast: 0.45}},
  {workload: {name: '64KiB', path: '/large', bodyBytes: 0, answerBytes: LARGE_BYTES}, goal: {atLeast: 0.75}},
  {workload: {name: 'post1KiB', path: '/', bodyBytes: 1024, answerBytes: SMALL_BYTES}, goal: {atLeast: 0.45}}
]

type Target = Pick<Server, 'pid' | 'port'>
interface Measured extends LoadResult {
  readonly cpuUsPerRequest: number
}

/**
 * The gateway with everything on, in a process of its own, through the real tunnel and the miner's byte pipe, in another, to a static
 * binary on a unix socket, in a third; beside one nginx worker in front of the same binary. In turns, on the same cores, with the load
 * generator on them as well.
 */
export const measure: Bench['measure'] = async ({signal, say}) => {
  const directory = await mkdtemp(join(tmpdir(), 'creo-bench-'))
  const stops: (() => Promise<void>)[] = []
  try {
    const functionSocket = join(directory, 'function.sock')
    const backend = await serveFunction(functionSocket, signal)
    stops.push(backend.stop)
    const nginx = await startNginx(directory, functionSocket)
    stops.push(nginx.stop)
    const gateway = await startGateway(directory, {functionSocket}, stops)
    const ask = async (target: Target, workload: Workload, connections: number, seconds = SECONDS): Promise<Measured> => {
      const before = await cpuUs(target.pid)
      const result = await load({port: target.port, workload, connections, seconds, directory, signal})
      return {...result, cpuUsPerRequest: ((await cpuUs(target.pid)) - before) / result.requests}
    }
    for (const {workload} of workloads) {
      for (const {port} of [gateway, nginx, backend]) await checkAnswer({port, workload, signal})
      for (const target of [gateway, nginx]) await ask(target, workload, CONNECTIONS, WARM_UP_SECONDS)
    }
    say(`${ROUNDS} rounds of ${SECONDS} s each, ${CONNECTIONS} connections, gateway and nginx in turns.`)
    const figures: Figure[] = []
    for (const {workload, goal} of workloads) figures.push(...(await throughput({ask, gateway, nginx, workload, goal})))
    const added = await addedLatency({ask, gateway, backend})
    say('Files of a page, one at a time.')
    return [...figures, ...added, ...(await pageFigures(directory, stops, signal))]
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
  const rates = ours.map((result) => result.perSecond)
  const peerRates = peers.map((result) => result.perSecond)
  const cpu = ours.map((result) => result.cpuUsPerRequest)
  const peerCpu = peers.map((result) => result.cpuUsPerRequest)
  const {name} = workload
  const figures = [
    figure({name: `rps.${name}.vs_nginx`, unit: 'ratio', samples: ratios(rates, peerRates), goal}),
    figure({name: `rps.${name}.creo`, unit: '1/s', samples: rates}),
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
  const p50: [number, number][] = []
  const p99: [number, number][] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    p50.push([(await ask(gateway, small, 1)).p50Ms, (await ask(backend, small, 1)).p50Ms])
    p99.push([(await ask(gateway, small, CONNECTIONS)).p99Ms, (await ask(backend, small, CONNECTIONS)).p99Ms])
  }
  const added = (name: string, pairs: readonly [number, number][], goal: Goal): Figure[] => [
    figure({name: `added_${name}`, unit: 'ms', samples: pairs.map(([through, direct]) => through - direct), goal}),
    figure({name: `${name}.creo`, unit: 'ms', samples: pairs.map(([through]) => through)}),
    figure({name: `${name}.function`, unit: 'ms', samples: pairs.map(([, direct]) => direct)})
  ]
  return [...added('p50_ms.c1', p50, {atMost: 1}), ...added('p99_ms.c64', p99, {atMost: 15})]
}

/** CPU time of all threads of a process, user and system. */
async function cpuUs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_US
}
