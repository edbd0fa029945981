import {afterAll, beforeAll, expect, it} from 'vitest'
import {createClient} from '../../src/client/client.ts'
import type {AccountContext} from '../../src/developer/context.ts'
import {cancelOrders, placeOrder} from '../../src/developer/orders.ts'
import {type Person, startWorld} from '../coordinator/coordinator-world.ts'

const {signal} = new AbortController()
const LEAF = 'colibris/LEAF'
let world: Awaited<ReturnType<typeof startWorld>>
let org: Person
let ann: Person

beforeAll(async () => {
  world = await startWorld()
  await world.actors.person('creometry', world.operator)
  org = await world.actors.colibris()
  ann = await world.actors.person('ann')
  await world.actors.apply('operator', world.operator, {type: 'allot', account: ann.id, amountMicroGutta: 5_000_000_000})
})
afterAll(() => world.close())

function contextOf({id, name, key}: Person): AccountContext {
  const {url: coordinatorUrl, networkId, coordinatorKey} = world.actors
  const client = createClient({coordinatorUrl, networkId, coordinatorKey, key, account: id, now: Date.now, signal})
  return {name: 'test', coordinatorUrl, networkId, coordinatorKey, client, account: {id, name}, key}
}

const SALE = {incentive: LEAF, side: 'sell', kind: 'limit', timeInForce: 'GTC', lifetimeMs: undefined} as const

it('cancels every open order, also when there are more than one answer lists, and none when there is none', async () => {
  const context = contextOf(org)
  const sale = {
    type: 'order.place',
    incentive: LEAF,
    side: 'sell',
    priceMicroGutta: 1000,
    lots: 1,
    kind: 'limit',
    timeInForce: 'GTC'
  } as const
  for (let batch = 0; batch < 3; batch += 1) await context.client.submitMany(Array.from({length: 500}, () => sale))
  expect(new Set(await cancelOrders(context, {}, signal)).size).toBe(1500)
  expect(await cancelOrders(context, {}, signal)).toEqual([])
})

it('cancels the orders of one market and one side alone, and nobody else’s', async () => {
  const context = contextOf(org)
  const {order} = await placeOrder(context, {...SALE, amount: '1', price: '1'}, signal)
  expect(await cancelOrders(contextOf(ann), {}, signal)).toEqual([])
  expect(await cancelOrders(context, {incentive: LEAF, side: 'buy'}, signal)).toEqual([])
  await expect(cancelOrders(context, {incentive: 'colibris/LEEF'}, signal)).rejects.toMatchObject({code: 'not_found'})
  expect(await cancelOrders(context, {incentive: LEAF, side: 'sell'}, signal)).toEqual([order])
})

it('says what is left of the trade volume limit when an order goes beyond it', async () => {
  await placeOrder(contextOf(org), {...SALE, amount: '2000', price: '1'}, signal)
  const purchase = {...SALE, side: 'buy', amount: '1500', price: '1', timeInForce: 'FOK'} as const
  await expect(placeOrder(contextOf(ann), purchase, signal)).rejects.toMatchObject({
    code: 'volume_limit',
    hint: expect.stringContaining('1000 of 1000 Gutta are left')
  })
  await placeOrder(contextOf(ann), {...purchase, amount: '400'}, signal)
  await expect(placeOrder(contextOf(ann), purchase, signal)).rejects.toMatchObject({
    hint: expect.stringContaining('600 of 1000 Gutta are left')
  })
})
