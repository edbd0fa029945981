import {describe, expect, it} from 'vitest'
import {type CommandBody, commandBodySchema} from '../../src/core/protocol/commands.ts'
import {deployOf, World} from './world.ts'

const line = {incentive: 'acme/LEAF', requestsPerMillionMinor: 1, mibMsPerMillionMinor: 0, dailyBudgetMinor: 1}

/** As it travels. */
const ISSUE = {
  type: 'incentive.issue',
  code: 'LEAF',
  name: 'Leaf',
  decimals: 2,
  lotMinor: '10',
  supplyMinor: '1000',
  captured: 'burn',
  transferable: false,
  firstOffer: {item: 'tea', priceMinor: '1', stock: 1, where: 'in-app'}
}

function acme(): World {
  const world = new World()
  for (const name of ['creometry', 'acme', 'bolt']) world.account(name)
  return world
}

describe('what was signed by a measure that was shown', () => {
  const shown = {decimals: 2, lotMinor: 10}
  it.each([
    ['is done where that is the measure', shown, 'applied'],
    ['is refused where lots are others', {decimals: 2, lotMinor: 1}, 'conflict'],
    ['is refused where decimals are others', {decimals: 0, lotMinor: 10}, 'conflict']
  ] as const)('%s', (_title, measure, said) => {
    const world = acme()
    world.issue('acme', {decimals: 2, lotMinor: 10})
    world.issue('acme', {code: 'SEED', decimals: 2, lotMinor: 10})
    world.allot('bolt', 1_000_000)
    const rests = {type: 'order.place', priceMicroGutta: 5, lots: 2, kind: 'limit', timeInForce: 'GTC'} as const
    world.must('bolt', {...rests, incentive: 'acme/LEAF', side: 'buy'})
    world.must('acme', {...rests, incentive: 'acme/SEED', side: 'sell'})
    world.account('cyd')
    world.allot('cyd', 1_000_000)
    expect(world.try('cyd', {...rests, incentive: 'acme/SEED', side: 'buy', lots: 1, measure})).toBe(said)
    const offer = world.must('acme', {
      type: 'offer.add',
      incentive: 'acme/SEED',
      offer: {item: 'x', priceMinor: 1, stock: 9, where: 'in-app'}
    }).offer as string
    expect(world.try('acme', {type: 'redemption.request', offer, quantity: 1, measure})).toBe(said)
    const swap = {type: 'swap', from: 'acme/LEAF', to: 'acme/SEED', exact: 'send', sendLots: 1, receiveLots: 1} as const
    const other = world.try('acme', {...swap, selfTrade: 'cancel-oldest', fromMeasure: measure, toMeasure: shown})
    expect(other === 'conflict').toBe(said === 'conflict')
    expect(world.try('acme', {...swap, fromMeasure: shown, toMeasure: measure}) === 'conflict').toBe(said === 'conflict')
  })
})

describe('incentives', () => {
  it('posts the whole supply to the org, once per code', () => {
    const world = acme()
    expect(world.issue('acme')).toBe('acme/LEAF')
    expect([world.balance('acme', 'acme/LEAF'), world.balance('acme', 'acme/LEAF', 'issued')]).toEqual([1_000_000, -1_000_000])
    expect(() => world.issue('acme')).toThrow('conflict')
    expect(world.issue('bolt')).toBe('bolt/LEAF')
    expect(() => world.issue('acme', {code: 'ODD', supplyMinor: 15, lotMinor: 10})).toThrow('whole number of lots')
  })

  it('is its issuer alone who funds its pool, sets its limit and adds offers', () => {
    const world = acme()
    world.issue('acme')
    const offer = {item: 'x', priceMinor: 1, stock: 1, where: 'in-app'} as const
    expect(world.try('bolt', {type: 'pool.fund', incentive: 'acme/LEAF', amountMinor: 1})).toBe('forbidden')
    expect(world.try('bolt', {type: 'incentive.limit', incentive: 'acme/LEAF', tradeVolumeLimitMicroGutta: 1})).toBe('forbidden')
    expect(world.try('bolt', {type: 'offer.add', incentive: 'acme/LEAF', offer})).toBe('forbidden')
    expect(world.must('acme', {type: 'offer.add', incentive: 'acme/LEAF', offer})).toEqual({
      incentive: 'acme/LEAF',
      offer: `off_${world.machine.seq}`
    })
    expect(world.must('acme', {type: 'pool.fund', incentive: 'acme/LEAF', amountMinor: 400})).toEqual({
      incentive: 'acme/LEAF',
      poolMinor: '400'
    })
    expect(world.try('acme', {type: 'pool.fund', incentive: 'acme/NONE', amountMinor: 400})).toBe('not_found')
  })

  it.each([
    ['nothing', undefined],
    ['zero', '0'],
    ['a number below zero', '-1'],
    ['a fraction of a micro-gutta', '1.5'],
    ['no limit', 'none'],
    ['more than there can be', '9007199254740992']
  ])('takes no %s for a trade volume limit, neither at issue nor later', (_title, tradeVolumeLimitMicroGutta) => {
    const known = (wire: object): boolean => commandBodySchema.safeParse(wire).success
    const changed = {type: 'incentive.limit', incentive: 'acme/LEAF'}
    expect(known({...ISSUE, tradeVolumeLimitMicroGutta})).toBe(false)
    expect(known({...changed, tradeVolumeLimitMicroGutta})).toBe(false)
    for (const least of ['1', '9007199254740991']) {
      expect(known({...ISSUE, tradeVolumeLimitMicroGutta: least})).toBe(true)
      expect(known({...changed, tradeVolumeLimitMicroGutta: least})).toBe(true)
    }
  })

  it('allots Gutta on a development network alone, and never more than can be counted', () => {
    const world = acme()
    world.allot('acme', Number.MAX_SAFE_INTEGER)
    expect(world.try('operator', {type: 'allot', account: world.id('bolt'), amountMicroGutta: 1})).toBe('supply_exceeded')
    const production = new World({network: 'production'})
    production.account('creometry')
    expect(production.try('operator', {type: 'allot', account: production.id('creometry'), amountMicroGutta: 1})).toBe('forbidden')
  })
})

describe('revisions', () => {
  it('makes one revision of each function and keeps what did not change', () => {
    const world = acme()
    const first = world.deploy('acme')
    expect(world.deploy('acme')).toBe(first)
    const second = world.deploy('acme', [], {image: 'b'})
    expect(second).not.toBe(first)
    const api = world.deploy('acme', [], {fn: 'api'})
    const functions = [...(world.machine.state.apps.get('acme/site')?.functions ?? [])]
    expect(functions.map(([name, {traffic}]) => [name, traffic])).toEqual([
      ['web', [{revision: second, percent: 100}]],
      ['api', [{revision: api, percent: 100}]]
    ])
  })

  it.each([
    ['a reward of another org', 'bolt', deployOf([line]), 'forbidden'],
    ['a reward for another function', 'acme', deployOf([{...line, incentive: 'acme/ONLY'}], {fn: 'api'}), 'forbidden'],
    ['a reward for this function', 'acme', deployOf([{...line, incentive: 'acme/ONLY'}]), 'applied'],
    ['a reward of an incentive for all functions', 'acme', deployOf([line]), 'applied'],
    ['a reward in an unknown incentive', 'acme', deployOf([{...line, incentive: 'acme/NONE'}]), 'not_found'],
    ['two lines of one incentive', 'acme', deployOf([line, line]), 'invalid_input'],
    ['a route to no function', 'acme', {...deployOf(), routes: [{path: '/', function: 'lost'}]}, 'invalid_input'],
    ['a name too long for a host', 'acme', deployOf([], {app: 'a'.repeat(40), fn: 'b'.repeat(20)}), 'invalid_input']
  ] satisfies [string, string, CommandBody, string][])('answers %s as it should', (_title, org, body, expected) => {
    const world = acme()
    world.issue('acme')
    world.issue('acme', {code: 'ONLY', scope: {app: 'site', function: 'web'}})
    expect(world.try(org, body)).toBe(expected)
  })
})
