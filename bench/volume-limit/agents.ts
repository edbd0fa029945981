import {MICRO_GUTTA_PER_GUTTA} from '../../src/core/units.ts'
import type {Draws} from './draws.ts'
import {HOUR_MS, type Issued, LEASE_HOURS, LOTS_PER_UNIT, type MarketWorld} from './market-world.ts'
import {type MarketRecord, microPerLot} from './markets.ts'

/** One market as agents see it. */
export interface Market {
  readonly issued: Issued
  readonly record: MarketRecord
  /** Part of all customers that want what this org gives. */
  readonly fame: number
}

/** What agents meet: the ledger, its markets, and how many times what it is worth the famous org's incentive is talked up to (1: not at all). */
export interface Scene {
  readonly world: MarketWorld
  readonly markets: readonly Market[]
  readonly draws: Draws
  hype: number
  /** Least and highest price that may be traded, as parts of the price of the last three days; 1 is that price. Absent: any. */
  readonly band?: number | undefined
  /** Whether a market's pay is open to one node more. */
  takes(place: number): boolean
}

/** A node looks for better pay every third day, and four times a day it puts what it has to sell anew. */
const CHOOSES_ONCE_IN_HOURS = 72
const SELLS_ONCE_IN_HOURS = 6
/** It moves only for so much more: moving costs a fetched image and a lease. */
const BETTER_BY = 1.05
/** No two see the same: their estimates lie so far apart. */
const GUESS_NOISE = 0.3
/** A node asks up to so much above the last price, and below it the more it has lying about. */
const ASKS_ABOVE = 0.03
const ASKS_BELOW_MOST = 0.06
const LYING_UNITS = 48
const ASK_NOISE = 0.02
const ASK_RESTS_HOURS = 48

/** A volunteer's machine: takes the function whose pay is worth most to it, and sells what it earns. */
export class NodeAgent {
  /** Place of the market that it works for. */
  works: number
  readonly #name: string
  readonly #node: string
  #lease: string
  #leaseHours = 0

  constructor(scene: Scene, name: string) {
    this.#name = name
    scene.world.account(name)
    this.#node = scene.world.node(name)
    this.works = scene.draws.weighted(scene.markets.map(({fame}) => fame))
    this.#lease = scene.world.lease(this.#node, marketAt(scene, this.works).issued)
  }

  hour(scene: Scene): void {
    const {world, draws} = scene
    world.pay(this.#node, this.#lease, marketAt(scene, this.works).issued)
    this.#leaseHours += 1
    const isOver = this.#leaseHours === LEASE_HOURS
    if (draws.oneIn(CHOOSES_ONCE_IN_HOURS) || (isOver && !scene.takes(this.works))) this.#choose(scene)
    else if (isOver) this.#take(scene, this.works)
    if (draws.oneIn(SELLS_ONCE_IN_HOURS)) for (const market of scene.markets) this.#sell(scene, market)
  }

  /** Expected value of an hour: a unit at its price, times the part of what is earned that could be sold. */
  #choose(scene: Scene): void {
    const guess = (): number => Math.exp(GUESS_NOISE * scene.draws.normal())
    const values = scene.markets.map(({record}, place) => (scene.takes(place) ? record.dayPrice * record.soldShare * guess() : 0))
    const best = values.reduce((at, value, place) => (value > (values[at] ?? 0) ? place : at), 0)
    if ((values[best] ?? 0) > (values[this.works] ?? 0) * BETTER_BY) this.#take(scene, best)
    else if (this.#leaseHours === LEASE_HOURS) this.#take(scene, this.works)
  }

  #take(scene: Scene, place: number): void {
    if (this.#leaseHours < LEASE_HOURS) scene.world.endLease(this.#lease)
    this.works = place
    this.#lease = scene.world.lease(this.#node, marketAt(scene, place).issued)
    this.#leaseHours = 0
  }

  #sell({world, draws, band}: Scene, {issued, record}: Market): void {
    world.cancelOrders(this.#name, issued.incentive)
    const lots = world.lots(this.#name, issued.incentive)
    if (lots === 0) return
    const lying = Math.min(1, lots / LOTS_PER_UNIT / LYING_UNITS)
    const wish = record.last * Math.exp(ASKS_ABOVE - (ASKS_ABOVE + ASKS_BELOW_MOST) * lying + ASK_NOISE * draws.normal())
    const price = inBand('sell', wish, {record, band})
    const restsMs = ASK_RESTS_HOURS * HOUR_MS
    world.order(this.#name, {incentive: issued.incentive, side: 'sell', lots, priceMicroGutta: microPerLot(price), restsMs})
  }
}

/** What an item is worth to the customers who want it: a middle of 1 Gutta, spread like this. */
const WORTH_SPREAD = 0.5
const ALLOWANCE_GUTTA = 1000

/** Wants items of orgs, by their fame, buys what they cost at the moment or goes without, and has them at once. */
export class Customer {
  /** Items that were wanted, and those that were bought. */
  wanted = 0
  bought = 0
  readonly #name: string

  constructor({world}: Scene, name: string) {
    this.#name = name
    world.account(name)
    world.allot(name, ALLOWANCE_GUTTA)
  }

  want({world, markets, draws, band}: Scene): void {
    const {issued, record} = marketAt({markets}, draws.weighted(markets.map(({fame}) => fame)))
    const worth = Math.exp(WORTH_SPREAD * draws.normal())
    const before = world.lots(this.#name, issued.incentive)
    const price = inBand('buy', worth, {record, band})
    world.order(this.#name, {incentive: issued.incentive, side: 'buy', lots: LOTS_PER_UNIT, priceMicroGutta: microPerLot(price)})
    const lots = world.lots(this.#name, issued.incentive)
    // Who would not pay the price of the hour is not turned away by the limit.
    if (worth >= record.last) {
      this.wanted += 1
      this.bought += (lots - before) / LOTS_PER_UNIT
    }
    const items = Math.floor(lots / LOTS_PER_UNIT)
    if (items > 0) world.redeem(this.#name, issued, items)
  }

  day({world}: Scene): void {
    const missing = ALLOWANCE_GUTTA - world.gutta(this.#name)
    if (missing > 0) world.allot(this.#name, missing)
  }
}

const TRADER_GUTTA = 500
const LOOKS_ONCE_IN_HOURS = 3
const VALUE_NOISE = 0.1
/** Traders follow what a day did by up to so much of it, and each believes a part of what is said. */
const TREND_FOLLOWED_MOST = 0.8
/** They act on a difference of so much, with a part of what they have, at most so far from the last price. */
const GAIN_LEAST = 0.05
const PART_OF_CASH = 0.25
const PART_OF_HOLDING = 0.5
const SLIP_MOST = 0.05
const RESTS_HOURS = 6

/** Buys what it thinks will be worth more and sells what it thinks will be worth less: by value, by the trend, and by what is said. */
export class Trader {
  readonly #name: string
  readonly #follows: number
  readonly #believes: number

  constructor({world, draws}: Scene, name: string) {
    this.#name = name
    this.#follows = TREND_FOLLOWED_MOST * draws.uniform()
    this.#believes = draws.uniform()
    world.account(name)
    world.allot(name, TRADER_GUTTA)
  }

  hour(scene: Scene): void {
    const {draws, markets, hype} = scene
    if (!draws.oneIn(LOOKS_ONCE_IN_HOURS)) return
    // The first market is the famous one: who hears of it looks there.
    const place = hype > 1 && draws.uniform() < this.#believes ? 0 : draws.below(markets.length)
    const {issued, record} = marketAt(scene, place)
    const said = place === 0 ? Math.log(hype) * this.#believes : 0
    const gain = VALUE_NOISE * draws.normal() - Math.log(record.last) + said + this.#follows * record.trend
    if (Math.abs(gain) > GAIN_LEAST) this.#trade(scene, {issued, record}, gain)
  }

  #trade({world, band}: Scene, {issued: {incentive}, record}: Omit<Market, 'fame'>, gain: number): void {
    world.cancelOrders(this.#name, incentive)
    const side = gain > 0 ? 'buy' : 'sell'
    const wish = record.last * Math.exp(Math.max(-SLIP_MOST, Math.min(SLIP_MOST, gain)))
    const price = microPerLot(inBand(side, wish, {record, band}))
    const cash = world.gutta(this.#name) * PART_OF_CASH * MICRO_GUTTA_PER_GUTTA
    const lots = Math.floor(side === 'buy' ? cash / price : world.lots(this.#name, incentive) * PART_OF_HOLDING)
    if (lots > 0) world.order(this.#name, {incentive, side, lots, priceMicroGutta: price, restsMs: RESTS_HOURS * HOUR_MS})
  }
}

/** The limit of an order that goes as far as the band does. */
function inBand(
  side: 'buy' | 'sell',
  price: number,
  {record, band}: {readonly record: MarketRecord; readonly band: number | undefined}
): number {
  if (band === undefined) return price
  return side === 'buy' ? Math.min(price, record.reference * (1 + band)) : Math.max(price, record.reference / (1 + band))
}

function marketAt({markets}: Pick<Scene, 'markets'>, place: number): Market {
  const market = markets[place]
  if (market === undefined) throw new Error(`There is no market ${place}.`)
  return market
}
