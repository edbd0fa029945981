import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {z} from 'zod'
import {DevNetwork} from '../../src/compose/dev-network.ts'
import {leftBehind} from '../../src/compose/leftover-processes.ts'
import {type RoleProcess, startRole} from '../../src/compose/role-process.ts'
import {eventually} from '../../src/compose/tour/must-hold.ts'
import {readStatus} from '../../src/miner/status-file.ts'
import {type Figure, figure} from '../form.ts'
import {ask} from '../function/ask.ts'
import {commands, type Kind, kinds, MEMORY_MIB, writeFunction} from './functions.ts'
import {type BenchOptions, unmountBelow} from './runtime-rounds.ts'

const ROUNDS = 5
/** Rounds that open the first connections and start podman's service, and are not counted. */
const WARM_UP_ROUNDS = 1
const REQUESTS_PER_ROUND = 10
const CREO = [process.execPath, fileURLToPath(new URL('../../bin/run.js', import.meta.url))]
const ACCOUNT = 'bench'
const APP = 'cold'
const MINER = 'miner'
/** Every container stays until the end, so that the miner must believe in enough CPUs for all; each is limited to one. */
const CPUS_LENT = 64

const gatewayStatusSchema = z.object({
  revisions: z.array(z.object({function: z.string(), instances: z.int(), starting: z.int(), requests: z.int()}))
})

interface Round {
  readonly firstMs: number
  readonly tenthMs: number
}

/**
 * First and tenth request through client, gateway, tunnel, miner and container, each role a process of its own. Every round asks a
 * function that was deployed, leased and pulled, and never started: its container is created from nothing while the request waits.
 */
export async function pathFigures({directory, signal, say}: BenchOptions): Promise<readonly Figure[]> {
  const ports = {coordinator: 0, gateway: 0, tunnel: 0}
  const network = new DevNetwork(
    {directory: join(directory, 'network'), creo: CREO, ports, epoch: '5s', emission: '10', exchangeOrg: ACCOUNT},
    signal
  )
  let miner: RoleProcess | undefined
  try {
    miner = await startNetwork(network, signal)
    await deployAll(network, join(directory, 'app'), signal)
    say(`${ROUNDS} functions of each kind deployed and pulled, and ${WARM_UP_ROUNDS} to warm up; asking each for the first time.`)
    const rounds: Record<Kind, Round[]> = {static: [], node: []}
    for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
      for (const kind of kinds) {
        const measured = await measureRound(network, `${kind}-${round}`, signal)
        if (round >= WARM_UP_ROUNDS) rounds[kind].push(measured)
      }
    }
    return figuresOf(rounds)
  } finally {
    await miner?.stop()
    await network.stop(() => undefined)
    await leftBehind(network.directory)
    await unmountBelow(network.directory)
  }
}

async function startNetwork(network: DevNetwork, signal: AbortSignal): Promise<RoleProcess> {
  await network.init()
  await network.startCoordinator()
  await network.run(['network', 'join', network.coordinatorUrl, '--id', network.networkId])
  await network.run(['account', 'create', ACCOUNT, '--operator-key', network.operatorKeyPath])
  const gateway = await network.startGateway()
  const {publicKey} = z.looseObject({publicKey: z.string()}).parse(gateway.ready)
  await network.run(network.admitGatewayArgs(publicKey))
  const {token} = z.looseObject({token: z.string()}).parse(await network.run(['node', 'token', '--as', ACCOUNT]))
  const where = ['--coordinator', network.coordinatorUrl, '--network-id', network.networkId]
  const lent = ['--earn', 'gutta', '--cpu', String(CPUS_LENT)]
  const argv = [...CREO, 'mine', 'start', '--data', join(network.directory, MINER), ...where, ...lent, '--token', token, '--json']
  const env = {CREO_CONFIG_DIR: network.configDirectory}
  return await startRole({name: MINER, argv, env, logPath: network.logPath(MINER)}, signal)
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

async function measureRound(network: DevNetwork, name: string, signal: AbortSignal): Promise<Round> {
  const {host, port} = new URL(network.gatewayUrl)
  const question = {to: {port: Number(port)}, path: `/@${APP}--${ACCOUNT}/${name}`, host, signal}
  await mustBeCold(network, name, signal)
  const {ms: firstMs} = await ask(question)
  let tenthMs = 0
  for (let number = 2; number <= REQUESTS_PER_ROUND; number += 1) tenthMs = (await ask(question)).ms
  return {firstMs, tenthMs}
}

async function statusOf(network: DevNetwork, signal: AbortSignal): Promise<z.output<typeof gatewayStatusSchema>> {
  const answer = await fetch(`${network.gatewayAdminUrl}/.creo/status`, {signal})
  return gatewayStatusSchema.parse(await answer.json())
}

async function mustBeCold(network: DevNetwork, name: string, signal: AbortSignal): Promise<void> {
  const {revisions} = await statusOf(network, signal)
  const found = revisions.find((revision) => revision.function === name)
  if (found === undefined || found.instances + found.starting + found.requests > 0) {
    throw new Error(`${name} must have no instance before it is asked for the first time, and the gateway says ${JSON.stringify(found)}`)
  }
}

/** `path.created_ms` is the design's name for the first request of a Node function, the slower of the two kinds. */
function figuresOf(rounds: Readonly<Record<Kind, readonly Round[]>>): readonly Figure[] {
  const first = (kind: Kind): number[] => rounds[kind].map(({firstMs}) => firstMs)
  const tenth = (kind: Kind): number[] => rounds[kind].map(({tenthMs}) => tenthMs)
  return [
    figure({name: 'path.created_ms', unit: 'ms', samples: first('node'), goal: {atMost: 150}}),
    figure({name: 'path.first_request_ms', unit: 'ms', samples: first('node')}),
    figure({name: 'path.tenth_request_ms', unit: 'ms', samples: tenth('node')}),
    figure({name: 'path.static.first_request_ms', unit: 'ms', samples: first('static')}),
    figure({name: 'path.static.tenth_request_ms', unit: 'ms', samples: tenth('static')})
  ]
}
