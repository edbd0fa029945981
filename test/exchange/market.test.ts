import {describe, expect, it} from 'vitest'
import {marketWorld, run} from './market-script.ts'
import {World} from './world.ts'

const buyNut = {side: 'buy', kind: 'limit', timeInForce: 'GTC', lots: 1, priceMicroGutta: 5} as const

describe('the order book', () => {
  it('says in whole units what an order would hold and what is there', () => {
    const world = new World()
    for (const name of ['creometry', 'acme', 'bob']) world.account(name)
    world.issue('acme')
    const order = {type: 'order.place', incentive: 'acme/LEAF', side: 'sell', kind: 'limit', timeInForce: 'GTC'} as const
    const sell = {...order, lots: 100_005, priceMicroGutta: 100}
    expect(world.do('acme', sell)).toMatchObject({message: 'The order would hold 10000.5 acme/LEAF; 10000 acme/LEAF is available.'})
    const buy = {...order, side: 'buy', lots: 5, priceMicroGutta: 500_000} as const
    expect(world.do('bob', buy)).toMatchObject({
      message: expect.stringMatching(/^The order would hold 2\.5\d* Gutta; 0 Gutta is available\.$/)
    })
  })

  it('fills the best price first, then the oldest, at the resting price', () => {
    expect(run(['s1 sell 5 @ 101 by ann', 's2 sell 5 @ 100 by ann', 's3 sell 5 @ 100 by cyd', 'b1 buy 12 @ 101 by bob'])).toEqual([
      's1 open 5',
      's2 open 5',
      's3 open 5',
      'b1 buys 5 of s2 @ 100',
      's2 filled 0',
      'b1 buys 5 of s3 @ 100',
      's3 filled 0',
      'b1 buys 2 of s1 @ 101',
      's1 open 3',
      'b1 filled 0'
    ])
  })

  it('lets what is left of a crossing order rest at its own price', () => {
    expect(run(['b1 buy 3 @ 90 by ann', 's1 sell 5 @ 80 by bob', 'b2 buy 1 @ 80 by cyd'])).toEqual([
      'b1 open 3',
      's1 sells 3 of b1 @ 90',
      'b1 filled 0',
      's1 open 2',
      'b2 buys 1 of s1 @ 80',
      's1 open 1',
      'b2 filled 0'
    ])
  })

  it('never lets an owner trade with themselves', () => {
    expect(run(['s1 sell 5 @ 100 by ann', 'b1 buy 5 @ 100 by ann'])).toEqual(['s1 open 5', 'b1 rejected: would_self_trade'])
    expect(run(['s1 sell 2 @ 99 by bob', 's2 sell 5 @ 100 by ann', 'b1 buy 5 @ 100 by ann'])).toEqual([
      's1 open 2',
      's2 open 5',
      'b1 buys 2 of s1 @ 99',
      's1 filled 0',
      'b1 cancelled 3: would_self_trade'
    ])
  })

  it('takes the own order out of the way, or both, where the order says so', () => {
    const own = ['s1 sell 2 @ 99 by ann', 's2 sell 5 @ 100 by bob']
    expect(run([...own, 'b1 buy 4 @ 100 by ann own cancel-oldest']).slice(2)).toEqual([
      's1 cancelled 2: would_self_trade',
      'b1 buys 4 of s2 @ 100',
      's2 open 1',
      'b1 filled 0'
    ])
    expect(run([...own, 'b1 buy 4 @ 100 by ann own cancel-both']).slice(2)).toEqual([
      's1 cancelled 2: would_self_trade',
      'b1 cancelled 4: would_self_trade'
    ])
  })

  it('lets a fill-or-kill order pass over own orders that it cancels, and refuses it where it would go with them', () => {
    const own = ['s1 sell 2 @ 99 by ann', 's2 sell 5 @ 100 by bob']
    expect(run([...own, 'b1 buy 5 @ 100 by ann FOK own cancel-oldest']).at(-1)).toBe('b1 filled 0')
    expect(run([...own, 'b1 buy 5 @ 100 by ann FOK own cancel-both']).at(-1)).toBe('b1 rejected: would_self_trade')
    expect(run([...own, 'b1 buy 6 @ 100 by ann FOK own cancel-oldest', 'cancel s1 by ann']).slice(2)).toEqual([
      'b1 rejected: rejected',
      's1 cancelled 2: by_owner'
    ])
  })

  it('takes back all orders of one account, of one market and of one side, and no other', () => {
    const world = marketWorld()
    world.issue('acme', {code: 'NUT'})
    world.must('ann', {type: 'order.place', incentive: 'acme/NUT', ...buyNut})
    const orders = ['s1 sell 2 @ 101 by ann', 'b1 buy 1 @ 99 by ann', 's2 sell 2 @ 100 by bob', 's3 sell 1 @ 100 by ann']
    expect(run([...orders, 'cancel all sells by ann', 'b2 buy 3 @ 101 by cyd'], world).slice(4)).toEqual([
      's1 cancelled 2: by_owner',
      's3 cancelled 1: by_owner',
      'b2 buys 2 of s2 @ 100',
      's2 filled 0',
      'b2 open 1'
    ])
    expect(world.must('ann', {type: 'orders.cancel', incentive: 'acme/NUT'})).toMatchObject({cancelled: [expect.any(String)]})
    expect(world.must('ann', {type: 'orders.cancel'})).toMatchObject({cancelled: [expect.any(String)], more: false})
    expect(world.must('ann', {type: 'orders.cancel'})).toEqual({cancelled: [], more: false})
    expect(world.try('ann', {type: 'orders.cancel', incentive: 'acme/NONE'})).toBe('not_found')
    expect(world.machine.state.market.pool.count).toBe(1)
  })

  it('takes back at most 1,000 orders with one command, the oldest first, and says that there are more', () => {
    const world = marketWorld()
    const sell = (index: number): string => `s${index} sell 1 @ ${200 - (index % 7)} by ann`
    run(
      Array.from({length: 1001}, (_, index) => sell(index)),
      world
    )
    const last = `ord_${world.machine.seq}`
    expect(world.must('ann', {type: 'orders.cancel'})).toMatchObject({more: true, cancelled: expect.not.arrayContaining([last])})
    expect(world.must('ann', {type: 'orders.cancel'})).toEqual({cancelled: [last], more: false})
  }, 120_000)

  it('keeps an order that only gets smaller in its place, and puts any other behind those that wait', () => {
    const queue = ['s1 sell 5 @ 100 by ann', 's2 sell 5 @ 100 by cyd']
    expect(run([...queue, 'replace s1 by ann 3', 'b1 buy 4 @ 100 by bob']).slice(2)).toEqual([
      's1 open 3',
      'b1 buys 3 of s1 @ 100',
      's1 filled 0',
      'b1 buys 1 of s2 @ 100',
      's2 open 4',
      'b1 filled 0'
    ])
    for (const change of ['replace s1 by ann 6', 'replace s1 by ann @ 99']) {
      const script = [...queue, change, 'replace s1 by ann @ 100', 'b1 buy 5 @ 100 by bob']
      expect(run(script).at(-3)).toBe('b1 buys 5 of s2 @ 100')
    }
  })

  it('replaces an order that then trades at once, keeps its number, and counts what was filled before', () => {
    const script = [
      'b1 buy 9 @ 90 by ann',
      's1 sell 4 @ 90 by bob',
      's2 sell 3 @ 100 by cyd',
      'replace b1 by ann 8 @ 100',
      'cancel b1 by ann'
    ]
    expect(run(script).slice(4)).toEqual(['s2 open 3', 'b1 buys 3 of s2 @ 100', 's2 filled 0', 'b1 open 1', 'b1 cancelled 1: by_owner'])
  })

  it.each([
    ['of another', 'replace s1 by bob 3', 'forbidden'],
    ['that is none', 'replace x by ann 3', 'not_found'],
    ['to less than is filled', 'replace s1 by ann 2', 'rejected'],
    ['beyond what the account has', 'replace s1 by ann 100006', 'insufficient_funds'],
    ['beyond any supply', 'replace s1 by ann 9007199254740991 @ 2', 'invalid_input'],
    ['that should only wait and would trade', 'replace s1 by ann @ 80 post-only', 'rejected'],
    ['that would trade with its own account', 'replace b2 by ann @ 100', 'would_self_trade']
  ])('refuses to replace an order %s, and leaves it as it was', (_title, line, code) => {
    const world = marketWorld()
    const script = ['s1 sell 5 @ 100 by ann', 'b1 buy 2 @ 100 by bob', 'b2 buy 2 @ 70 by ann', 'b3 buy 1 @ 80 by bob', line]
    const said = run(script, world)
    expect(said.at(-1)).toBe(`${line.split(' ').slice(0, 2).join(' ')} rejected: ${code}`)
    expect([...world.machine.state.market.book(1).orders(1)].map((slot) => world.machine.state.market.orderAt(slot).remaining)).toEqual([3])
    expect(world.balance('ann', 'acme/LEAF', 'held')).toBe(30)
  })

  it('keeps the time of an order that is replaced, and refuses to replace one whose time has come', () => {
    const world = marketWorld()
    expect(run(['s1 sell 2 @ 100 by ann until 60s', 'replace s1 by ann 3 @ 99', 'after 60s'], world).at(-1)).toBe('s1 expired 3: time')
    const late = marketWorld()
    run(['s1 sell 2 @ 100 by ann until 60s'], late)
    late.nowMs += 60_000
    expect(late.try('ann', {type: 'order.replace', order: `ord_${late.machine.seq}`, lots: 1})).toBe('not_found')
  })

  it.each([
    ['IOC keeps nothing in the book', ['s1 sell 2 @ 100 by ann', 'b1 buy 5 @ 100 by bob IOC'], 'b1 expired 3: immediate'],
    [
      'a market order with a protection price stops at it',
      ['s1 sell 2 @ 100 by ann', 's2 sell 2 @ 120 by ann', 'b1 buy 5 @ 110 by bob market'],
      'b1 expired 3: immediate'
    ],
    ['FOK fills whole or is refused', ['s1 sell 2 @ 100 by ann', 'b1 buy 5 @ 100 by bob FOK'], 'b1 rejected: rejected'],
    ['FOK that can be filled is filled', ['s1 sell 2 @ 100 by ann', 's2 sell 3 @ 101 by cyd', 'b1 buy 5 @ 101 by bob FOK'], 'b1 filled 0'],
    [
      'FOK looks for own orders first',
      ['s1 sell 2 @ 100 by ann', 's2 sell 3 @ 101 by bob', 'b1 buy 5 @ 101 by bob FOK'],
      'b1 rejected: would_self_trade'
    ],
    ['post-only that would trade is refused', ['s1 sell 2 @ 100 by ann', 'b1 buy 5 @ 100 by bob post-only'], 'b1 rejected: rejected'],
    ['post-only that does not cross rests', ['s1 sell 2 @ 100 by ann', 'b1 buy 5 @ 99 by bob post-only'], 'b1 open 5'],
    [
      'a cancelled order trades no more',
      ['s1 sell 2 @ 100 by ann', 'cancel s1 by ann', 'b1 buy 2 @ 100 by bob IOC'],
      'b1 expired 2: immediate'
    ],
    ['nobody cancels the order of another', ['s1 sell 2 @ 100 by ann', 'cancel s1 by bob'], 'cancel s1 rejected: forbidden'],
    ['an order is cancelled once', ['s1 sell 2 @ 100 by ann', 'cancel s1 by ann', 'cancel s1 by ann'], 'cancel s1 rejected: not_found'],
    ['an order with a time ends by itself', ['s1 sell 2 @ 100 by ann until 60s', 'after 60s'], 's1 expired 2: time'],
    ['an order with a time stands until then', ['s1 sell 2 @ 100 by ann until 60s', 'after 59s', 'b1 buy 2 @ 100 by bob'], 'b1 filled 0'],
    ['a time in the past is refused', ['after 60s', 's1 sell 2 @ 100 by ann until 60s'], 's1 rejected: invalid_input'],
    ['nobody sells what they do not have', ['s1 sell 100001 @ 100 by ann'], 's1 rejected: insufficient_funds'],
    ['nobody buys what they can not pay', ['b1 buy 1000001 @ 1000 by ann'], 'b1 rejected: insufficient_funds'],
    ['price times lots beyond 2^53 is refused', ['b1 buy 9007199254740991 @ 2 by ann'], 'b1 rejected: invalid_input']
  ])('%s', (_title, script, last) => {
    expect(run(script).at(-1)).toBe(last)
  })

  it('passes over a resting order whose time has come, even before time is advanced', () => {
    const world = marketWorld()
    run(['s1 sell 2 @ 100 by ann until 60s'], world)
    world.nowMs += 60_000
    expect(run(['b1 buy 2 @ 100 by bob'], world).slice(-1)).toEqual(['b1 open 2'])
    expect(world.balance('ann', 'acme/LEAF', 'held')).toBe(0)
  })

  it('meets at most 1,000 resting orders with one command', () => {
    const world = marketWorld()
    run(
      Array.from({length: 1001}, (_, index) => `s${index} sell 1 @ 100 by ann`),
      world
    )
    expect(run(['b1 buy 2000 @ 100 by bob'], world).at(-1)).toBe('b1 expired 1000: crossing_limit')
  }, 120_000)
})

describe('the trade volume limit', () => {
  it('is taken by one owner up to a share of it, while others go on, and who waits is not counted', () => {
    const script = [
      'limit 1000 share 250',
      's1 sell 20 @ 100 by ann',
      'b1 buy 3 @ 100 by bob',
      'b2 buy 1 @ 100 by bob',
      'b3 buy 2 @ 100 by cyd FOK'
    ]
    expect(run(script)).toEqual([
      's1 open 20',
      'b1 buys 2 of s1 @ 100',
      's1 open 18',
      'b1 expired 1: volume_limit',
      'b2 expired 1: volume_limit',
      'b3 buys 2 of s1 @ 100',
      's1 open 16',
      'b3 filled 0'
    ])
    const world = marketWorld()
    expect(
      run([...script, 'after 90000s', 'b4 buy 1 @ 100 by bob', 'limit 1000 share 100', 'b5 buy 1 @ 100 by bob'], world).slice(8)
    ).toEqual(['b4 buys 1 of s1 @ 100', 's1 open 15', 'b4 filled 0', 'b5 expired 1: volume_limit'])
    expect(world.machine.state.incentive('acme/LEAF').takers.entries()).toHaveLength(1)
    expect(run(['limit 1000 share 1000', 'b6 buy 5 @ 100 by bob'], world)).toContain('b6 filled 0')
  })

  it('fills what it leaves and lets the crossing rest expire, while passive orders go on', () => {
    expect(run(['limit 550', 's1 sell 10 @ 100 by ann', 'b1 buy 8 @ 100 by bob', 'b2 buy 1 @ 99 by bob', 'b3 buy 1 @ 100 by cyd'])).toEqual(
      ['s1 open 10', 'b1 buys 5 of s1 @ 100', 's1 open 5', 'b1 expired 3: volume_limit', 'b2 open 1', 'b3 expired 1: volume_limit']
    )
  })

  it('is released when the bucket leaves the window of the current and 24 full hours', () => {
    const world = marketWorld()
    world.nowMs = Math.ceil(world.nowMs / 3_600_000) * 3_600_000
    run(['limit 500', 's1 sell 20 @ 100 by ann', 'b1 buy 5 @ 100 by bob'], world)
    world.nowMs += 25 * 3_600_000 - 1
    expect(run(['b2 buy 5 @ 100 by bob'], world).at(-1)).toBe('b2 expired 5: volume_limit')
    world.nowMs += 1
    expect(run(['b3 buy 5 @ 100 by bob'], world).at(-1)).toBe('b3 filled 0')
  })

  it('refuses a fill-or-kill order that it would cut', () => {
    expect(run(['limit 499', 's1 sell 5 @ 100 by ann', 'b1 buy 5 @ 100 by bob FOK', 'b2 buy 4 @ 100 by bob FOK']).slice(1)).toEqual([
      'b1 rejected: volume_limit',
      'b2 buys 4 of s1 @ 100',
      's1 open 1',
      'b2 filled 0'
    ])
  })

  it('leaves nothing when it is lowered below what was used, and counts at once when raised', () => {
    const script = [
      's1 sell 9 @ 100 by ann',
      'b1 buy 5 @ 100 by bob',
      'limit 100',
      'b2 buy 1 @ 100 by bob',
      'limit 600',
      'b3 buy 1 @ 100 by bob'
    ]
    expect(run(script).filter((said) => said.startsWith('b'))).toEqual([
      'b1 buys 5 of s1 @ 100',
      'b1 filled 0',
      'b2 expired 1: volume_limit',
      'b3 buys 1 of s1 @ 100',
      'b3 filled 0'
    ])
  })
})

describe('escrow and fees', () => {
  const fees = {makerPpm: 1000, takerPpm: 2500}

  it('holds price and maximal fee of a bid, frees the improvement, and rounds fees down', () => {
    const world = marketWorld({fees})
    const before = {ann: world.balance('ann', 'gutta'), bob: world.balance('bob', 'gutta'), fee: world.balance('creometry', 'gutta', 'fee')}
    run(['s1 sell 3 @ 1000 by ann'], world)
    run(['b1 buy 5 @ 1100 by bob'], world)
    expect(world.balance('bob', 'gutta')).toBe(before.bob - 3000 - 7 - 2200 - 5)
    expect(world.balance('bob', 'gutta', 'held')).toBe(2200 + 5)
    expect(world.balance('ann', 'gutta')).toBe(before.ann + 3000 - 3)
    expect(world.balance('creometry', 'gutta', 'fee')).toBe(before.fee + 7 + 3)
    run(['s2 sell 2 @ 900 by ann'], world)
    expect(world.balance('bob', 'gutta', 'held')).toBe(0)
    expect(world.balance('bob', 'gutta')).toBe(before.bob - 3000 - 7 - 2200 - 2)
  })

  it('gives everything back when an order is cancelled', () => {
    const world = marketWorld({fees})
    const before = world.balance('bob', 'gutta')
    const [opened] = run(['b1 buy 5 @ 1100 by bob'], world)
    world.must('bob', {type: 'order.cancel', order: `ord_${world.machine.seq}`})
    expect(opened).toBe('b1 open 5')
    expect(world.balance('bob', 'gutta')).toBe(before)
    expect(world.balance('bob', 'gutta', 'held')).toBe(0)
  })
})
