import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {type Client, createClient} from '../../src/client/client.ts'
import {joinNetwork} from '../../src/client/join.ts'
import type {DevNetwork} from '../../src/compose/dev-network.ts'
import {leftBehind} from '../../src/compose/leftover-processes.ts'
import type {RoleProcess} from '../../src/compose/role-process.ts'
import {eventually} from '../../src/compose/tour/must-hold.ts'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import {loadKeyFile} from '../../src/identity/keys.ts'
import {readStatus} from '../../src/miner/status-file.ts'
import {type Figure, figure} from '../form.ts'
import {ask} from '../function/ask.ts'
import {processesOf, sumMib} from '../memory/processes.ts'
import {ACCOUNT, benchNetwork, MINER, startNetwork} from './bench-network.ts'
import {commands, MEMORY_MIB, writeFunction} from './functions.ts'
import {statusOf} from './path-rounds.ts'
import {type BenchOptions, unmountBelow} from './runtime-rounds.ts'

/** Fewer for trying things out, under names of their own. */
const FUNCTIONS = Number(process.env.CREO_BENCH_FUNCTIONS ?? 10_000)
const FUNCTIONS_PER_APP = 60
const COMMANDS_AT_ONCE = 40
const WOKEN = 30
const LEASED_MAX_MS = 900_000
const LOOK_EVERY_MS = 1000
/** What was taken while tables came is given back. */
const SETTLE_MS = 60_000
const KIB_PER_MIB = 1024

/**
 * Many functions of one image, leased to one miner and known to one gateway, of which nobody asks for any: what each adds to what the two hold (PSS with
 * helper processes; the containers that wait ahead of need are few, and the owner's policy), and how long the first answer of one takes then.
 */
export async function asleepFigures({directory, signal, say}: BenchOptions): Promise<readonly Figure[]> {
  const network = benchNetwork(join(directory, 'asleep'), signal, ['--leases-per-node', String(FUNCTIONS)])
  let miner: RoleProcess | undefined
  try {
    miner = await startNetwork(network, signal, FUNCTIONS)
    const imageDigest = await deployFirst(network, join(directory, 'asleep-app'), signal)
    const roles = [miner.pid, network.role('gateway').pid]
    await delay(SETTLE_MS, undefined, {signal})
    const before = await heldMib(roles)
    await deployOthers(network, imageDigest, signal)
    await untilKnown(network, FUNCTIONS, signal)
    say(`${FUNCTIONS} functions are leased to one miner and known to its gateway.`)
    await delay(SETTLE_MS, undefined, {signal})
    const after = await heldMib(roles)
    const each = ((after - before) * KIB_PER_MIB) / (FUNCTIONS - 1)
    const firstBytes = await wakeSome(network, signal)
    return [
      figure({name: `asleep_${FUNCTIONS}.memory_kib_each`, unit: 'KiB', samples: [each], goal: {atMost: 16}}),
      figure({name: `asleep_${FUNCTIONS}.first_byte_p50_ms`, unit: 'ms', samples: firstBytes, goal: {atMost: 250}})
    ]
  } finally {
    await miner?.stop()
    await network.stop(() => undefined)
    await leftBehind(network.directory)
    await unmountBelow(network.directory)
  }
}

async function heldMib(pids: readonly number[]): Promise<number> {
  const families = await Promise.all(pids.map(processesOf))
  return sumMib(families.flat())
}

/** Builds, pushes and deploys one as people do, and answers the digest of its image once the miner has that. */
async function deployFirst(network: DevNetwork, folder: string, signal: AbortSignal): Promise<string> {
  await writeFunction('static', join(folder, 'static'), signal)
  const functions = {
    f0: {source: './static', base: 'scratch', command: commands.static, memory: `${MEMORY_MIB.static}MiB`, cpu: 1, scale: {min: 0, max: 1}}
  }
  // JSON is YAML too.
  await writeFile(
    join(folder, 'creo.yaml'),
    JSON.stringify({app: appOf(0), org: ACCOUNT, functions, routes: [{path: '/f0', function: 'f0'}]})
  )
  await network.run(['deploy', folder, '--as', ACCOUNT, '--wait', '0s'])
  await eventually('the miner has pulled the function', signal, async () =>
    (await readStatus(join(network.directory, MINER)))?.leases.some(({imageReady}) => imageReady) ? true : undefined
  )
  const client = await clientOf(network, signal)
  const {revisions} = await client.app(ACCOUNT, appOf(0), signal)
  await client.close()
  return revisions[0]?.imageDigest ?? ''
}

/** The others, with the same image, as signed commands alone. */
async function deployOthers(network: DevNetwork, imageDigest: string, signal: AbortSignal): Promise<void> {
  const client = await clientOf(network, signal)
  const {revisions} = await client.app(ACCOUNT, appOf(0), signal)
  const spec = revisions[0]?.spec
  if (spec === undefined) throw new Error('the first function is not deployed')
  const bodies: CommandBody[] = []
  for (let from = 1; from < FUNCTIONS; from += FUNCTIONS_PER_APP) {
    const names = Array.from({length: Math.min(FUNCTIONS_PER_APP, FUNCTIONS - from)}, (_none, at) => `f${from + at}`)
    bodies.push({
      type: 'revision.deploy',
      app: appOf(from),
      revisions: names.map((name) => ({function: name, imageDigest, spec})),
      routes: names.map((name) => ({path: `/${name}`, function: name}))
    })
  }
  for (let from = 0; from < bodies.length; from += COMMANDS_AT_ONCE) {
    const answers = await client.submitMany(bodies.slice(from, from + COMMANDS_AT_ONCE), signal)
    const refused = answers.find((answer) => answer.status !== 'applied')
    if (refused !== undefined) throw new Error(JSON.stringify(refused))
  }
  await client.close()
}

/** The first function has an app of its own. */
function appOf(index: number): string {
  return index === 0 ? 'first' : `app${Math.floor((index - 1) / FUNCTIONS_PER_APP)}`
}

async function clientOf(network: DevNetwork, signal: AbortSignal): Promise<Client> {
  const {coordinatorUrl, networkId} = network
  const joined = await joinNetwork({coordinatorUrl, networkId, signal})
  const key = await loadKeyFile(join(network.configDirectory, 'keys', networkId, `${ACCOUNT}.json`))
  const reader = createClient({coordinatorUrl, networkId, coordinatorKey: joined.coordinatorKey, now: Date.now, key, signal})
  return reader.as((await reader.account(ACCOUNT, signal)).id, key)
}

async function untilKnown(network: DevNetwork, count: number, signal: AbortSignal): Promise<void> {
  const timely = AbortSignal.any([signal, AbortSignal.timeout(LEASED_MAX_MS)])
  for (;;) {
    const status = await readStatus(join(network.directory, MINER))
    const ready = status?.leases.filter(({imageReady}) => imageReady).length ?? 0
    if (ready >= count && (await statusOf(network, timely)).revisions.length >= count) return
    await delay(LOOK_EVERY_MS, undefined, {signal: timely})
  }
}

/** First bytes of functions that lie evenly among all of them. */
async function wakeSome(network: DevNetwork, signal: AbortSignal): Promise<number[]> {
  const {host, port} = new URL(network.gatewayUrl)
  const firstBytes: number[] = []
  for (let round = 0; round < WOKEN; round += 1) {
    const index = Math.floor(((round + 0.5) * FUNCTIONS) / WOKEN)
    const path = `/@${appOf(index)}--${ACCOUNT}/f${index}`
    firstBytes.push((await ask({to: {port: Number(port)}, path, host, signal})).ms)
  }
  return firstBytes
}
