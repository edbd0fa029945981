import {existsSync} from 'node:fs'
import {join} from 'node:path'
import {z} from 'zod'
import type {DevNetwork} from './dev-network.ts'
import type {Progress} from './progress-port.ts'

/** The account that owns the apps and the one miner of a plain development network. */
const ACCOUNT = 'dev'
const MINER = 'miner'

/** Starts or resumes a network with one gateway and one miner, both the developer's own. */
export async function startPlainNetwork(network: DevNetwork, progress: Progress, signal: AbortSignal): Promise<void> {
  await progress.step('Genesis', () => network.init())
  await progress.step('Coordinator', () => network.startCoordinator())
  const isNew = !existsSync(join(network.directory, MINER))
  if (isNew) {
    await network.run(['network', 'join', network.coordinatorUrl, '--id', network.networkId])
    await network.run(['account', 'create', ACCOUNT])
  }
  const gateway = await progress.step('Gateway', () => network.startGateway())
  const {publicKey} = z.looseObject({publicKey: z.string()}).parse(gateway.ready)
  await network.run(network.admitGatewayArgs(publicKey))
  signal.throwIfAborted()
  const token = isNew ? z.looseObject({token: z.string()}).parse(await network.run(['node', 'token', '--as', ACCOUNT])).token : undefined
  await progress.step('Miner', () =>
    network.startMiner({name: MINER, earn: [`org:${ACCOUNT}`, 'gutta'], ...(token === undefined ? {} : {token})})
  )
}
