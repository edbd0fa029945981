import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {setTimeout as delay} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'
import {startRole} from '../src/compose/role-process.ts'
import type {SignedCommand} from '../src/core/protocol/commands.ts'
import {cpuSeconds} from './coordinator/process-cost.ts'
import {httpRound} from './exchange/http-rounds.ts'
import {INCENTIVE, TradingNetwork} from './exchange/trading-network.ts'
import {PageWatchers} from './exchange-page/watchers.ts'
import {type Figure, figure, ratios} from './form.ts'
import {startGateway} from './gateway/start-gateway.ts'
import type {Bench} from './run.ts'

const CREO = [process.execPath, fileURLToPath(new URL('../bin/run.js', import.meta.url))]
const QUOTES = fileURLToPath(new URL('../apps/exchange/quotes', import.meta.url))
/** `CREO_BENCH_SCALE=0.05` watches by fewer, to try things out: its figures are not comparable. */
const SCALE = Number(process.env.CREO_BENCH_SCALE ?? 1)
const WATCHERS = Math.max(10, Math.round(1000 * SCALE))
/** As apps/exchange/creo.yaml has it; each instance is begun another of at seven tenths of that. */
const CONCURRENCY = 250
const NODES = 3
const INSTANCES_PER_NODE = 2
const ROUNDS = 5
/** Of a round: a lively market. Two orders trade. */
const ORDERS = Math.max(100, Math.round((1000 * SCALE) / 2) * 2)
const ORDERS_AT_ONCE = 5
const EVERY_MS = 100
const CONNECTIONS = 5
const TOLD_MAX_MS = 60_000
const TOLD_LOOK_MS = 100
const UNLIMITED = '1000000'

type Options = Parameters<Bench['measure']>[0]

/**
 * What a coordinator pays for people who watch one market: its processor time for the same orders, nobody watching and 1,000 people, who come through
 * the gateway, tunnels and miners' byte pipes to `quotes`, two instances on each of three nodes. All of them must have heard of each trade.
 */
export const measure: Bench['measure'] = async (options) => {
  const {signal, say} = options
  const directory = await mkdtemp(join(tmpdir(), 'creo-page-'))
  const stops: (() => Promise<unknown>)[] = []
  try {
    const data = join(directory, 'coordinator')
    const network = await TradingNetwork.make(data, signal)
    const rounds = Array.from({length: 2 * ROUNDS + 1}, () => network.requests(ORDERS, 1))
    await network.ledger.close()
    say('A market of a thousand accounts is made.')
    const flags = ['--requests-per-second', UNLIMITED, '--account-commands-per-second', UNLIMITED, '--json']
    const argv = [...CREO, 'coordinator', 'serve', '--data', data, '--listen', '127.0.0.1:0', ...flags]
    const coordinator = await startRole({name: 'coordinator', argv, env: {}, logPath: join(directory, 'log')}, signal)
    stops.push(() => coordinator.stop())
    const url = (coordinator.ready.urls as {readonly api: string}).api
    const quotes = await Promise.all(Array.from({length: NODES * INSTANCES_PER_NODE}, () => startQuotes(url, stops)))
    const ports = Array.from({length: NODES}, (_none, at) =>
      quotes.slice(at * INSTANCES_PER_NODE, (at + 1) * INSTANCES_PER_NODE).map(({port}) => port)
    )
    const gateway = await startGateway(directory, {functionSocket: '', ports, concurrency: CONCURRENCY}, stops)
    return await rounded({rounds, url, coordinator: coordinator.pid, gateway, quotes: quotes.map(({pid}) => pid)}, options)
  } finally {
    for (const stop of stops.reverse()) await stop()
    await rm(directory, {recursive: true, force: true})
  }
}

interface World {
  /** Orders of each round, and of one to warm up. */
  readonly rounds: readonly (readonly SignedCommand[])[][]
  readonly url: string
  readonly coordinator: number
  readonly gateway: {readonly pid: number; readonly port: number}
  readonly quotes: readonly number[]
}

/** Seconds of processor time. */
interface Cost {
  readonly coordinator: number
  readonly gateway: number
  readonly quotes: number
  readonly seconds: number
}

async function rounded(world: World, {signal, say}: Options): Promise<Figure[]> {
  const [warmUp = [], ...rounds] = world.rounds
  await round(world, warmUp, signal)
  const alone: Cost[] = []
  for (const orders of rounds.slice(0, ROUNDS)) alone.push(await round(world, orders, signal))
  const watchers = new PageWatchers(`http://127.0.0.1:${world.gateway.port}/quotes/events?incentive=${INCENTIVE}`, signal)
  try {
    await watchers.open(WATCHERS)
    say(`${WATCHERS} people watch ${INCENTIVE}.`)
    const watched: Cost[] = []
    const bytes: number[] = []
    for (const orders of rounds.slice(ROUNDS)) {
      const [heard, sent] = [watchers.tradesHeard, watchers.bytes]
      const all = async (): Promise<void> => toldOf(watchers, heard + ORDERS / 2, signal)
      const cost = await round(world, orders, signal, all)
      watched.push(cost)
      bytes.push((watchers.bytes - sent) / WATCHERS / cost.seconds)
    }
    const cores = (costs: readonly Cost[], of: 'coordinator' | 'gateway' | 'quotes'): number[] =>
      costs.map((cost) => cost[of] / cost.seconds)
    const taken = (costs: readonly Cost[]): number[] => costs.map(({coordinator}) => coordinator)
    return [
      figure({name: 'coordinator_cpu_ratio', unit: 'ratio', samples: ratios(taken(watched), taken(alone)), goal: {atMost: 1.2}}),
      figure({name: 'coordinator_cpu_s.unwatched', unit: 's', samples: taken(alone)}),
      figure({name: `coordinator_cpu_s.watched_by_${WATCHERS}`, unit: 's', samples: taken(watched)}),
      figure({name: 'quotes_cpu_cores', unit: 'cores', samples: cores(watched, 'quotes')}),
      figure({name: 'gateway_cpu_cores', unit: 'cores', samples: cores(watched, 'gateway')}),
      figure({name: 'bytes_per_watcher_s', unit: 'B/s', samples: bytes})
    ]
  } finally {
    watchers.close()
  }
}

/** Hands the orders in, so many at a time, and takes what it cost until they are answered and told. */
async function round(
  {url, coordinator, gateway, quotes}: World,
  requests: readonly (readonly SignedCommand[])[],
  signal: AbortSignal,
  told: () => Promise<void> = () => Promise.resolve()
): Promise<Cost> {
  const taken = async (): Promise<Cost> => {
    const ofQuotes = await Promise.all(quotes.map(cpuSeconds))
    const seconds = performance.now() / 1000
    return {
      coordinator: await cpuSeconds(coordinator),
      gateway: await cpuSeconds(gateway.pid),
      quotes: ofQuotes.reduce((sum, one) => sum + one, 0),
      seconds
    }
  }
  const before = await taken()
  for (let at = 0; at < requests.length; at += ORDERS_AT_ONCE) {
    const pause = delay(EVERY_MS, undefined, {signal})
    await httpRound(url, requests.slice(at, at + ORDERS_AT_ONCE), {connections: CONNECTIONS, signal})
    await pause
  }
  await told()
  const after = await taken()
  return {
    coordinator: after.coordinator - before.coordinator,
    gateway: after.gateway - before.gateway,
    quotes: after.quotes - before.quotes,
    seconds: after.seconds - before.seconds
  }
}

async function toldOf(watchers: PageWatchers, trades: number, signal: AbortSignal): Promise<void> {
  const untilMs = performance.now() + TOLD_MAX_MS
  while (watchers.tradesHeard < trades) {
    if (performance.now() > untilMs) throw new Error(`A watcher heard of ${watchers.tradesHeard} trades and not of ${trades}.`)
    await delay(TOLD_LOOK_MS, undefined, {signal})
  }
}

/** One instance of the function, as its container runs it. */
async function startQuotes(
  coordinatorUrl: string,
  stops: (() => Promise<unknown>)[]
): Promise<{readonly pid: number; readonly port: number}> {
  const child: ChildProcess = spawn(process.execPath, ['server.mjs'], {
    cwd: QUOTES,
    env: {...process.env, PORT: '0', COORDINATOR_URL: coordinatorUrl},
    stdio: ['ignore', 'pipe', 'inherit']
  })
  stops.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    await exited
  })
  const [line] = (await once(createInterface({input: child.stdout ?? process.stdin}), 'line')) as [string]
  return {pid: child.pid ?? 0, port: Number(line.split(' ').at(-1))}
}
