import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {assertInvariants} from '../../src/core/exchange/invariants.ts'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import {advance, marketWorld} from './market-script.ts'
import {NaiveMarket} from './naive-market.ts'
import {HOUR_MS, type World} from './world.ts'

const OWNERS = ['ann', 'bob', 'cyd'] as const
const RULES = {makerPpm: 1500, takerPpm: 3100, lotMinor: 10, bucketMs: HOUR_MS, fullBuckets: 24}
/** So narrow beside the prices that are tried that about every other command finds the market in an auction. */
const PROTECTION = {openingMs: HOUR_MS, auctionMs: HOUR_MS / 2, staticPpm: 9000, dynamicPpm: 7000}
const IS_LONG = (process.env.CREO_TEST_TIER ?? 'short') !== 'short'
const RUNS = IS_LONG ? 1000 : 60
const STEPS_MAX = IS_LONG ? 500 : 150
/** Markets that live for long: a million commands in all where there is time for them. */
const LIVES = IS_LONG ? 50 : 2
const LIFE_STEPS = 20_000
const CHECKED_EVERY = 500
const LIFE_TIMEOUT_MS = 1_200_000

const KINDS = [
  ['limit', 'GTC'],
  ['limit', 'GTC'],
  ['limit', 'GTC'],
  ['limit', 'GTT'],
  ['limit', 'IOC'],
  ['limit', 'FOK'],
  ['market', 'IOC'],
  ['market', 'FOK'],
  ['post-only', 'GTC'],
  ['post-only', 'GTT']
] as const

const owner = fc.constantFrom(...OWNERS)
const selfTrade = fc.constantFrom(undefined, undefined, 'cancel-oldest' as const, 'cancel-both' as const)
const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('place' as const),
      owner,
      side: fc.constantFrom('buy' as const, 'sell' as const),
      price: fc.integer({min: 990, max: 1010}),
      lots: fc.integer({min: 1, max: 30}),
      kind: fc.constantFrom(...KINDS),
      selfTrade,
      lifeMs: fc.integer({min: 1, max: 2 * HOUR_MS})
    })
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('replace' as const),
      owner,
      pick: fc.nat(50),
      price: fc.option(fc.integer({min: 990, max: 1010}), {nil: undefined}),
      lots: fc.option(fc.integer({min: 1, max: 30}), {nil: undefined}),
      postOnly: fc.boolean(),
      selfTrade
    })
  },
  {weight: 3, arbitrary: fc.record({do: fc.constant('cancel' as const), owner, pick: fc.nat(50)})},
  {
    weight: 1,
    arbitrary: fc.record({do: fc.constant('cancel all' as const), owner, side: fc.constantFrom(undefined, 'buy' as const, 'sell' as const)})
  },
  {weight: 1, arbitrary: fc.record({do: fc.constant('wait' as const), ms: fc.integer({min: 1, max: 3 * HOUR_MS}), advance: fc.boolean()})},
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('pay' as const),
      owner,
      to: fc.constantFrom(...OWNERS, 'acme' as const),
      asset: fc.constantFrom('gutta' as const, 'leaf' as const),
      percent: fc.integer({min: 1, max: 101})
    })
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('limit' as const),
      limit: fc.oneof(fc.integer({min: 1, max: 400_000}), fc.integer({min: 400_000, max: 4_000_000})),
      share: fc.constantFrom(undefined, undefined, 1000, 250, 333, 1)
    })
  }
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** The machine and the naive market beside each other, with the same owners having the same. */
class Pair {
  readonly world: World
  readonly naive: NaiveMarket
  readonly #placed: string[] = ['ord_1']

  constructor({isProtected, ...options}: {readonly checks?: boolean; readonly isProtected: boolean}) {
    const protection = isProtected ? PROTECTION : undefined
    this.naive = new NaiveMarket({...RULES, protection})
    if (isProtected) this.naive.prices = {reference: 1, last: 1}
    this.world = marketWorld(
      {fees: {makerPpm: RULES.makerPpm, takerPpm: RULES.takerPpm}, ...(isProtected && {protection: PROTECTION})},
      options
    )
    for (const name of OWNERS) {
      this.naive.add(name, 'gutta', this.world.balance(name, 'gutta'))
      this.naive.add(name, 'leaf', this.world.balance(name, 'acme/LEAF'))
    }
    this.naive.add('fees', 'gutta', this.world.balance('creometry', 'gutta', 'fee'))
    this.naive.limit = 1_000_000_000
  }

  take(next: Step): void {
    const {world, naive} = this
    if (next.do === 'wait') {
      world.nowMs += next.ms
      if (!next.advance) return
      world.effects.length = 0
      advance(world)
      expect(tradesOf(world)).toEqual(naive.advance(world.nowMs))
    } else if (next.do === 'limit') {
      const share = next.share === undefined ? {} : {ownerSharePermille: next.share}
      world.must('acme', {type: 'incentive.limit', incentive: 'acme/LEAF', tradeVolumeLimitMicroGutta: next.limit, ...share})
      naive.setLimit(next.limit, next.share)
    } else if (next.do === 'cancel') {
      const order = this.#placed[next.pick % this.#placed.length] ?? ''
      expect(sayOf(world, next.owner, {type: 'order.cancel', order}).at(-1)?.split(' ')[0]).toBe(
        naive.cancel(order, next.owner).split(' ')[0]
      )
    } else if (next.do === 'replace') this.#replace(next)
    else if (next.do === 'pay') this.#pay(next)
    else if (next.do === 'cancel all') {
      const side = next.side === undefined ? {} : {side: next.side}
      const {cancelled} = world.must(next.owner, {type: 'orders.cancel', incentive: 'acme/LEAF', ...side})
      expect(cancelled).toEqual(naive.cancelAll(next.owner, next.side))
    } else this.#place(next)
  }

  #place(next: Extract<Step, {do: 'place'}>): void {
    const {world, naive} = this
    const [kind, tif] = next.kind
    const expiresAtMs = tif === 'GTT' ? world.nowMs + next.lifeMs : undefined
    const id = `ord_${world.machine.seq + 1}`
    const said = sayOf(world, next.owner, {
      type: 'order.place',
      incentive: 'acme/LEAF',
      side: next.side,
      priceMicroGutta: next.price,
      lots: next.lots,
      kind,
      timeInForce: tif,
      ...(expiresAtMs === undefined ? {} : {expiresAtMs}),
      ...(next.selfTrade === undefined ? {} : {selfTrade: next.selfTrade})
    })
    this.#placed.push(id)
    expect(said).toEqual(
      naive.place(
        {id, owner: next.owner, side: next.side, price: next.price, lots: next.lots, kind, tif, expiresAtMs, selfTrade: next.selfTrade},
        world.nowMs
      )
    )
  }

  /** A share of what is available, so that now and then somebody has too little for an order; sometimes more than there is. What goes to the issuer is gone from the market: little does. */
  #pay({owner: payer, to, asset, percent}: Extract<Step, {do: 'pay'}>): void {
    const {world, naive} = this
    const has = naive.available(payer, asset)
    const amountMinor = percent > 100 ? has + 1 : to === 'acme' ? percent : 1 + Math.floor((has * percent) / 101)
    const body = {type: 'account.transfer', to: world.id(to), asset: asset === 'leaf' ? 'acme/LEAF' : 'gutta', amountMinor} as const
    const answer = world.do(payer, body)
    expect(answer.status === 'rejected' ? `rejected ${answer.code}` : 'paid').toBe(naive.pay(payer, to, asset, amountMinor))
  }

  /** Mostly an order that is open, and then mostly by who owns it. */
  #replace({owner: by, pick, price, lots, postOnly, selfTrade: own}: Extract<Step, {do: 'replace'}>): void {
    const {world, naive} = this
    const open = naive.orders[pick % Math.max(1, naive.orders.length)]
    const order = pick < 5 ? (this.#placed[pick] ?? '') : (open?.id ?? 'ord_1')
    const who = pick % 8 === 0 ? by : (open?.owner ?? by)
    const said = sayOf(world, who, {
      type: 'order.replace',
      order,
      ...(price !== undefined && {priceMicroGutta: price}),
      ...(lots !== undefined && {lots}),
      ...(postOnly && {postOnly}),
      ...(own !== undefined && {selfTrade: own})
    })
    expect(said).toEqual(naive.replace(order, who, {price, lots, postOnly, selfTrade: own}, world.nowMs))
  }

  compare(): void {
    for (const name of OWNERS) {
      for (const [asset, id] of [
        ['gutta', 'gutta'],
        ['leaf', 'acme/LEAF']
      ] as const) {
        expect(this.world.balance(name, id)).toBe(this.naive.available(name, asset))
        expect(this.world.balance(name, id, 'held')).toBe(this.naive.held(name, asset))
      }
    }
    expect(this.world.balance('creometry', 'gutta', 'fee')).toBe(this.naive.totals.get('fees gutta'))
  }
}

function sayOf(world: World, who: string, body: CommandBody): string[] {
  world.effects.length = 0
  const answer = world.do(who, body)
  if (answer.status === 'rejected') return [`rejected ${answer.code}`]
  const last = world.effects.findLast((effect) => effect.type === 'order.changed')
  return [...tradesOf(world), `${last?.status} ${last?.remainingLots}${last?.reason == null ? '' : `: ${last.reason}`}`]
}

function tradesOf({effects}: World): string[] {
  return effects.flatMap((effect) => (effect.type === 'trade' ? [`${effect.lots} of ${effect.maker} @ ${effect.priceMicroGutta}`] : []))
}

describe('the market beside a naive one', () => {
  it('says and does the same for any sequence of orders, cancels, waits and limits', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.array(step, {minLength: 20, maxLength: STEPS_MAX}), (isProtected, steps) => {
        const pair = new Pair({isProtected})
        for (const [index, next] of steps.entries()) {
          if (index === 10) pair.world.branch()
          pair.take(next)
        }
        pair.world.assertSame()
        pair.compare()
        assertInvariants(pair.world.machine)
      }),
      {numRuns: RUNS}
    )
  })

  it(
    'says and does the same over twenty thousand commands of one life, and so does a machine that was brought back on the way',
    () => {
      for (let seed = 1; seed <= LIVES; seed += 1) {
        const pair = new Pair({checks: false, isProtected: seed % 2 === 1})
        const fills = {count: 0}
        const atEnds = {trades: 0}
        for (const [index, next] of fc.sample(step, {numRuns: LIFE_STEPS, seed}).entries()) {
          if (index === LIFE_STEPS - CHECKED_EVERY) pair.world.branch()
          const was = pair.naive.auctionEndsAtMs
          pair.take(next)
          const hasEnded = was !== undefined && pair.naive.auctionEndsAtMs === undefined
          if (hasEnded) atEnds.trades += pair.world.effects.filter(({type}) => type === 'trade').length
          fills.count += pair.world.effects.filter(({type}) => type === 'trade').length
          if (index % CHECKED_EVERY > 0) continue
          pair.compare()
          assertInvariants(pair.world.machine)
        }
        pair.world.assertSame()
        pair.compare()
        expect(fills.count).toBeGreaterThan(LIFE_STEPS / 100)
        expect(atEnds.trades > 10).toBe(seed % 2 === 1)
      }
    },
    LIFE_TIMEOUT_MS
  )

  it('comes to the same state, byte for byte, when the same commands are applied again', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.array(step, {minLength: 50, maxLength: STEPS_MAX}), (isProtected, steps) => {
        const [first, second] = [new Pair({isProtected}), new Pair({isProtected})]
        for (const next of steps) first.take(next)
        for (const next of steps) second.take(next)
        expect(second.world.machine.stateText()).toBe(first.world.machine.stateText())
      }),
      {numRuns: Math.ceil(RUNS / 10)}
    )
  })
})
