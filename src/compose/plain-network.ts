import {existsSync} from 'node:fs'
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

/** Starts or resumes a network with one gateway and one miner, both the developer's own. The account must be the network's exchange org. */
export async function startPlainNetwork(
  network: DevNetwork,
  progress: Progress,
  signal: AbortSignal,
  account = PLAIN_ACCOUNT
): Promise<void> {
  await progress.step('Genesis', () => network.init())
  await progress.step('Coordinator', () => network.startCoordinator())
  const isNew = !existsSync(join(network.directory, MINER))
  // Also when it resumes: its address may be another one now.
  await network.run(['network', 'join', network.coordinatorUrl, '--id', network.networkId])
  if (isNew) await network.run(['account', 'create', account, '--operator-key', network.operatorKeyPath])
  const gateway = await progress.step('Gateway', () => network.startGateway())
  const {publicKey} = z.looseObject({publicKey: z.string()}).parse(gateway.ready)
  await network.run(network.admitGatewayArgs(publicKey))
  signal.throwIfAborted()
  const token = isNew ? z.looseObject({token: z.string()}).parse(await network.run(['node', 'token', '--as', account])).token : undefined
  await progress.step('Miner', () =>
    network.startMiner({name: MINER, earn: [`org:${account}`, 'gutta'], ...(token === undefined ? {} : {token})})
  )
}
