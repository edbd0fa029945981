import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {z} from 'zod'
import type {DevNetwork} from '../../src/compose/dev-network.ts'
import {leftBehind} from '../../src/compose/leftover-processes.ts'
import type {RoleProcess} from '../../src/compose/role-process.ts'
import {eventually} from '../../src/compose/tour/must-hold.ts'
import {readStatus} from '../../src/miner/status-file.ts'
import {type Figure, figure} from '../form.ts'
import {ask} from '../function/ask.ts'
import {ACCOUNT, benchNetwork, MINER, startNetwork} from './bench-network.ts'
import {commands, type Kind, kinds, MEMORY_MIB, writeFunction} from './functions.ts'
import {type BenchOptions, unmountBelow} from './runtime-rounds.ts'

const ROUNDS = 5
/** Rounds that open the first connections and start podman's service, and are not counted. */
const WARM_UP_ROUNDS = 1
const REQUESTS_PER_ROUND = 10
const APP = 'cold'
const REST_TIMEOUT_MS = 180_000
const LOOK_EVERY_MS = 1000

const gatewayStatusSchema = z.object({
  revisions: z.array(z.object({function: z.string(), instances: z.int(), starting: z.int(), requests: z.int()})),
  miners: z.array(z.object({resting: z.object({frozen: z.int(), initialised: z.int(), created: z.int()})}))
})
type Resting = z.output<typeof gatewayStatusSchema>['miners'][number]['resting']

interface Round {
  readonly firstMs: number
  readonly tenthMs: number
}

/**
 * First and tenth request through client, gateway, tunnel, miner and container, each role a process of its own. Every round asks a
 * function that was deployed, leased and made ready, and never ran; and once more when nobody has asked for it until it was frozen.
 */
export async function pathFigures({directory, signal, say}: BenchOptions): Promise<readonly Figure[]> {
  const network = benchNetwork(directory, signal)
  let miner: RoleProcess | undefined
  try {
    miner = await startNetwork(network, signal)
    await deployAll(network, join(directory, 'app'), signal)
    const all = kinds.length * (WARM_UP_ROUNDS + ROUNDS)
    await untilResting(network, signal, ({initialised, created}) => initialised + created === all)
    say(`${ROUNDS} functions of each kind deployed and made ready, and ${WARM_UP_ROUNDS} to warm up; asking each for the first time.`)
    const first = await measureRounds(network, signal)
    say(`They came from these tiers: ${await tiersOf(network, signal)}. Waiting until all are frozen.`)
    await untilResting(network, signal, ({frozen}) => frozen === all)
    const frozen = await measureRounds(network, signal)
    say(`With those that were asked again: ${await tiersOf(network, signal)}.`)
    return figuresOf(first, frozen)
  } finally {
    await miner?.stop()
    await network.stop(() => undefined)
    await leftBehind(network.directory)
    await unmountBelow(network.directory)
  }
}

/** Deploys one function for every round, and waits until the miner has leases and images of all and the gateway knows them. */
async function deployAll(network: DevNetwork, folder: string, signal: AbortSignal): Promise<void> {
  for (const kind of kinds) await writeFunction(kind, join(folder, kind), signal)
  const names = kinds.flatMap((kind) => Array.from({length: WARM_UP_ROUNDS + ROUNDS}, (_none, round) => ({kind, name: `${kind}-${round}`})))
  const functions = Object.fromEntries(
    names.map(({kind, name}) => [
      name,
      {
        source: `./${kind}`,
        base: kind === 'node' ? 'node' : 'scratch',
        command: commands[kind],
        memory: `${MEMORY_MIB[kind]}MiB`,
        cpu: 1,
        scale: {min: 0, max: 1}
      }
    ])
  )
  const routes = names.map(({name}) => ({path: `/${name}`, function: name}))
  // JSON is YAML too.
  await writeFile(join(folder, 'creo.yaml'), JSON.stringify({app: APP, org: ACCOUNT, routes, functions}))
  await network.run(['deploy', folder, '--as', ACCOUNT, '--wait', '0s'])
  await eventually('the miner has pulled every function', signal, async () => {
    const status = await readStatus(join(network.directory, MINER))
    const pulled = status?.leases.filter(({imageReady}) => imageReady).length ?? 0
    return pulled === names.length ? true : undefined
  })
  await eventually('the gateway knows every function', signal, async () =>
    (await statusOf(network, signal)).revisions.length === names.length ? true : undefined
  )
}

async function measureRounds(network: DevNetwork, signal: AbortSignal): Promise<Record<Kind, Round[]>> {
  const rounds: Record<Kind, Round[]> = {static: [], node: []}
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
    for (const kind of kinds) {
      const measured = await measureRound(network, `${kind}-${round}`, signal)
      if (round >= WARM_UP_ROUNDS) rounds[kind].push(measured)
    }
  }
  return rounds
}

async function measureRound(network: DevNetwork, name: string, signal: AbortSignal): Promise<Round> {
  const {host, port} = new URL(network.gatewayUrl)
  const question = {to: {port: Number(port)}, path: `/@${APP}--${ACCOUNT}/${name}`, host, signal}
  await mustBeCold(network, name, signal)
  const {ms: firstMs} = await ask(question)
  let tenthMs = 0
  for (let number = 2; number <= REQUESTS_PER_ROUND; number += 1) tenthMs = (await ask(question)).ms
  return {firstMs, tenthMs}
}

async function untilResting(network: DevNetwork, signal: AbortSignal, isThere: (resting: Resting) => boolean): Promise<void> {
  const timely = AbortSignal.any([signal, AbortSignal.timeout(REST_TIMEOUT_MS)])
  for (;;) {
    const {miners} = await statusOf(network, timely)
    if (miners.some(({resting}) => isThere(resting))) return
    await delay(LOOK_EVERY_MS, undefined, {signal: timely})
  }
}

/** What the gateway counted: instances by the tier that they waited at. */
async function tiersOf(network: DevNetwork, signal: AbortSignal): Promise<string> {
  const text = await (await fetch(`${network.gatewayAdminUrl}/.creo/metrics`, {signal})).text()
  const counts = [...text.matchAll(/^creo_gateway_activation_seconds_count\{tier="(\w+)"\} (\d+)$/gm)]
  return counts.map(([, tier, count]) => `${count} ${tier}`).join(', ')
}

export async function statusOf(network: DevNetwork, signal: AbortSignal): Promise<z.output<typeof gatewayStatusSchema>> {
  const answer = await fetch(`${network.gatewayAdminUrl}/.creo/status`, {signal})
  return gatewayStatusSchema.parse(await answer.json())
}

async function mustBeCold(network: DevNetwork, name: string, signal: AbortSignal): Promise<void> {
  const {revisions} = await statusOf(network, signal)
  const found = revisions.find((revision) => revision.function === name)
  if (found === undefined || found.instances + found.starting > 0) {
    throw new Error(`${name} must have no instance before it is asked, and the gateway says ${JSON.stringify(found)}`)
  }
}

type Rounds = Readonly<Record<Kind, readonly Round[]>>

/**
 * `path.created_ms` and `path.frozen_ms` are the design's names for the first request of a Node function, the slower of the two kinds: made ready and
 * never run, and frozen.
 */
function figuresOf(ready: Rounds, frozen: Rounds): readonly Figure[] {
  const first = (rounds: Rounds, kind: Kind): number[] => rounds[kind].map(({firstMs}) => firstMs)
  const tenth = (rounds: Rounds, kind: Kind): number[] => rounds[kind].map(({tenthMs}) => tenthMs)
  return [
    figure({name: 'path.created_ms', unit: 'ms', samples: first(ready, 'node'), goal: {atMost: 150}}),
    figure({name: 'path.frozen_ms', unit: 'ms', samples: first(frozen, 'node'), goal: {atMost: 30}}),
    figure({name: 'path.tenth_request_ms', unit: 'ms', samples: tenth(ready, 'node')}),
    figure({name: 'path.static.created_ms', unit: 'ms', samples: first(ready, 'static')}),
    figure({name: 'path.static.frozen_ms', unit: 'ms', samples: first(frozen, 'static')}),
    figure({name: 'path.static.tenth_request_ms', unit: 'ms', samples: tenth(ready, 'static')})
  ]
}
