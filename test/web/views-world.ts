import type {Person} from '../coordinator/coordinator-world.ts'
import {LEAF, type PlainWorld} from './plain-world.ts'

const PLUM = 'orchard/PLUM'
/** An org and a code as long as they may be. */
export const HOSTILE = 'the-long-named-orgs1/XCOINXCOIN'
/** A script, signs that nobody sees, and letters of another alphabet that look like ours. */
const HOSTILE_NAME = '<script>alert(1)</script> Le\u200baf\u200f \ufeff ρаураl'
const LONG_ITEM = 'A week of deliveries to every street of the old town, in the mornings'
const TRADED = [480_000, 500_000, 520_000, 510_000, 530_000]
/** More than one page of them. */
const ORDERS = 55
const REDEMPTIONS = 22

export interface Holders {
  readonly zoe: Person
  /** One of hers that waits. */
  readonly redemption: string
  /** A long one, of LEAF. */
  readonly offer: string
  readonly openOrders: number
  readonly redemptions: number
}

/** Markets with trades, a shop with everything that an offer may be, an account with more than a page of each, and a machine that was paid. */
export async function fillWorld(world: PlainWorld): Promise<Holders> {
  const {colibris, apply} = world
  const offerSpec = {priceMinor: 200, stock: 500, where: 'in-app'} as const
  const [orchard, hostile, zoe, max] = await Promise.all(['orchard', HOSTILE.split('/')[0] ?? '', 'zoe', 'max'].map(world.person))
  if (orchard === undefined || hostile === undefined || zoe === undefined || max === undefined) throw new Error('Nobody was made.')
  await world.issue(orchard, 'PLUM', 'Plum')
  await world.issue(hostile, HOSTILE.split('/')[1] ?? '', HOSTILE_NAME)
  await world.give('zoe', 1000)
  await world.give('max', 1000)
  for (const price of TRADED) {
    await world.order(colibris, LEAF, 'sell', 20, price)
    await world.order(zoe, LEAF, 'buy', 20, price)
  }
  await world.order(orchard, PLUM, 'sell', 50, 500_000)
  await world.order(zoe, PLUM, 'buy', 5, 500_000)
  await world.order(max, LEAF, 'buy', 10, 450_000)
  for (const [place, price] of [540_000, 550_000, 1_234_567].entries()) await world.order(colibris, LEAF, 'sell', 7 + place, price)
  for (let made = 0; made < ORDERS; made += 1) {
    const order = await world.order(zoe, LEAF, 'buy', 1, 300_000 + made * 1000)
    if (made % 2 === 0) await apply(zoe, {type: 'order.cancel', order})
  }
  const offers = [
    {item: LONG_ITEM, ...offerSpec, where: 'in-store'},
    {item: 'Sold out', ...offerSpec, stock: 1},
    {item: 'Tea', ...offerSpec, priceMinor: 100}
  ] as const
  const made = []
  for (const offer of offers) made.push(String((await apply(colibris, {type: 'offer.add', incentive: LEAF, offer})).result.offer))
  const redeem = async (offer: string | undefined) =>
    String((await apply(zoe, {type: 'redemption.request', offer: String(offer), quantity: 1})).result.redemption)
  await redeem(made[1])
  const redemptions = []
  for (let count = 0; count < REDEMPTIONS; count += 1) redemptions.push(await redeem(made[2]))
  for (const redemption of redemptions.slice(2)) await apply(colibris, {type: 'redemption.capture', redemption})
  await payMachine(world)
  return {zoe, redemption: redemptions[0] ?? '', offer: made[0] ?? '', openOrders: Math.floor(ORDERS / 2), redemptions: REDEMPTIONS + 1}
}

async function payMachine({actors, operator, colibris}: PlainWorld): Promise<void> {
  const node = await actors.node(colibris)
  await actors.heartbeat(node, {instances: 2})
  const {lease} = await actors.leased(node)
  const gateway = await actors.gateway(operator)
  const receipts = [1, 2, 3].map((window) => actors.receipt({gateway, node, lease, window, requests: window}))
  await actors.ask('POST', '/v1/receipts', {body: {receipts}})
}
