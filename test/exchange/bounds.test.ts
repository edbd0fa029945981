import {describe, expect, it} from 'vitest'
import {LedgerMachine} from '../../src/core/exchange/ledger-machine.ts'
import {
  EXPIRIES_ENDED_MAX,
  INCENTIVES_PER_ORG_MAX,
  NODE_TOKENS_PER_ACCOUNT_MAX,
  OFFERS_PER_INCENTIVE_MAX,
  OPEN_ORDERS_PER_ACCOUNT_MAX,
  OPEN_ORDERS_PER_INCENTIVE_MAX
} from '../../src/core/exchange/limits.ts'
import type {CommandOf} from '../../src/core/protocol/commands.ts'
import {orderIdSchema, revisionIdSchema} from '../../src/core/protocol/scalars.ts'
import {marketWorld} from './market-script.ts'
import {HOUR_MS, hexOf, World} from './world.ts'

const DAY_MS = 24 * HOUR_MS

function order(changes: Partial<CommandOf<'order.place'>> = {}): CommandOf<'order.place'> {
  const terms = {side: 'buy', priceMicroGutta: 1, lots: 1, kind: 'limit', timeInForce: 'GTC'} as const
  return {type: 'order.place', incentive: 'acme/LEAF', ...terms, ...changes}
}

describe('join tokens', () => {
  it('are refused beyond a number of unused ones an account, so that nobody uses up those of others', () => {
    const world = new World({}, {checks: false})
    for (const name of ['evil', 'ann']) world.account(name)
    const token = (who: string, text: string) =>
      world.try(who, {type: 'node.token', tokenHash: hexOf(text, 64), expiresAtMs: world.nowMs + 1000})
    for (let count = 0; count < NODE_TOKENS_PER_ACCOUNT_MAX; count += 1) expect(token('evil', `t${count}`)).toBe('applied')
    expect([token('evil', 'more'), token('ann', 'hers')]).toEqual(['rejected', 'applied'])
    world.nowMs += 1000
    world.must('coordinator', {type: 'time.advance'})
    expect(token('evil', 'more')).toBe('applied')
  })

  it('are good for thirty days at most', () => {
    const world = new World()
    world.account('ann')
    const token = {type: 'node.token', tokenHash: hexOf('t', 64)} as const
    expect(world.try('ann', {...token, expiresAtMs: world.nowMs + 31 * DAY_MS})).toBe('invalid_input')
    expect(world.try('ann', {...token, expiresAtMs: world.nowMs + 30 * DAY_MS})).toBe('applied')
  })

  it('make a node of the account that they name, and never come back under another once they were used', () => {
    const world = new World()
    const [ann, bob] = [world.account('ann'), world.account('bob')]
    const tokenHash = hexOf('t', 64)
    const token = {type: 'node.token', tokenHash, expiresAtMs: world.nowMs + 1000} as const
    const enroll = {type: 'node.enroll', publicKey: 'A'.repeat(43), tokenHash, name: 'pi', architecture: 'arm64'} as const
    const options = {as: 'new', bodyKeyIds: [hexOf('key of pi')]}
    world.must('ann', token)
    expect(world.try('pi', {...enroll, owner: bob}, options)).toBe('forbidden')
    expect(world.must('pi', {...enroll, owner: ann}, options)).toMatchObject({owner: ann})
    expect(world.try('bob', token)).toBe('conflict')
  })
})

describe("the exchange's org", () => {
  it('is made by the operator alone', () => {
    const world = new World()
    const bodyKeyIds = [hexOf('key of evil')]
    const body = {type: 'account.create', name: 'creometry', keys: [{publicKey: 'A'.repeat(43), roles: ['owner']}]} as const
    const create = {...body, keys: body.keys.map((key) => ({...key, roles: [...key.roles]}))}
    expect(world.try('evil', create, {as: 'new', bodyKeyIds})).toBe('forbidden')
    expect(world.try('operator', {...create, name: 'other'}, {as: 'operator', bodyKeyIds})).toBe('forbidden')
    expect(world.try('operator', create, {as: 'operator', bodyKeyIds})).toBe('applied')
    expect(world.machine.state.exchangeOrg().keys.map((key) => key.keyId)).toEqual(bodyKeyIds)
  })
})

describe('open orders', () => {
  it('of an account have a bound for those that would rest; one that trades at once still does', () => {
    const world = new World({}, {checks: false})
    for (const name of ['creometry', 'acme', 'ann']) world.account(name)
    world.issue('acme')
    world.allot('ann', 1_000_000)
    for (let count = 0; count < OPEN_ORDERS_PER_ACCOUNT_MAX; count += 1) world.must('ann', order())
    expect(world.try('ann', order())).toBe('rejected')
    world.must('acme', order({side: 'sell', priceMicroGutta: 5, lots: 2}))
    expect(world.must('ann', order({priceMicroGutta: 5}))).toMatchObject({status: 'filled'})
    expect(world.must('ann', order({priceMicroGutta: 5, lots: 3}))).toMatchObject({
      status: 'expired',
      reason: 'open_orders_limit',
      filledLots: '1'
    })
    expect(world.must('ann', order({timeInForce: 'IOC'}))).toMatchObject({status: 'expired', reason: 'immediate'})
  })

  it('of one incentive have a bound that leaves room in the others', () => {
    const world = new World({}, {checks: false})
    for (const name of ['creometry', 'acme', 'ann']) world.account(name)
    world.issue('acme')
    world.issue('acme', {code: 'NUT'})
    world.allot('ann', 1_000_000)
    const leaf = world.machine.state.incentive('acme/LEAF')
    leaf.openOrders = OPEN_ORDERS_PER_INCENTIVE_MAX
    expect([world.try('ann', order()), world.try('ann', order({incentive: 'acme/NUT'}))]).toEqual(['rejected', 'applied'])
  })

  it('may carry a time at most 366 days ahead', () => {
    const world = marketWorld()
    const until = (days: number) => world.try('ann', order({timeInForce: 'GTT', expiresAtMs: world.nowMs + days * DAY_MS}))
    expect([until(367), until(366)]).toEqual(['invalid_input', 'applied'])
  })

  it('whose time has come do not stand in the way of a post-only order', () => {
    const world = marketWorld()
    world.must('ann', order({side: 'sell', priceMicroGutta: 5, timeInForce: 'GTT', expiresAtMs: world.nowMs + 10}))
    expect(world.try('bob', order({priceMicroGutta: 5, kind: 'post-only'}))).toBe('rejected')
    world.nowMs += 10
    expect(world.must('bob', order({priceMicroGutta: 5, kind: 'post-only'}))).toMatchObject({status: 'open'})
  })

  it('that ended before their time leave no expiries behind', () => {
    const world = marketWorld()
    const {expiries} = world.machine.state
    const place = (days: number) => {
      const timed = order({timeInForce: 'GTT', expiresAtMs: world.nowMs + days * DAY_MS})
      return String(world.must('ann', timed).order)
    }
    const first = place(1)
    world.must('ann', {type: 'order.cancel', order: place(2)})
    expect(expiries.next?.id).toBe(first)
    world.must('ann', {type: 'order.cancel', order: first})
    expect(expiries.next).toBeUndefined()
    place(1)
    for (let count = 0; count < 3 * EXPIRIES_ENDED_MAX; count += 1) world.must('ann', {type: 'order.cancel', order: place(2)})
    expect(expiries.size).toBeLessThanOrEqual(EXPIRIES_ENDED_MAX + 2)
  })
})

describe('incentives', () => {
  it('are refused beyond a number an org', () => {
    const world = new World({}, {checks: false})
    for (const name of ['acme', 'bolt']) world.account(name)
    const issue = (org: string, count: number) => world.issue(org, {code: `A${count}`})
    for (let count = 0; count < INCENTIVES_PER_ORG_MAX; count += 1) issue('acme', count)
    expect(() => issue('acme', INCENTIVES_PER_ORG_MAX)).toThrow('rejected')
    issue('bolt', 1)
  })

  it('have so many offers at most, those that were stopped too, also after a restart', () => {
    const world = new World({}, {checks: false})
    world.account('acme')
    const incentive = world.issue('acme', {code: 'A1'})
    const offer = {item: 'bread', priceMinor: 1, stock: 1, where: 'in-app'} as const
    const add = () => world.must('acme', {type: 'offer.add', incentive, offer})
    const {offer: first} = add()
    world.must('acme', {type: 'offer.edit', offer: String(first), stopped: true})
    // One came with the issue.
    for (let count = 2; count < OFFERS_PER_INCENTIVE_MAX; count += 1) add()
    expect(add).toThrow('rejected')
    const again = LedgerMachine.fromGenesis(world.machine.state.genesis, world.machine.state.networkId)
    for (const line of world.machine.lines()) again.takeLine(line)
    expect(again.state.offerCounts).toEqual(world.machine.state.offerCounts)
  })
})

it.each(['ord_0', 'ord_01', 'ord_', 'ord_1.0', 'ord_12345678901234567'])('%s is no id of an order', (id) => {
  expect(orderIdSchema.safeParse(id).success).toBe(false)
  expect(revisionIdSchema.safeParse(id.replace('ord', 'rev')).success).toBe(false)
})
