import {z} from 'zod'
import {accountViewSchema, incentiveViewSchema, networkViewSchema, offerViewSchema} from '../../core/protocol/api.ts'
import {ask} from '../ask.ts'
import {balanceOf} from './balances.ts'
import {eventually, mustHold} from './must-hold.ts'
import type {TourStep, TourWorld} from './tour.ts'

export const ORGS = {exchange: 'creometry', shop: 'colibris'} as const
export const OWNERS = {leaf: 'ana', gutta: 'ben'} as const
export const MINERS = {leaf: 'miner-a', gutta: 'miner-b'} as const
export const LEAF = 'colibris/LEAF'
/** Gutta that may be traded of LEAF in a day: small, so that the tour can run into it. */
export const LEAF_LIMIT_GUTTA = 3
const LEAF_POOL = '20000'
/** Minor units of one LEAF, and of all there are. */
const LEAF_MINOR = 100
const LEAF_SUPPLY_MINOR = 100_000 * LEAF_MINOR
export const LEAF_POOL_MINOR = 20_000 * LEAF_MINOR

export const networkSteps: readonly TourStep[] = [
  {
    id: 'network',
    title: 'A development network from a genesis file',
    run: async (world) => {
      await world.network.init()
      const coordinator = await world.network.startCoordinator()
      const view = await world.read('/v1/network', networkViewSchema)
      mustHold(view.id === world.network.networkId, 'the coordinator serves the network of our genesis')
      await world.creo(['network', 'join', world.network.coordinatorUrl, '--id', view.id], z.looseObject({networkId: z.literal(view.id)}))
      return {networkId: view.id, network: view.network, coordinatorUrl: world.network.coordinatorUrl, coordinatorPid: coordinator.pid}
    }
  },
  {
    id: 'accounts',
    title: 'Two organizations and two volunteers, each with a key of its own',
    run: async (world) => {
      const names = [...Object.values(ORGS), ...Object.values(OWNERS)]
      const accounts: {readonly id: string; readonly name: string}[] = []
      for (const name of names) {
        const asOperator = name === ORGS.exchange ? ['--operator-key', world.network.operatorKeyPath] : []
        accounts.push(await world.creo(['account', 'create', name, ...asOperator], z.looseObject({id: z.string(), name: z.literal(name)})))
      }
      const seen = await Promise.all(names.map((name) => world.read(`/v1/accounts/${name}`, accountViewSchema)))
      mustHold(
        seen.every((account, index) => account.id === accounts[index]?.id),
        'the ledger knows each account by its id'
      )
      const keys = seen.flatMap((account) => account.keys.map((key) => key.publicKey))
      mustHold(new Set(keys).size === keys.length, 'no two accounts share a key')
      return {accounts: Object.fromEntries(accounts.map((account) => [account.name, account.id]))}
    }
  },
  {
    id: 'gateway',
    title: 'A gateway, admitted by the operator',
    run: async (world) => {
      const role = await world.network.startGateway()
      const {publicKey} = z.looseObject({publicKey: z.string()}).parse(role.ready)
      const admitted = await world.creo(world.network.admitGatewayArgs(publicKey), z.looseObject({gateway: z.string()}))
      await eventually('the gateway is ready', world.signal, async () => {
        const {status} = await ask(`${world.network.gatewayAdminUrl}/.creo/readyz`, {signal: world.signal})
        return status === 200 ? true : undefined
      })
      return {gateway: admitted.gateway, publicUrl: world.network.gatewayUrl, tunnelUrl: world.network.gatewayAdminUrl, pid: role.pid}
    }
  },
  {
    id: 'incentive',
    title: 'colibris issues LEAF, says what it buys, and funds its reward pool',
    run: async (world) => {
      const offer = ['--offer', 'Delivery in town', '--offer-price', '2', '--offer-stock', '500']
      const supply = [
        '--name',
        'Leaf',
        '--supply',
        '100000',
        '--decimals',
        '2',
        '--lot',
        '1',
        '--limit',
        String(LEAF_LIMIT_GUTTA),
        '--owner-share',
        '100'
      ]
      await world.creo(['incentive', 'issue', 'LEAF', ...supply, ...offer, '--as', ORGS.shop], z.looseObject({incentive: z.literal(LEAF)}))
      await world.creo(['incentive', 'fund', LEAF, LEAF_POOL, '--as', ORGS.shop], z.looseObject({}))
      const leaf = await world.read(`/v1/incentives/${LEAF}`, incentiveViewSchema)
      mustHold(leaf.supplyMinor === LEAF_SUPPLY_MINOR && leaf.lotMinor === LEAF_MINOR, 'supply and lot are what was asked for')
      const pool = await balanceOf(world, ORGS.shop, LEAF, 'pool')
      mustHold(pool === LEAF_POOL_MINOR, 'the reward pool has what it was funded with')
      mustHold((await balanceOf(world, ORGS.shop, LEAF)) === LEAF_SUPPLY_MINOR - pool, 'colibris holds the rest of the supply')
      const {offers} = await world.read(`/v1/offers?incentive=${LEAF}`, z.object({offers: z.array(offerViewSchema)}))
      mustHold(
        offers[0]?.item === 'Delivery in town' && offers[0].priceMinor === 2 * LEAF_MINOR && offers[0].stock === 500,
        'the offer is listed'
      )
      mustHold(leaf.tradeVolumeLimitMicroGutta === LEAF_LIMIT_GUTTA * 1_000_000, 'the trade volume limit is what was asked for')
      return {
        incentive: leaf.id,
        supply: '100000',
        lot: '1',
        tradeVolumeLimitGutta: String(LEAF_LIMIT_GUTTA),
        pool: LEAF_POOL,
        offer: 'Delivery in town for 2 LEAF'
      }
    }
  },
  {
    id: 'nodes',
    title: 'Two miners of different owners join with one-use tokens',
    run: async (world) => {
      const joined = await Promise.all([
        join(world, {name: MINERS.leaf, owner: OWNERS.leaf, earn: LEAF}),
        join(world, {name: MINERS.gutta, owner: OWNERS.gutta, earn: 'gutta'})
      ])
      for (const {name, owner, earn} of joined) world.found(`${name} of ${owner} earns ${earn}`)
      return Object.fromEntries(joined.map(({name, ...facts}) => [name, facts]))
    }
  }
]

interface Joining {
  readonly name: string
  readonly owner: string
  readonly earn: string
}

/** Enrols one miner under its owner and checks what the coordinator knows of it. */
async function join(world: TourWorld, {name, owner, earn}: Joining): Promise<Joining & {readonly node: string; readonly pid: number}> {
  const {token} = await world.creo(['node', 'token', '--as', owner], z.looseObject({token: z.string()}))
  const role = await world.network.startMiner({name, earn: [earn], token})
  const {node} = z.looseObject({node: z.string()}).parse(role.ready)
  const account = await world.read(`/v1/accounts/${owner}`, accountViewSchema)
  const presence = z.looseObject({earn: z.array(z.string())}).nullable()
  const view = await world.read(`/v1/nodes/${node}`, z.looseObject({owner: z.string(), presence}))
  mustHold(view.owner === account.id, `${name} belongs to ${owner}`)
  mustHold(view.presence?.earn.join() === earn, `${name} selected ${earn} alone`)
  return {name, owner, earn, node, pid: role.pid}
}
