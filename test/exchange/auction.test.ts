import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {auctionPrice, indicativeAuction, type PricedLots} from '../../src/core/exchange/auction-price.ts'
import {assertInvariants} from '../../src/core/exchange/invariants.ts'
import {CROSSINGS_MAX} from '../../src/core/exchange/limits.ts'
import {marketWorld, run} from './market-script.ts'
import {World as NewWorld, type World} from './world.ts'

const IS_LONG = (process.env.CREO_TEST_TIER ?? 'short') !== 'short'
const RUNS = IS_LONG ? 10_000 : 300
const PROTECTION = {openingMs: 600_000, auctionMs: 60_000, staticPpm: 200_000, dynamicPpm: 100_000}

/** A market whose last auction and last trade were at 100: bands from 80 to 120, and from 90 to 110. */
function protectedMarket(changes: Partial<typeof PROTECTION> = {}): World {
  const world = marketWorld({protection: {...PROTECTION, ...changes}})
  run(['x sell 1 @ 100 by acme', 'y buy 1 @ 100 by ann', 'after 60s'], world)
  expect(world.machine.state.incentive('acme/LEAF')).toMatchObject({prices: {referenceMicroGutta: 100, lastMicroGutta: 100}})
  return world
}

function isInAuction(world: World): boolean {
  return world.machine.state.incentive('acme/LEAF').auction !== undefined
}

describe('an order that would trade beyond a band', () => {
  it('trades up to it, waits across the rest, and all that crosses trades at one price a minute later', () => {
    const world = protectedMarket()
    expect(run(['s1 sell 5 @ 105 by ann', 's2 sell 5 @ 115 by ann', 'b1 buy 8 @ 130 by bob'], world)).toEqual([
      's1 open 5',
      's2 open 5',
      'b1 buys 5 of s1 @ 105',
      's1 filled 0',
      'b1 open 3'
    ])
    expect(isInAuction(world)).toBe(true)
    expect(run(['s3 sell 2 @ 112 by cyd', 'after 59s'], world)).toEqual(['s3 open 2'])
    expect(run(['after 1s'], world)).toEqual([
      's3 sells 2 of b1 @ 115',
      'b1 open 1',
      's3 filled 0',
      'b1 buys 1 of s2 @ 115',
      's2 open 4',
      'b1 filled 0'
    ])
    expect(isInAuction(world)).toBe(false)
    expect(world.machine.state.incentive('acme/LEAF').prices).toEqual({referenceMicroGutta: 115, lastMicroGutta: 115})
  })

  it('expires by the rest where it does not wait, and the auction comes all the same', () => {
    const world = protectedMarket()
    expect(run(['s1 sell 5 @ 111 by ann', 'b1 buy 8 @ 130 by bob IOC'], world)).toEqual(['s1 open 5', 'b1 expired 8: price_band'])
    expect(isInAuction(world)).toBe(true)
    expect(run(['after 60s', 'b2 buy 1 @ 105 by bob IOC'], world)).toEqual(['b2 expired 1: immediate'])
    expect(isInAuction(world)).toBe(false)
  })

  it('is rejected where it trades whole or not at all, and nothing else happens', () => {
    const world = protectedMarket()
    expect(run(['s1 sell 5 @ 111 by ann', 'b1 buy 5 @ 130 by bob FOK'], world)).toEqual(['s1 open 5', 'b1 rejected: price_band'])
    expect(isInAuction(world)).toBe(false)
  })

  it.each([
    ['an ask far too low, too', ['s1 sell 5 @ 50 by ann', 'b1 buy 5 @ 130 by bob'], ['s1 open 5', 'b1 open 5']],
    ['both ends of a band are within it', ['s1 sell 5 @ 110 by ann', 'b1 buy 5 @ 130 by bob'], undefined],
    ['an own order is met before a band', ['s1 sell 5 @ 111 by ann', 'b1 buy 5 @ 130 by ann'], undefined],
    ['a volume limit is met before a band', ['s1 sell 5 @ 111 by ann', 'limit 1', 'b1 buy 5 @ 130 by bob'], undefined],
    [
      'an order whose time has come is met before a band',
      ['s1 sell 5 @ 111 by ann until 1s', 'after 1s', 'b1 buy 5 @ 130 by bob'],
      undefined
    ]
  ])('%s', (_title, script, said) => {
    const world = protectedMarket()
    const lines = run(script, world)
    if (said !== undefined) expect(lines).toEqual(said)
    expect(isInAuction(world)).toBe(said !== undefined)
  })

  it('moves the band with trades, as far as the last auction lets it', () => {
    const world = protectedMarket()
    const step = (price: number): string[] => [`s${price} sell 1 @ ${price} by ann`, `b${price} buy 1 @ ${price} by bob`]
    expect(run([...step(110), ...step(120)], world).filter((line) => line.includes('filled'))).toHaveLength(4)
    run(step(121), world)
    expect(isInAuction(world)).toBe(true)
  })
})

describe('a market', () => {
  it('opens by an auction, which an empty book ends too, and by another one when something would trade first', () => {
    const world = new NewWorld({protection: PROTECTION})
    for (const name of ['creometry', 'acme', 'bob']) world.account(name)
    world.issue('acme')
    world.allot('bob', 1_000_000)
    expect(world.machine.state.incentive('acme/LEAF').auction).toEqual({kind: 'opening', endsAtMs: world.nowMs + 600_000})
    expect(run(['after 600s'], world)).toEqual([])
    expect(isInAuction(world)).toBe(false)
    expect(run(['s1 sell 5 @ 100 by acme', 'b1 buy 5 @ 300 by bob'], world)).toEqual(['s1 open 5', 'b1 open 5'])
    expect(world.machine.state.incentive('acme/LEAF').auction).toEqual({kind: 'opening', endsAtMs: world.nowMs + 600_000})
    expect(run(['after 3600s'], world)).toContain('b1 buys 5 of s1 @ 200')
    expect(isInAuction(world)).toBe(false)
  })

  it('in an auction takes no order that does not wait, and no swap', () => {
    const world = protectedMarket()
    world.issue('acme', {code: 'OTHER'})
    run(['s1 sell 5 @ 111 by ann', 'b1 buy 8 @ 130 by bob'], world)
    expect(
      run(
        ['b2 buy 1 @ 130 by cyd IOC', 'b3 buy 1 @ 130 by cyd FOK', 'b4 buy 1 @ 130 by cyd market', 'b5 buy 1 @ 112 by cyd post-only'],
        world
      )
    ).toEqual(['b2 rejected: in_auction', 'b3 rejected: in_auction', 'b4 rejected: in_auction', 'b5 rejected: rejected'])
    const swap = {type: 'swap', exact: 'send', sendLots: 1, receiveLots: 1} as const
    expect(world.try('ann', {...swap, from: 'acme/LEAF', to: 'acme/OTHER'})).toBe('in_auction')
    expect(world.try('ann', {...swap, from: 'acme/OTHER', to: 'acme/LEAF'})).toBe('in_auction')
    expect(run(['b6 buy 1 @ 110 by cyd post-only', 'cancel b1 by bob', 'replace s1 by ann 4 @ 109', 'after 60s'], world)).toEqual([
      'b6 open 1',
      'b1 cancelled 8: by_owner',
      's1 open 4',
      's1 sells 1 of b6 @ 109',
      'b6 filled 0',
      's1 open 3'
    ])
  })

  it('lets nobody wait across an order of their own', () => {
    const world = protectedMarket()
    run(['s1 sell 5 @ 111 by ann', 's2 sell 5 @ 112 by bob', 'b1 buy 8 @ 130 by cyd'], world)
    expect(run(['b2 buy 1 @ 112 by bob'], world)).toEqual(['b2 rejected: would_self_trade'])
    expect(run(['b3 buy 1 @ 112 by ann own cancel-oldest'], world)).toEqual(['s1 cancelled 5: would_self_trade', 'b3 open 1'])
    expect(run(['b4 buy 1 @ 112 by bob own cancel-both'], world)).toEqual([
      's2 cancelled 5: would_self_trade',
      'b4 cancelled 1: would_self_trade'
    ])
    expect(run(['after 60s'], world)).toEqual([])
    expect(isInAuction(world)).toBe(false)
  })

  it('ends an auction within the trade volume limit: of two orders the newer one goes', () => {
    const world = protectedMarket()
    run(['s1 sell 9 @ 111 by ann', 'b1 buy 8 @ 111 by cyd', 's2 sell 1 @ 112 by ann', 'limit 433'], world)
    expect(run(['after 60s'], world)).toEqual(['b1 buys 3 of s1 @ 111', 's1 open 6', 'b1 open 5', 'b1 expired 5: volume_limit'])
    expect(isInAuction(world)).toBe(false)
  })

  it('lets an owner take no more in an auction than its share, and asks anew what the rest is worth', () => {
    const world = protectedMarket()
    run(['s1 sell 9 @ 111 by ann', 'b1 buy 8 @ 150 by cyd', 'b2 buy 1 @ 112 by bob', 'limit 1000 share 250'], world)
    expect(run(['after 60s'], world)).toEqual([
      'b1 buys 2 of s1 @ 111',
      's1 open 7',
      'b1 open 6',
      'b1 expired 6: volume_limit',
      'b2 buys 1 of s1 @ 111',
      's1 open 6',
      'b2 filled 0'
    ])
  })

  it('counts a replaced order as one that came when it was replaced', () => {
    const world = protectedMarket()
    run(['b0 buy 1 @ 95 by bob', 's1 sell 9 @ 111 by ann', 'b1 buy 1 @ 111 by cyd', 'replace b0 by bob 1 @ 111'], world)
    expect(run(['after 60s'], world)).toContain('b0 buys 1 of s1 @ 111')
  })

  it('trades at one price however many commands the end of an auction takes', () => {
    const world = marketWorld({protection: PROTECTION}, {checks: false})
    run(['x sell 1 @ 100 by acme', 'y buy 1 @ 100 by ann', 'after 60s'], world)
    run(['s0 sell 1 @ 111 by ann', 'b0 buy 1 @ 140 by bob'], world)
    const count = CROSSINGS_MAX + 200
    for (let index = 0; index < count; index += 1) {
      const price = 111 + (index % 13)
      run([`s sell 1 @ ${price} by ann`, `b buy 1 @ ${250 - price} by bob`], world)
    }
    world.nowMs += 60_000
    world.effects.length = 0
    const answers = [world.must('coordinator', {type: 'time.advance'})]
    expect(isInAuction(world)).toBe(true)
    world.branch()
    while (answers.at(-1)?.more === true) answers.push(world.must('coordinator', {type: 'time.advance'}))
    const trades = world.effects.flatMap((effect) => (effect.type === 'trade' ? [effect.priceMicroGutta] : []))
    expect([answers.length, new Set(trades).size, trades.length > CROSSINGS_MAX]).toEqual([2, 1, true])
    expect(isInAuction(world)).toBe(false)
    world.assertSame()
  })

  it('is not held up by orders that each move the price and then expire by the limit', () => {
    const world = marketWorld({protection: PROTECTION}, {checks: false})
    run(['x sell 1 @ 100 by acme', 'y buy 1 @ 100 by ann', 'after 60s'], world)
    run(['s0 sell 1 @ 60 by ann', 'b0 buy 1 @ 130 by bob'], world)
    const count = 400
    for (let index = 1; index <= count; index += 1) run([`b buy 1 @ ${130 + index} by cyd`], world)
    run(['limit 1'], world)
    world.nowMs += 60_000
    world.effects.length = 0
    expect(world.must('coordinator', {type: 'time.advance'})).toMatchObject({more: false})
    const ended = world.effects.filter((effect) => effect.type === 'order.changed')
    expect(ended.map(({reason}) => reason)).toEqual(Array.from({length: count + 1}, () => 'volume_limit'))
    expect(isInAuction(world)).toBe(false)
  })

  it('takes prices between the last one and both orders where it has looked at too many', () => {
    const world = marketWorld({protection: PROTECTION}, {checks: false})
    run(['x sell 1 @ 100 by acme', 'y buy 1 @ 100 by ann', 'after 60s'], world)
    const count = 500
    run(['s0 sell 1 @ 60 by ann', 'b0 buy 1 @ 130 by bob'], world)
    for (let index = 1; index <= count; index += 1) run([`b buy 1 @ ${130 + index} by cyd`], world)
    run(['limit 1100', 's1 sell 3 @ 50 by ann'], world)
    world.nowMs += 60_000
    world.effects.length = 0
    expect(world.must('coordinator', {type: 'time.advance'})).toMatchObject({more: false})
    expect(isInAuction(world)).toBe(false)
    const trades = world.effects.flatMap((effect) => (effect.type === 'trade' ? [effect.priceMicroGutta] : []))
    expect(trades.length).toBeGreaterThan(0)
    expect(trades.every((price) => price >= 50 && price <= 130 + count)).toBe(true)
    assertInvariants(world.machine)
  })
})

describe('the price of an auction', () => {
  it.each([
    [
      'most lots',
      [
        [10, 5],
        [8, 5]
      ],
      [
        [9, 1],
        [7, 9]
      ],
      undefined,
      8
    ],
    [
      'least left over',
      [[10, 5]],
      [
        [9, 5],
        [10, 2]
      ],
      undefined,
      9
    ],
    ['the highest where buyers are left over', [[10, 9]], [[7, 5]], undefined, 10],
    ['the lowest where sellers are left over', [[10, 5]], [[7, 9]], undefined, 7],
    ['the nearest to the reference', [[10, 5]], [[6, 5]], 7, 7],
    ['no further than where most trade', [[10, 5]], [[6, 5]], 70, 10],
    ['the middle without a reference', [[10, 5]], [[7, 5]], undefined, 8],
    ['none where nothing crosses', [[6, 5]], [[7, 5]], 6, undefined],
    ['none in an empty book', [], [], 6, undefined]
  ] as const)('is that of %s', (_title, bids, asks, reference, price) => {
    const orders = (side: readonly (readonly [number, number])[]): PricedLots[] =>
      side.map(([priceMicroGutta, lots]) => ({priceMicroGutta, lots}))
    expect(auctionPrice({bids: orders(bids), asks: orders(asks)}, reference)).toBe(price)
  })

  it('is one at which as much trades as at any, also when a part has traded at it', () => {
    const side = fc.array(fc.record({priceMicroGutta: fc.integer({min: 1, max: 30}), lots: fc.integer({min: 1, max: 9})}), {maxLength: 12})
    const tradedAt = (price: number, bids: readonly PricedLots[], asks: readonly PricedLots[]): number => {
      const sum = (orders: readonly PricedLots[]): number => orders.reduce((all, {lots}) => all + lots, 0)
      return Math.min(
        sum(bids.filter(({priceMicroGutta}) => priceMicroGutta >= price)),
        sum(asks.filter(({priceMicroGutta}) => priceMicroGutta <= price))
      )
    }
    const without = (orders: readonly PricedLots[], lots: number, sign: number): PricedLots[] => {
      let left = lots
      return orders
        .toSorted((a, b) => sign * (a.priceMicroGutta - b.priceMicroGutta))
        .flatMap((order) => {
          const taken = Math.min(left, order.lots)
          left -= taken
          return taken === order.lots ? [] : [{...order, lots: order.lots - taken}]
        })
    }
    fc.assert(
      fc.property(side, side, fc.option(fc.integer({min: 1, max: 30}), {nil: undefined}), fc.nat(100), (bids, asks, reference, part) => {
        const price = auctionPrice({bids, asks}, reference)
        const most = Math.max(...Array.from({length: 30}, (_none, index) => tradedAt(index + 1, bids, asks)))
        expect(price === undefined ? 0 : tradedAt(price, bids, asks)).toBe(most)
        if (price === undefined) return
        const rest = {bids: without(bids, part % most, -1), asks: without(asks, part % most, 1)}
        expect(auctionPrice(rest, part % most === 0 ? reference : price)).toBe(price)
      }),
      {numRuns: RUNS}
    )
  })

  it('is shown with what would trade and who would wait on, and not where more crosses than is known', () => {
    const book = {bids: [at(12, 3), at(10, 9), at(5, 7)], asks: [at(7, 4), at(10, 4), at(13, 9)]}
    const known = {referenceMicroGutta: undefined, levelsMax: 3}
    expect(indicativeAuction(book, known)).toEqual({priceMicroGutta: 10, lots: 8, surplus: 4})
    expect(indicativeAuction(book, {...known, levelsMax: 2})).toBeUndefined()
    expect(indicativeAuction({bids: [at(5, 1)], asks: [at(6, 1)]}, known)).toBeUndefined()
    expect(indicativeAuction({bids: [], asks: [at(6, 1)]}, known)).toBeUndefined()
  })
})

function at(priceMicroGutta: number, lots: number): PricedLots {
  return {priceMicroGutta, lots}
}
