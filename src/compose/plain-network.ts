import {existsSync} from 'node:fs'
import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {z} from 'zod'
import type {DevNetwork} from './dev-network.ts'
import type {Progress} from './progress-port.ts'

/**
 * The account that owns the apps and the one miner of a plain development network. It is the network's exchange org, so that the
 * miner serves whatever it deploys and is paid in Gutta, without an incentive having to be issued first.
 */
export const PLAIN_ACCOUNT = 'dev'
const MINER = 'miner'
/** In the folder of each. */
const NODE_KEY = 'node.key'

/**
 * Starts a network with one gateway and one miner, both the developer's own, or resumes what was made in its folder before, a tour's network too, with the
 * miners that it has. Of a new one the account must be the exchange org.
 */
export async function startPlainNetwork(
  network: DevNetwork,
  progress: Progress,
  signal: AbortSignal,
  account = PLAIN_ACCOUNT
): Promise<void> {
  await progress.step('Genesis', () => network.init())
  await progress.step('Coordinator', () => network.startCoordinator())
  const known = await minersOf(network.directory)
  const isNew = known.length === 0
  // Also when it resumes: its address may be another one now.
  await network.run(['network', 'join', network.coordinatorUrl, '--id', network.networkId])
  if (isNew) await network.run(['account', 'create', account, '--operator-key', network.operatorKeyPath])
  const gateway = await progress.step('Gateway', () => network.startGateway())
  const {publicKey} = z.looseObject({publicKey: z.string()}).parse(gateway.ready)
  await network.run(network.admitGatewayArgs(publicKey))
  signal.throwIfAborted()
  if (isNew) {
    const {token} = z.looseObject({token: z.string()}).parse(await network.run(['node', 'token', '--as', account]))
    await progress.step('Miner', () => network.startMiner({name: MINER, earn: [`org:${account}`, 'gutta'], token}))
  }
  // They remember what they earn.
  for (const name of known) await progress.step(known.length === 1 ? 'Miner' : `Miner ${name}`, () => network.startMiner({name, earn: []}))
}

/** Names of the folders that a node of this network has been enrolled with. */
async function minersOf(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory)
  return names.filter((name) => existsSync(join(directory, name, NODE_KEY))).sort()
}
