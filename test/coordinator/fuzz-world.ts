import {sealingKeySchema} from '../../src/core/protocol/secrets.ts'
import type {KeyPair} from '../../src/identity/keys.ts'
import type {Actors, Node, Person, startWorld} from './coordinator-world.ts'
import type {JsonSchema} from './schema-values.ts'

export interface Ask {
  readonly method: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body?: string | Buffer
  /** Nothing in it was changed: it is as the document says. */
  readonly isValid: boolean
}

export interface Operation {
  readonly method: string
  readonly path: string
  readonly parameters?: readonly {readonly name: string; readonly in: string; readonly required: boolean; readonly schema: JsonSchema}[]
  readonly requestBody?: {readonly content: {readonly 'application/json': {readonly schema: JsonSchema}}}
  readonly security: readonly unknown[]
}

type World = Awaited<ReturnType<typeof startWorld>>
/** What a network has before anybody tries anything: people, nodes, an app with a lease, receipts, images. */
export interface FuzzedNetwork {
  readonly actors: Actors
  readonly operator: KeyPair
  readonly people: readonly Person[]
  readonly nodes: readonly Node[]
  readonly gateway: KeyPair
  readonly lease: {readonly id: string; readonly revision: string}
  readonly sealingKey: string
  readonly operations: readonly Operation[]
}

export const INVALID_SHARE = 0.4
export const UNSIGNED_SHARE = 0.1
export const BLOBS = ['the base', 'some code', '{"for":"fuzz"}'].map((text) => Buffer.from(text))
const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const
export async function fuzzedNetwork({actors, operator}: World): Promise<FuzzedNetwork> {
  await actors.person('creometry', operator)
  const org = await actors.colibris()
  const ann = await actors.person('ann')
  const bob = await actors.person('bob')
  const nodes = [await actors.node(ann), await actors.node(ann), await actors.node(bob)]
  const gateway = await actors.gateway(operator)
  const [node] = nodes
  if (node === undefined) throw new Error('no node')
  await actors.heartbeat(node)
  const {lease} = await actors.leased(node)
  await makeMarkets(actors, {operator, org, ann, bob})
  const document = (await actors.ask('GET', '/v1/openapi.json')).json as unknown as {paths: Record<string, Record<string, Operation>>}
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    METHODS.flatMap((method) => (methods[method] ? [{...methods[method], path, method: method.toUpperCase()}] : []))
  )
  const {publicKey} = sealingKeySchema.parse((await actors.ask('GET', '/v1/sealing-key')).json)
  return {actors, operator, people: [org, ann, bob], nodes, gateway, lease, sealingKey: publicKey, operations}
}

/** Two incentives that all three have, once the opening auction of the second is over, with orders on both sides near to each other: what swaps need. */
async function makeMarkets(
  actors: World['actors'],
  {operator, org, ann, bob}: {operator: KeyPair; org: Person; ann: Person; bob: Person}
): Promise<void> {
  const firstOffer = {item: 'A tree', priceMinor: 1, stock: 10, where: 'in-app'} as const
  const terms = {name: 'Tree', decimals: 0, lotMinor: 1, supplyMinor: 1000, captured: 'burn', transferable: false, firstOffer} as const
  const limits = {tradeVolumeLimitMicroGutta: 1_000_000_000, ownerSharePermille: 500}
  await actors.apply(org.id, org.key, {type: 'incentive.issue', code: 'TREE', ...terms, ...limits})
  for (const {id} of [org, ann, bob])
    await actors.apply('operator', operator, {type: 'allot', account: id, amountMicroGutta: 1_000_000_000})
  for (const incentive of ['colibris/LEAF', 'colibris/TREE']) {
    const order = {type: 'order.place', incentive, lots: 100, kind: 'limit', timeInForce: 'GTC'} as const
    await actors.apply(org.id, org.key, {...order, side: 'sell', lots: 200, priceMicroGutta: 10})
    for (const {id, key} of [ann, bob]) await actors.apply(id, key, {...order, side: 'buy', priceMicroGutta: 10})
    await actors.apply(org.id, org.key, {...order, side: 'sell', priceMicroGutta: 11})
    await actors.apply(ann.id, ann.key, {...order, side: 'buy', priceMicroGutta: 9})
  }
}
