import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {BUY, SELL} from '../../src/core/exchange/order-pool.ts'
import type {CommandOf} from '../../src/core/protocol/commands.ts'
import {advance} from './market-script.ts'
import {HOUR_MS, World} from './world.ts'

const FEES = {makerPpm: 1500, takerPpm: 31_000}
const PEOPLE = ['ann', 'bob', 'cyd'] as const
const MARKETS = ['acme/LEAF', 'bolt/NUT'] as const
const [LEAF, NUT] = MARKETS
const RUNS = (process.env.CREO_TEST_TIER ?? 'short') !== 'short' ? 3000 : 150

type Swap = CommandOf<'swap'>
type Market = (typeof MARKETS)[number]

/** Two markets in which everybody has plenty of both, and of Gutta. */
function twoMarkets(changes: ConstructorParameters<typeof World>[0] = {fees: FEES}): World {
  const world = new World(changes)
  for (const name of ['creometry', 'acme', 'bolt', ...PEOPLE]) world.account(name)
  world.issue('acme', {supplyMinor: 1_000_000})
  world.issue('bolt', {code: 'NUT', lotMinor: 1, supplyMinor: 1_000_000})
  for (const name of PEOPLE) {
    world.allot(name, 1_000_000_000)
    for (const incentive of MARKETS) {
      const terms = {type: 'order.place', incentive, priceMicroGutta: 1, lots: 10_000, kind: 'limit', timeInForce: 'GTC'} as const
      world.must(incentive === LEAF ? 'acme' : 'bolt', {...terms, side: 'sell'})
      world.must(name, {...terms, side: 'buy'})
    }
  }
  world.nowMs += 100 * 24 * HOUR_MS
  advance(world)
  return world
}

/** The same, where both are protected and have last traded at 40, in an auction: bands from 22 to 58. */
function protectedMarkets(fees: typeof FEES): World {
  const protection = {openingMs: HOUR_MS, auctionMs: HOUR_MS, dynamicPpm: 450_000}
  const world = twoMarkets({fees, protection})
  for (const incentive of MARKETS) {
    order(world, 'bob', 'sell', incentive, 1, 40)
    order(world, 'cyd', 'buy', incentive, 1, 40)
    expect(world.machine.state.incentive(incentive).auction).toBeDefined()
  }
  world.nowMs += 100 * 24 * HOUR_MS
  advance(world)
  return world
}

function isInBand(price: number): boolean {
  return price >= 22 && price <= 58
}

function order(world: World, who: string, side: 'buy' | 'sell', incentive: Market, lots: number, priceMicroGutta: number): void {
  world.must(who, {type: 'order.place', incentive, side, priceMicroGutta, lots, kind: 'limit', timeInForce: 'GTC'})
}

function swapOf(changes: Partial<Swap> = {}): Swap {
  return {type: 'swap', from: LEAF, to: NUT, exact: 'send', sendLots: 10, receiveLots: 1, ...changes}
}

describe('a swap', () => {
  it('that sends exactly delivers what the proceeds pay for, fees taken, and leaves less Gutta than another lot costs', () => {
    const world = twoMarkets({fees: {makerPpm: 0, takerPpm: 10_000}})
    order(world, 'bob', 'buy', LEAF, 10, 1000)
    order(world, 'cyd', 'sell', NUT, 3, 900)
    order(world, 'cyd', 'sell', NUT, 30, 1100)
    const before = world.balance('ann', 'gutta')
    // 10,000 less 1 % are 9,900; three lots cost 2,727 with the fee, and 6 more 6,666: 507 are left, and a lot costs 1,111.
    expect(world.must('ann', swapOf())).toEqual({
      swap: `swap_${world.machine.seq}`,
      from: LEAF,
      to: NUT,
      sentLots: '10',
      deliveredLots: '9',
      soldForMicroGutta: '10000',
      boughtForMicroGutta: '9300',
      feeMicroGutta: '193',
      leftMicroGutta: '507'
    })
    expect(world.balance('ann', 'gutta') - before).toBe(507)
  })

  it('never buys past an order of which it can pay for a part alone: two fills may cost less than the one that it would be', () => {
    const world = twoMarkets()
    order(world, 'cyd', 'buy', LEAF, 8, 39)
    order(world, 'bob', 'buy', LEAF, 1, 20)
    for (const [lots, price] of [
      [1, 20],
      [4, 24],
      [5, 40],
      [1, 40]
    ] as const)
      order(world, 'cyd', 'sell', NUT, lots, price)
    // It brings 332 less fees of 9 and 0. Of that, 118 go for the first five lots; five at 40 cost 206, four 164.
    expect(world.must('ann', swapOf({sendLots: 9}))).toMatchObject({deliveredLots: '9', leftMicroGutta: '41'})
  })

  it('that receives exactly sends the fewest lots whose proceeds pay', () => {
    const world = twoMarkets({fees: {makerPpm: 0, takerPpm: 0}})
    order(world, 'bob', 'buy', LEAF, 3, 1000)
    order(world, 'bob', 'buy', LEAF, 30, 700)
    order(world, 'cyd', 'sell', NUT, 5, 900)
    const swap = swapOf({exact: 'receive', sendLots: 6, receiveLots: 5})
    expect(world.try('ann', {...swap, sendLots: 5})).toBe('rejected')
    expect(world.must('ann', swap)).toMatchObject({sentLots: '6', deliveredLots: '5', leftMicroGutta: '600'})
  })

  it('is done whole or not at all: not at a worse price, not beyond a limit of either, not past an own order', () => {
    const world = twoMarkets({fees: {makerPpm: 0, takerPpm: 0}})
    const limit = (org: string, incentive: Market, tradeVolumeLimitMicroGutta: number): void => {
      world.must(org, {type: 'incentive.limit', incentive, tradeVolumeLimitMicroGutta})
    }
    order(world, 'bob', 'buy', LEAF, 20, 1000)
    order(world, 'ann', 'sell', NUT, 5, 990)
    order(world, 'bolt', 'sell', NUT, 20, 1000)
    const before = world.machine.stateText().split('\n').slice(1).join('\n')
    expect(world.try('ann', swapOf())).toBe('would_self_trade')
    expect(world.try('bob', swapOf({from: NUT, to: LEAF}))).toBe('rejected')
    expect(world.try('cyd', swapOf({receiveLots: 11}))).toBe('rejected')
    expect(world.try('cyd', swapOf({sendLots: 21}))).toBe('rejected')
    expect(world.try('ann', swapOf({to: LEAF}))).toBe('invalid_input')
    expect(world.machine.stateText().split('\n').slice(1).join('\n')).toBe(before)
    for (const [org, incentive] of [
      ['acme', LEAF],
      ['bolt', NUT]
    ] as const) {
      limit(org, incentive, 9999)
      expect(world.try('ann', swapOf({selfTrade: 'cancel-oldest'}))).toBe('volume_limit')
      limit(org, incentive, 10_000)
    }
    expect(world.must('ann', swapOf({selfTrade: 'cancel-oldest'}))).toMatchObject({deliveredLots: '10'})
    expect(world.try('ann', swapOf({sendLots: 1}))).toBe('volume_limit')
  })

  it('needs what it sends, and nothing else', () => {
    const world = twoMarkets()
    world.account('dan')
    order(world, 'bob', 'buy', LEAF, 20, 1000)
    order(world, 'cyd', 'sell', NUT, 20, 1000)
    expect(world.try('dan', swapOf())).toBe('insufficient_funds')
  })
})

interface Resting {
  readonly price: number
  readonly lots: number
  readonly isOwn: boolean
}

/** As slow and plain as it can be said. */
class NaiveSwap {
  readonly ppm: number
  lots = 0
  notional = 0
  fee = 0
  worst = 0
  prices: readonly number[] = []

  constructor(ppm: number) {
    this.ppm = ppm
  }

  take(price: number, lots: number): void {
    this.lots += lots
    this.notional += price * lots
    this.fee += this.feeOf(price, lots)
    this.worst = price
    this.prices = [...this.prices, price]
  }

  feeOf(price: number, lots: number): number {
    return Math.floor((price * lots * this.ppm) / 1e6)
  }
}

function naiveSwap(
  [bids, asks]: readonly (readonly Resting[])[],
  {exact, sendLots, receiveLots}: Swap,
  {goesPast, ppm, isProtected}: {readonly goesPast: boolean; readonly ppm: number; readonly isProtected: boolean}
) {
  const [sold, bought] = [new NaiveSwap(ppm), new NaiveSwap(ppm)]
  const isStopped = ({isOwn}: Resting): boolean => isOwn && !goesPast
  const trade = (): boolean => {
    for (const bid of bids ?? []) {
      const isEnough = (): boolean => (exact === 'send' ? sold.lots === sendLots : sold.notional - sold.fee >= bought.notional + bought.fee)
      for (let lots = 1; lots <= bid.lots; lots += 1) {
        const next = Object.assign(new NaiveSwap(ppm), sold)
        next.take(bid.price, lots)
        const isDone = exact === 'send' ? next.lots === sendLots : next.notional - next.fee >= bought.notional + bought.fee
        if (!isDone && lots < bid.lots) continue
        if (isStopped(bid)) return false
        if (!bid.isOwn) sold.take(bid.price, lots)
        break
      }
      if (isEnough()) return true
    }
    return false
  }
  const buy = (): boolean => {
    const budget = sold.notional - sold.fee
    for (const ask of asks ?? []) {
      let lots = ask.lots
      if (exact === 'receive') lots = Math.min(lots, receiveLots - bought.lots)
      else while (lots > 0 && bought.notional + bought.fee + ask.price * lots + bought.feeOf(ask.price, lots) > budget) lots -= 1
      if (lots === 0) return true
      if (isStopped(ask)) return false
      if (!ask.isOwn) bought.take(ask.price, lots)
      if (exact === 'receive' && bought.lots === receiveLots) return true
      // Another lot of the same order would be one fill with these, by whose whole notional its fee goes.
      if (!ask.isOwn && lots < ask.lots) return true
    }
    const left = budget - bought.notional - bought.fee
    return exact === 'send' && bought.lots > 0 && bought.worst + bought.feeOf(bought.worst, 1) > left
  }
  const isDone = exact === 'send' ? trade() && buy() : buy() && trade()
  if (isProtected && ![...sold.prices, ...bought.prices].every(isInBand)) return undefined
  return isDone && sold.lots <= sendLots && bought.lots >= receiveLots ? {sold, bought} : undefined
}

// At a few prices for which the fee is whole or none, what is left often pays for exactly one lot more.
const price = fc.oneof(fc.constantFrom(20, 40), fc.integer({min: 20, max: 60}))
const resting = fc.array(fc.record({who: fc.constantFrom(...PEOPLE), price, lots: fc.integer({min: 1, max: 12})}), {maxLength: 8})

function restingOf(world: World, incentive: Market, side: typeof BUY | typeof SELL): Resting[] {
  const {market, incentivesById, accountsByName} = world.machine.state
  const {pool} = market
  return [...market.book(incentivesById.get(incentive)?.asset ?? 0).orders(side)].map((slot) => ({
    price: pool.priceMicroGutta[slot] ?? 0,
    lots: pool.remaining[slot] ?? 0,
    isOwn: pool.owner[slot] === accountsByName.get('ann')?.index
  }))
}

describe('any swap', () => {
  it('comes to what two orders come to that a naive walk over the books sizes, or is refused where that finds none', () => {
    const done = {swaps: 0, refused: 0, beyond: 0}
    const sizes = {sendLots: fc.integer({min: 1, max: 40}), receiveLots: fc.integer({min: 1, max: 40})}
    const terms = fc.record({exact: fc.constantFrom('send' as const, 'receive' as const), ...sizes})
    const slack = fc.boolean()
    const fees = fc.oneof(
      fc.constant(FEES),
      fc.record({makerPpm: fc.integer({min: 0, max: 500_000}), takerPpm: fc.integer({min: 0, max: 500_000})})
    )
    fc.assert(
      fc.property(
        resting,
        resting,
        terms,
        fc.tuple(fc.boolean(), fc.boolean()),
        slack,
        fees,
        (bids, asks, sized, flags, isSlack, charged) => {
          const [goesPast, isProtected] = flags
          const made = (): World => (isProtected ? protectedMarkets(charged) : twoMarkets({fees: charged}))
          const [one, two] = [made(), made()]
          for (const world of [one, two]) {
            for (const bid of bids) order(world, bid.who, 'buy', LEAF, bid.lots, bid.price)
            for (const ask of asks) order(world, ask.who, 'sell', NUT, ask.lots, ask.price)
          }
          const worst = sized.exact === 'send' ? {receiveLots: 1} : {sendLots: 1000}
          const swap = swapOf({...sized, ...(isSlack && worst), ...(goesPast && {selfTrade: 'cancel-oldest'})})
          const naive = naiveSwap([restingOf(one, LEAF, BUY), restingOf(one, NUT, SELL)], swap, {
            goesPast,
            ppm: charged.takerPpm,
            isProtected
          })
          const answer = one.do('ann', swap)
          if (answer.status === 'rejected' && answer.code === 'price_band') done.beyond += 1
          expect(answer.status).toBe(naive === undefined ? 'rejected' : 'applied')
          done[naive === undefined ? 'refused' : 'swaps'] += 1
          if (naive === undefined || answer.status === 'rejected') return
          const {sold, bought} = naive
          expect(answer.result).toMatchObject({sentLots: String(sold.lots), deliveredLots: String(bought.lots)})
          const own = goesPast ? {selfTrade: 'cancel-oldest' as const} : {}
          const fok = {type: 'order.place', kind: 'limit', timeInForce: 'FOK', ...own} as const
          two.must('ann', {...fok, incentive: LEAF, side: 'sell', lots: sold.lots, priceMicroGutta: sold.worst})
          two.must('ann', {...fok, incentive: NUT, side: 'buy', lots: bought.lots, priceMicroGutta: bought.worst})
          const rows = (world: World) => [...world.machine.state.balances.rows()]
          expect(rows(one)).toEqual(rows(two))
          for (const incentive of MARKETS) {
            const used = (world: World) => world.machine.state.incentive(incentive).volume.buckets()
            expect(used(one)).toEqual(used(two))
          }
        }
      ),
      {numRuns: RUNS}
    )
    expect(Math.min(done.swaps, done.refused, done.beyond)).toBeGreaterThan(RUNS / 50)
  })
})
