import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {z} from 'zod'
import {DevNetwork} from '../../src/compose/dev-network.ts'
import {type RoleProcess, startRole} from '../../src/compose/role-process.ts'
import {makePrivateFolder} from '../../src/config/data-directory.ts'
import {hostDefaults} from '../../src/miner/host-defaults.ts'
import {mergeSettings, saveSettings} from '../../src/miner/settings.ts'

const CREO = [process.execPath, fileURLToPath(new URL('../../bin/run.js', import.meta.url))]
export const ACCOUNT = 'bench'
export const MINER = 'miner'
/** Every container stays until the end, so that the miner must believe in enough of all; each is limited to one CPU. */
const CPU_MILLIS_LENT = 64_000
const MEMORY_BYTES_LENT = 6 * 2 ** 30

/** A network of one coordinator, one gateway and one miner, each a process of its own, in a folder below `directory`. */
export function benchNetwork(directory: string, signal: AbortSignal, coordinatorFlags: readonly string[] = []): DevNetwork {
  const ports = {coordinator: 0, gateway: 0, tunnel: 0}
  const options = {
    directory: join(directory, 'network'),
    creo: CREO,
    ports,
    epoch: '5s',
    emission: '10',
    exchangeOrg: ACCOUNT,
    coordinatorFlags
  }
  return new DevNetwork(options, signal)
}

/** Starts all of it, and answers the miner. */
export async function startNetwork(network: DevNetwork, signal: AbortSignal, functionsMax?: number): Promise<RoleProcess> {
  await network.init()
  await network.startCoordinator()
  await network.run(['network', 'join', network.coordinatorUrl, '--id', network.networkId])
  await network.run(['account', 'create', ACCOUNT, '--operator-key', network.operatorKeyPath])
  const gateway = await network.startGateway()
  const {publicKey} = z.looseObject({publicKey: z.string()}).parse(gateway.ready)
  await network.run(network.admitGatewayArgs(publicKey))
  const {token} = z.looseObject({token: z.string()}).parse(await network.run(['node', 'token', '--as', ACCOUNT]))
  const data = join(network.directory, MINER)
  await lendTooMuch(data, network, functionsMax)
  const argv = [...CREO, 'mine', 'start', '--data', data, '--token', token, '--json']
  const env = {CREO_CONFIG_DIR: network.configDirectory}
  return await startRole({name: MINER, argv, env, logPath: network.logPath(MINER)}, signal)
}

/** Remembers what the flags refuse: more than the machine has. */
async function lendTooMuch(data: string, {coordinatorUrl, networkId}: DevNetwork, functionsMax: number | undefined): Promise<void> {
  const given = {coordinatorUrl, networkId, functionsMax, earn: ['gutta'], cpuMillis: CPU_MILLIS_LENT, memoryBytes: MEMORY_BYTES_LENT}
  await makePrivateFolder(data)
  await saveSettings(data, mergeSettings(undefined, given, hostDefaults()))
}
