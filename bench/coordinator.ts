import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'
import {createClient} from '../src/client/client.ts'
import {startRole} from '../src/compose/role-process.ts'
import {type Fleet, startFleet} from './coordinator/fleet.ts'
import {BENCH_ORG, deployBody, makeNetworkAtScale, type NetworkAtScale, NODES_PER_FUNCTION} from './coordinator/network-at-scale.ts'
import {cpuSeconds, rssMib} from './coordinator/process-cost.ts'
import {watcherFigures} from './coordinator/watchers.ts'
import {type Figure, figure} from './form.ts'
import type {Bench} from './run.ts'

const CREO = [process.execPath, fileURLToPath(new URL('../bin/run.js', import.meta.url))]
/** A smaller network for trying things out, under names of its own. */
const NODES = Number(process.env.CREO_BENCH_NODES ?? 10_000)
const ONE_FUNCTION_ROUNDS = 5
const MANY_FUNCTIONS_ROUNDS = 3
/** Together with what the network begins with, each of 10,000 nodes holds 20 functions in the end. */
const MANY_FUNCTIONS = Math.round((NODES * 2) / NODES_PER_FUNCTION / MANY_FUNCTIONS_ROUNDS)
/** One command holds so many. */
const FUNCTIONS_PER_DEPLOY = 60
const WATCHED_NODES = 10
const REST_ROUNDS = 5
const REST_ROUND_MS = 12_000
/** All nodes come from one address here. */
const REQUESTS_PER_SECOND = 100_000
/** A production network asks for a heartbeat every quarter of an hour, a development network as often as this. */
const REST_EVERY_MS = 15_000
/** After leases came, nodes say so, and the tables that were asked for go out. */
const SETTLE_MS = 20_000

/**
 * The coordinator as a process of its own, on the ledger of a network of 10,000 nodes, with as many simulated ones that talk to it as miners do, over
 * a connection each: signed heartbeats and waits for newer tables, as often as the network asks for them while leases are made, and every 15 s at
 * rest, which is sixty times as often as a production network does. The load generator runs on the same cores.
 */
export const measure: Bench['measure'] = async ({signal, say}) => {
  const directory = await mkdtemp(join(tmpdir(), 'creo-scale-'))
  const stops: Stops = []
  try {
    const watched = await watchersAlone(directory, {signal, say})
    const data = join(directory, 'coordinator')
    const network = await makeNetworkAtScale(data, NODES, signal)
    say(`A ledger of ${NODES} nodes is made; starting the coordinator.`)
    const {coordinatorUrl, pid, deploy} = await startCoordinator({data, network, stops}, signal)
    const fleet = await startFleet({...network, coordinatorUrl, directory})
    stops.push(() => fleet.stop())
    say(`${NODES} nodes are there and hold ${await fleet.there(signal)} leases.`)
    const leased = await leaseFigures({deploy, fleet, coordinator: pid}, signal)
    say('All leases are held; at rest from here on.')
    await fleet.pace(REST_EVERY_MS, signal)
    await delay(SETTLE_MS, undefined, {signal})
    return [...(await restFigures({coordinator: pid, fleet}, {signal, say})), ...leased, ...watched]
  } finally {
    for (const stop of stops.reverse()) await stop()
    await rm(directory, {recursive: true, force: true})
  }
}

type Deploy = (app: string, count: number) => Promise<void>
/** What was started is ended in the opposite order. */
type Stops = (() => Promise<unknown>)[]

/** The coordinator of a network as a process of its own, and how the bench's org deploys there. */
async function startCoordinator(
  {data, network, stops}: {readonly data: string; readonly network: NetworkAtScale; readonly stops: Stops},
  signal: AbortSignal
): Promise<{readonly coordinatorUrl: string; readonly pid: number; readonly deploy: Deploy}> {
  const argv = [...CREO, 'coordinator', 'serve', '--data', data, '--listen', '127.0.0.1:0']
  const flags = ['--requests-per-second', String(REQUESTS_PER_SECOND), '--json']
  const role = await startRole({name: 'coordinator', argv: [...argv, ...flags], env: {}, logPath: `${data}.log`}, signal)
  stops.push(() => role.stop())
  const coordinatorUrl = (role.ready.urls as {readonly api: string}).api
  const {networkId, coordinatorKey, org} = network
  const client = createClient({coordinatorUrl, networkId, coordinatorKey, now: Date.now, key: org.key, account: org.id, signal})
  stops.push(() => client.close())
  const deploy: Deploy = async (app, count) => {
    await client.submit(deployBody(BENCH_ORG, app, count), {signal})
  }
  return {coordinatorUrl, pid: role.pid, deploy}
}

/** Watchers of a small network, whose nodes are away: what they cost would not be seen beside thousands. */
async function watchersAlone(
  directory: string,
  {signal, say}: {readonly signal: AbortSignal; say(text: string): void}
): Promise<readonly Figure[]> {
  const stops: Stops = []
  try {
    const data = join(directory, 'watched')
    const network = await makeNetworkAtScale(data, WATCHED_NODES, signal)
    const {coordinatorUrl, pid, deploy} = await startCoordinator({data, network, stops}, signal)
    say('Watchers come to a small network.')
    return await watcherFigures({coordinatorUrl, pid, happen: () => deploy('told', 1)}, signal)
  } finally {
    for (const stop of stops.reverse()) await stop()
  }
}

/** From the moment that a deploy is signed until nodes hold its leases: of one function, and of as many as give each node two more. */
async function leaseFigures(
  {deploy, fleet, coordinator}: {readonly deploy: Deploy; readonly fleet: Fleet; readonly coordinator: number},
  signal: AbortSignal
): Promise<Figure[]> {
  const nodes = Math.min(NODES, NODES_PER_FUNCTION)
  const oneMs: number[] = []
  for (let round = 0; round < ONE_FUNCTION_ROUNDS; round += 1) {
    const beganMs = performance.timeOrigin + performance.now()
    const held = fleet.held(`one${round}`, nodes, signal)
    await deploy(`one${round}`, 1)
    oneMs.push((await held) - beganMs)
    await delay(2000, undefined, {signal})
  }
  const perSecond: number[] = []
  const cpuUs: number[] = []
  const loadUs: number[] = []
  for (let round = 0; round < MANY_FUNCTIONS_ROUNDS; round += 1) {
    const [beganCpu, beganLoad] = [await cpuSeconds(coordinator), await cpuSeconds(fleet.pid)]
    const beganMs = performance.timeOrigin + performance.now()
    const counts = Array.from({length: Math.ceil(MANY_FUNCTIONS / FUNCTIONS_PER_DEPLOY)}, (_none, at) =>
      Math.min(FUNCTIONS_PER_DEPLOY, MANY_FUNCTIONS - at * FUNCTIONS_PER_DEPLOY)
    )
    const heldMs = Promise.all(counts.map((count, at) => fleet.held(`many${round}x${at}`, count * nodes, signal)))
    for (const [at, count] of counts.entries()) await deploy(`many${round}x${at}`, count)
    perSecond.push((MANY_FUNCTIONS * nodes * 1000) / (Math.max(...(await heldMs)) - beganMs))
    cpuUs.push((((await cpuSeconds(coordinator)) - beganCpu) * 1_000_000) / (MANY_FUNCTIONS * nodes))
    loadUs.push((((await cpuSeconds(fleet.pid)) - beganLoad) * 1_000_000) / (MANY_FUNCTIONS * nodes))
  }
  return [
    figure({name: 'lease_100_nodes_ms', unit: 'ms', samples: oneMs, goal: {atMost: 1000}}),
    figure({name: 'leases_per_s', unit: '1/s', samples: perSecond, goal: {atLeast: 1020}}),
    figure({name: 'leases.coordinator_cpu_us', unit: 'µs', samples: cpuUs}),
    figure({name: 'leases.load_cpu_us', unit: 'µs', samples: loadUs})
  ]
}

async function restFigures(
  {coordinator, fleet}: {readonly coordinator: number; readonly fleet: Fleet},
  {signal, say}: {readonly signal: AbortSignal; say(text: string): void}
): Promise<Figure[]> {
  const cores: number[] = []
  const loadCores: number[] = []
  const rss: number[] = []
  const before = await fleet.totals(signal)
  for (let round = 0; round < REST_ROUNDS; round += 1) {
    const [began, load, beganMs] = [await cpuSeconds(coordinator), await cpuSeconds(fleet.pid), performance.now()]
    await delay(REST_ROUND_MS, undefined, {signal})
    const seconds = (performance.now() - beganMs) / 1000
    cores.push(((await cpuSeconds(coordinator)) - began) / seconds)
    loadCores.push(((await cpuSeconds(fleet.pid)) - load) / seconds)
    rss.push(await rssMib(coordinator))
  }
  const after = await fleet.totals(signal)
  const beats = Math.round((after.heartbeats - before.heartbeats) / ((REST_ROUNDS * REST_ROUND_MS) / 1000))
  say(
    `${beats} heartbeats a second, and waits for tables with them; ${after.leases} leases are held; ${after.failures} nodes had to try again.`
  )
  return [
    figure({name: `nodes_${NODES}.cpu_cores`, unit: 'cores', samples: cores, goal: {atMost: 1}}),
    figure({name: `nodes_${NODES}.load_cpu_cores`, unit: 'cores', samples: loadCores}),
    figure({name: `nodes_${NODES}.rss_mib`, unit: 'MiB', samples: rss, goal: {atMost: 1024}})
  ]
}
