import type {Effect} from '../../src/core/exchange/outcome.ts'
import {MICRO_GUTTA_PER_GUTTA} from '../../src/core/units.ts'
import {LOTS_PER_UNIT} from './market-world.ts'

export const HOURS_PER_DAY = 24
/** Hours over which nodes look back at what could be sold. */
const SOLD_HOURS = 3 * HOURS_PER_DAY
const REFERENCE_HOURS = 3 * HOURS_PER_DAY
const MICRO_PER_PRICE = MICRO_GUTTA_PER_GUTTA / LOTS_PER_UNIT

/** What the network says of one market, as everybody can read it: last price, a day's change, what was earned and what of it was sold. */
export class MarketRecord {
  /** Gutta per whole unit. */
  last = 1
  readonly #prices: number[] = []
  readonly #earned: number[] = []
  readonly #sold: number[] = []
  #earnedNow = 0
  #soldNow = 0

  traded(price: number): void {
    this.last = price
  }

  earned(units: number): void {
    this.#earnedNow += units
  }

  sold(units: number): void {
    this.#soldNow += units
  }

  endHour(): void {
    this.#prices.push(this.last)
    this.#earned.push(this.#earnedNow)
    this.#sold.push(this.#soldNow)
    this.#earnedNow = 0
    this.#soldNow = 0
  }

  /** Logarithm of what the price became within a day. */
  get trend(): number {
    return Math.log(this.last / (this.#prices.at(-HOURS_PER_DAY) ?? this.#prices[0] ?? this.last))
  }

  /** Mean of the last day's hours. */
  get dayPrice(): number {
    return this.#mean(HOURS_PER_DAY)
  }

  /** Mean of the last three days' hours: what a band lies around. */
  get reference(): number {
    return this.#mean(REFERENCE_HOURS)
  }

  /** Part of what nodes earned lately that they could sell; all of it where nobody has earned any. */
  get soldShare(): number {
    const earned = sum(this.#earned.slice(-SOLD_HOURS))
    return earned === 0 ? 1 : Math.min(1, sum(this.#sold.slice(-SOLD_HOURS)) / earned)
  }

  #mean(overHours: number): number {
    const prices = this.#prices.slice(-overHours)
    return prices.length === 0 ? this.last : sum(prices) / prices.length
  }
}

/** Tells the records of all markets what commands did. `isNodes`: whether an account earns as a node's owner. */
export function recorder(
  records: ReadonlyMap<string, MarketRecord>,
  isNodes: (account: string) => boolean
): (effects: readonly Effect[]) => void {
  const nodesOrders = new Set<string>()
  return (effects) => {
    for (const effect of effects) {
      if (effect.type === 'order' && isNodes(effect.account)) nodesOrders.add(effect.id)
      if (effect.type === 'order.changed' && effect.status !== 'open') nodesOrders.delete(effect.id)
      if (effect.type === 'receipt') for (const {incentive} of effect.paid) records.get(incentive)?.earned(1)
      if (effect.type !== 'trade') continue
      const record = records.get(effect.incentive)
      record?.traded(effect.priceMicroGutta / MICRO_PER_PRICE)
      if (nodesOrders.has(effect.takerSide === 'sell' ? effect.taker : effect.maker)) record?.sold(effect.lots / LOTS_PER_UNIT)
    }
  }
}

/** Micro-gutta per lot of a price in Gutta per whole unit; at least the least there is. */
export function microPerLot(price: number): number {
  return Math.max(1, Math.round(price * MICRO_PER_PRICE))
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
