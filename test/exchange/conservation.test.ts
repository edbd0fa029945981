import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {assertInvariants} from '../../src/core/exchange/invariants.ts'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import {advance} from './market-script.ts'
import {deployOf, HOUR_MS, receiptOf, START_MS, World} from './world.ts'

const IS_LONG = (process.env.CREO_TEST_TIER ?? 'short') !== 'short'
/** A million commands where there is time for them. */
const RUNS = IS_LONG ? 1000 : 50
const STEPS = IS_LONG ? 1000 : 200
/** The whole state is walked after each command, and of a million commands after some. */
const CHECKED_EVERY = IS_LONG ? 50 : 1

const ORGS = ['creometry', 'acme', 'bolt'] as const
const PEOPLE = [...ORGS, 'ann', 'bob'] as const
const ASSETS = ['acme/LEAF', 'bolt/NUT', 'bolt/NONE'] as const
const LINES = ASSETS.slice(0, 2).map((incentive) => ({
  incentive,
  requestsPerMillionMinor: 700_000,
  mibMsPerMillionMinor: 333_333,
  standbyMsPerMillionMinor: 44_444,
  dailyBudgetMinor: 1000
}))

/** Numbers that one random command is made of. */
const numbers = fc.record({
  kind: fc.nat(19),
  who: fc.nat(4),
  asset: fc.nat(2),
  amount: fc.integer({min: 1, max: 3000}),
  pick: fc.nat(30),
  flag: fc.boolean()
})
type Numbers = typeof numbers extends fc.Arbitrary<infer T> ? T : never

/** A network of everything, and random commands in it: many fail, which is the point. */
class Everything {
  readonly world: World
  readonly gateway: string
  #window = 0

  constructor({isProtected}: {readonly isProtected: boolean}) {
    const fees = {makerPpm: 700, takerPpm: 1900}
    const protection = {openingMs: 1000, auctionMs: 60_000, staticPpm: 500_000, dynamicPpm: 400_000}
    this.world = new World({fees, redemptionTimeoutMs: 2_400_000, ...(isProtected && {protection})}, {checks: false})
    const {world} = this
    for (const name of PEOPLE) world.account(name)
    const firstOffer = {item: 'tea', priceMinor: 25, stock: 1000, where: 'in-app'} as const
    world.issue('acme', {captured: 'burn', firstOffer})
    world.issue('bolt', {code: 'NUT', captured: 'return', transferable: true, lotMinor: 1, firstOffer})
    for (const name of PEOPLE) world.allot(name, 100_000)
    for (const [issuer, incentive] of [
      ['acme', 'acme/LEAF'],
      ['bolt', 'bolt/NUT']
    ] as const) {
      const trade = {type: 'order.place', incentive, priceMicroGutta: 1, lots: 300, kind: 'limit', timeInForce: 'GTC'} as const
      for (const name of PEOPLE.filter((person) => person !== issuer)) {
        world.must(issuer, {...trade, side: 'sell'})
        world.must(name, {...trade, side: 'buy'})
      }
    }
    world.nowMs += 1000
    advance(world)
    this.gateway = world.gateway('gate')
    for (const name of ['ann', 'bob']) world.node(`node of ${name}`, name)
    world.deploy('creometry')
    world.deploy('acme', [LINES[0] ?? never()])
    world.deploy('bolt', [LINES[1] ?? never()])
  }

  command(n: Numbers): {who: string; body: CommandBody} {
    const {state} = this.world.machine
    const who = PEOPLE[n.who] ?? 'ann'
    const incentive = ASSETS[n.asset] ?? ASSETS[0]
    const any = <T>(things: Iterable<T>): T => [...things].at(-1 - (n.pick % 5)) ?? ([...things][0] as T)
    const trade = {incentive, side: n.flag ? 'buy' : 'sell', priceMicroGutta: 1 + (n.pick % 7), lots: n.amount % 90, kind: 'limit'} as const
    const lease = any(state.leases.values())
    const [network, own] = ['coordinator', ORGS[n.who % 3] ?? 'acme']
    switch (n.kind) {
      case 0:
        return {who: own, body: {type: 'pool.fund', incentive, amountMinor: n.amount}}
      case 1:
      case 2:
      case 3:
        return {who, body: {type: 'order.place', ...trade, lots: trade.lots + 1, timeInForce: 'GTC'}}
      case 4:
        return {who, body: {type: 'order.place', ...trade, lots: 1, timeInForce: 'GTT', expiresAtMs: this.world.nowMs + n.amount * 1000}}
      case 5:
        return this.#cancelling(n, who)
      case 6:
        return {who, body: {type: 'redemption.request', offer: any(state.offers.keys()), quantity: 1 + (n.pick % 2)}}
      case 7: {
        const redemption = any(state.redemptions.values())
        const org = n.pick === 0 ? own : (redemption?.offer.incentive.id.split('/')[0] ?? own)
        return {who: org, body: {type: n.flag ? 'redemption.capture' : 'redemption.release', redemption: redemption?.id ?? 'red_0'}}
      }
      case 8: {
        const budgets = n.flag ? [{incentive, amountMinor: n.amount}] : []
        return {
          who: network,
          body: {
            type: 'lease.grant',
            node: any(state.nodes.keys()),
            revision: any(state.revisions.keys()),
            endsAtMs: this.world.nowMs + HOUR_MS,
            budgets
          }
        }
      }
      case 9:
        return {who: network, body: {type: 'lease.end', lease: n.flag ? (lease?.id ?? 'lea_0') : 'lea_0'}}
      case 10:
      case 11:
        this.#window += n.flag ? 1 : 0
        return {who: network, body: this.#receipt(n, lease)}
      case 12:
        return {who: network, body: {type: 'epoch.close', epoch: state.nextEpoch}}
      case 13:
        return {who: own, body: deployOf(n.flag ? LINES.slice(0, 1) : [], {image: String(n.pick % 3)})}
      case 14:
        return {who: own, body: this.#deploying(n)}
      case 15:
        return {who: own, body: this.#directing(n, own)}
      case 16:
        return {who, body: this.#swapping(n)}
      case 17: {
        const asset = n.pick % 2 === 0 ? 'gutta' : incentive
        return {who, body: {type: 'account.transfer', to: any(state.accountsById.keys()), asset, amountMinor: n.amount}}
      }
      case 18:
        return this.#editing(n, own)
      default:
        return {who: network, body: {type: 'time.advance'}}
    }
  }

  /** What waits of an offer keeps what it holds, whatever its terms become. */
  #editing(n: Numbers, org: string): {who: string; body: CommandBody} {
    const offers = [...this.world.machine.state.offers.values()]
    const {id = 'off_0', incentive} = offers[n.asset % Math.max(1, offers.length)] ?? {}
    const who = n.pick % 5 === 0 ? org : (incentive?.id.split('/')[0] ?? org)
    const terms = n.flag ? {priceMinor: 1 + (n.amount % 60)} : {stock: n.amount % 9 === 0 ? 1e9 : n.amount}
    return {who, body: {type: 'offer.edit', offer: id, ...terms, ...(n.pick % 3 === 0 && {stopped: n.pick % 2 === 0})}}
  }

  /** Of a few lots, since most books are thin. */
  #swapping(n: Numbers): CommandBody {
    const [from, to] = n.flag ? [ASSETS[0], ASSETS[1]] : [ASSETS[1], ASSETS[0]]
    const sizes = {sendLots: 1 + (n.amount % 40), receiveLots: 1 + (n.pick % 4)}
    return {
      type: 'swap',
      from,
      to,
      exact: n.pick % 3 === 0 ? 'receive' : 'send',
      ...sizes,
      ...(n.pick % 2 === 0 && {selfTrade: 'cancel-oldest'})
    }
  }

  #cancelling(n: Numbers, who: string): {who: string; body: CommandBody} {
    const {market, accounts} = this.world.machine.state
    if (n.pick === 7) return {who, body: {type: 'orders.cancel', ...(n.flag && {incentive: ASSETS[n.asset] ?? ASSETS[0]})}}
    const open = market.books.flatMap((book) => [...(book?.orders(0) ?? []), ...(book?.orders(1) ?? [])])
    const slot = open[n.pick % Math.max(1, open.length)] ?? -1
    const owner = n.flag ? (accounts[market.pool.owner[slot] ?? -1]?.name ?? who) : who
    const order = `ord_${market.pool.seq[slot] ?? 0}`
    if (n.pick % 3 === 1)
      return {who: owner, body: {type: 'order.replace', order, lots: 1 + (n.amount % 90), priceMicroGutta: 1 + (n.pick % 7)}}
    return {who: owner, body: {type: 'order.cancel', order}}
  }

  /** A revision that gets a tag, or no traffic yet, or both. */
  #deploying(n: Numbers): CommandBody {
    const deploy = deployOf(n.flag ? LINES.slice(0, 1) : [], {image: String(n.pick % 7)})
    const [revision = never()] = deploy.revisions
    const tag = `next-${n.amount % 7}`
    return {...deploy, revisions: [{...revision, noTraffic: n.flag, ...(n.pick % 2 === 0 && {tag})}]}
  }

  #directing(n: Numbers, org: string): CommandBody {
    if (n.pick % 23 === 0) return {type: 'app.destroy', app: 'site'}
    const {revisions = [], tags = new Map<string, string>()} = this.world.machine.state.apps.get(`${org}/site`)?.functions.get('web') ?? {}
    const one = revisions[n.pick % Math.max(1, revisions.length)] ?? 'rev_1'
    const other = revisions[n.amount % Math.max(1, revisions.length)] ?? 'rev_2'
    const percent = 1 + (n.amount % 99)
    const traffic = [
      {revision: one, percent},
      {revision: other, percent: 100 - percent}
    ]
    const untag = [...tags.keys()].slice(0, 1)
    const change = n.flag ? {traffic} : {tags: [{tag: `next-${n.pick % 7}`, revision: one}], ...(untag.length > 0 && {untag})}
    return {type: 'traffic.set', app: 'site', functions: [{function: 'web', ...change}]}
  }

  #receipt(n: Numbers, lease: {id: string; node: string; revision: string} | undefined): CommandBody {
    const {id = 'lea_0', node = `node_${'0'.repeat(32)}`, revision = 'rev_0'} = lease ?? {}
    const counts = {requests: n.amount, mibMs: n.amount, nodeMibMs: n.pick, standbyMs: n.amount * 3, nodeStandbyMs: n.pick * 300}
    return receiptOf({
      gateway: this.gateway,
      node,
      revision,
      lease: id,
      window: this.#window,
      windowStartMs: Math.max(START_MS, this.world.nowMs - 1000),
      ...counts
    })
  }
}

function never(): never {
  throw new Error('A test names something that is not there.')
}

/** Balances as an accountant would have them: every entry added up. */
function sumOf(world: World): Map<string, number> {
  const sums = new Map<string, number>()
  for (const effect of world.effects) {
    if (effect.type !== 'entry') continue
    const key = `${effect.account} ${effect.asset} ${effect.kind}`
    const sum = (sums.get(key) ?? 0) + effect.deltaMinor
    expect(effect.balanceMinor).toBe(sum)
    if (sum === 0) sums.delete(key)
    else sums.set(key, sum)
  }
  return sums
}

/** Executed notional of each incentive by bucket, as the trades say. */
function tradedBy(world: World): Map<string, number> {
  const traded = new Map<string, number>()
  for (const {effect, atMs} of world.timed) {
    if (effect.type !== 'trade') continue
    const key = `${effect.incentive} ${Math.floor(atMs / HOUR_MS)}`
    traded.set(key, (traded.get(key) ?? 0) + effect.priceMicroGutta * effect.lots)
  }
  return traded
}

describe('any commands in any order', () => {
  it('keep every invariant, conserve every asset, change nothing when refused, and do the same to a machine brought back from its lines', () => {
    const applied = new Map<string, number>()
    fc.assert(
      fc.property(fc.boolean(), fc.array(fc.tuple(numbers, fc.nat(90_000)), {minLength: STEPS, maxLength: STEPS}), (isProtected, steps) => {
        const everything = new Everything({isProtected})
        const {world} = everything
        for (const [step, [chosen, waitMs]] of steps.entries()) {
          if (step === STEPS / 2) world.branch()
          world.nowMs += chosen.flag ? waitMs : 0
          const {who, body} = everything.command(chosen)
          const before = world.effects.length
          const said = world.try(who, body)
          applied.set(body.type, (applied.get(body.type) ?? 0) + (said === 'applied' ? 1 : 0))
          if (said !== 'applied') expect(world.effects.length).toBe(before)
          if (step % CHECKED_EVERY === 0) assertInvariants(world.machine)
        }
        world.assertSame()
        const {state} = world.machine
        const balances = [...state.balances.all()].map(
          (row) => [`${state.accountName(row.account)} ${state.assetName(row.asset)} ${row.kind}`, row.balance] as const
        )
        expect(sumOf(world)).toEqual(new Map(balances))
        const traded = tradedBy(world)
        for (const {id, volume} of state.incentivesById.values()) {
          for (const {bucket, notionalMicroGutta} of volume.buckets()) expect(notionalMicroGutta).toBe(traded.get(`${id} ${bucket}`))
        }
      }),
      {numRuns: RUNS}
    )
    expect([...applied].filter(([, count]) => count === 0)).toEqual([])
  })

  it('leave the state exactly as it was when they are refused', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.array(numbers, {minLength: 60, maxLength: 60}), (isProtected, steps) => {
        const everything = new Everything({isProtected})
        const {world} = everything
        for (const chosen of steps) {
          const {who, body} = everything.command(chosen)
          const before = world.machine.stateText().split('\n').slice(1)
          if (world.try(who, body) !== 'applied') expect(world.machine.stateText().split('\n').slice(1)).toEqual(before)
        }
      }),
      {numRuns: Math.ceil(RUNS / 5)}
    )
  })
})
