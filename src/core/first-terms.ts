import {CreoError} from './errors.ts'
import {AMOUNT_MAX, formatDecimal, mulDivFloor} from './units.ts'

/**
 * From a founder's two answers to the terms of an incentive and of its rewards: docs/MONEY.md says why each is what it is. One whole unit buys one
 * item, so a number of items a month is a number of units a month.
 */

const PER_MONTH_MAX = 1_000_000_000
const DAYS_PER_MONTH = 30
/** The supply is fixed for ever, and what is redeemed is burned. */
const SUPPLY_MONTHS = 120
/** An offer counts no more items. */
const STOCK_MAX = 1_000_000_000
/** Those that an incentive may have and a lot of a hundredth leaves. */
const DECIMALS = [2, 3, 4, 5, 6] as const
/** A rate below so many minor units would be rounded by more than a hundredth. */
const RATE_MINOR_MIN = 100
/** The trade volume limit is this part of a month at 1 Gutta a unit. */
const LIMIT_PARTS_PER_MONTH = 10
const NODES_MIN = 2
const MIB = 2 ** 20

/** How much of a day's budget each line spends when every instance runs all day: 60 % running time, 30 % standing by, 10 % requests. */
const RUNNING_TENTHS = 6
const STANDBY_TENTHS = 3
const REQUESTS_TENTHS = 1
/** Of one day: 10^6 ms, in tenths of themselves. */
const DAY_MILLION_MS_TENTHS = 864
/** Requests that one place for a request answers a day, in thousandths of 10^6, when each takes 100 ms. */
const DAY_REQUESTS_MILLIONTH = 864

/** A function as far as its pay depends on it. */
export interface PaidFunction {
  readonly name: string
  readonly memoryBytes: number
  readonly scaleMax: number
  readonly concurrency: number
}

/** What a function pays, as a manifest says it. */
export interface FirstRewards {
  readonly perMillion: {readonly requests: string; readonly mibMs: string; readonly standbyMs: string}
  readonly dailyBudget: string
}

/** The terms of an incentive that is issued, and what goes into its pool. */
export interface FirstTerms {
  readonly decimals: number
  readonly supply: string
  readonly lot: string
  /** Step of the price of a whole unit, in Gutta. */
  readonly tickGutta: string
  readonly limitGutta: string
  readonly stock: number
  /** What goes into the reward pool now. */
  readonly firstMonth: string
}

/** @throws {CreoError} `invalid_input` for what is no number of items a month. */
export function perMonthFrom(text: string): number {
  const perMonth = /^\d{1,10}$/.test(text) ? Number(text) : 0
  if (perMonth >= 1 && perMonth <= PER_MONTH_MAX) return perMonth
  throw new CreoError('invalid_input', `"${text}" is not a number of items a month.`, {
    hint: `Give a whole number from 1 to ${PER_MONTH_MAX}, for example 500.`
  })
}

/**
 * @param perMonth whole units that may be given a month, as `perMonthFrom` reads them.
 * @param functions those whose rewards are to be derived.
 * @param decimalsMin so many the manifest's own amounts have.
 * @throws {CreoError} `invalid_input` when so many decimals leave no room for the supply.
 */
export function firstTerms(perMonth: number, functions: readonly PaidFunction[], decimalsMin = 0): FirstTerms {
  const decimals = decimalsFor(perMonth, functions, decimalsMin)
  const supply = perMonth * SUPPLY_MONTHS
  return {
    decimals,
    supply: String(supply),
    lot: '0.01',
    tickGutta: '0.0001',
    limitGutta: String(Math.ceil(perMonth / LIMIT_PARTS_PER_MONTH)),
    stock: Math.min(STOCK_MAX, supply),
    firstMonth: String(perMonth)
  }
}

/**
 * What each function pays of an incentive with so many decimals.
 * @throws {CreoError} `invalid_input` when a day's part of so few is less than the least that each function can pay.
 */
export function firstRewards(perMonth: number, functions: readonly PaidFunction[], decimals: number): ReadonlyMap<string, FirstRewards> {
  if (dayOf(perMonth, decimals) < functions.length) {
    const enough = Math.ceil((functions.length * DAYS_PER_MONTH) / 10 ** decimals)
    throw new CreoError(
      'invalid_input',
      `${perMonth} a month with ${decimals} decimals can't be shared out by day among ${functions.length} functions.`,
      {
        hint: `Give ${enough} a month or more, or choose an incentive with more decimals by --pay-in.`
      }
    )
  }
  return new Map(ratesOf(perMonth, functions, decimals).map((rates) => [rates.name, rewardsText(rates, decimals)]))
}

interface Rates {
  readonly name: string
  readonly requests: number
  readonly mibMs: number
  readonly standbyMs: number
  readonly daily: number
}

/** The fewest with which no rate for running time is lost to rounding, and no more than the supply leaves room for. */
function decimalsFor(perMonth: number, functions: readonly PaidFunction[], least: number): number {
  const possible = DECIMALS.filter((decimals) => decimals >= least && perMonth * SUPPLY_MONTHS <= AMOUNT_MAX / 10 ** decimals)
  const fine = possible.find((decimals) => ratesOf(perMonth, functions, decimals).every(({mibMs}) => mibMs >= RATE_MINOR_MIN))
  const decimals = fine ?? possible.at(-1)
  if (decimals !== undefined) return decimals
  throw new CreoError('invalid_input', `Amounts with ${least} decimals are too fine for ${perMonth} items a month.`, {
    hint: 'Write the amounts in creo.yaml with fewer decimals, or give fewer a month.'
  })
}

/** What a day of the month has, in minor units. */
function dayOf(perMonth: number, decimals: number): number {
  return mulDivFloor(perMonth, 10 ** decimals, DAYS_PER_MONTH).quotient
}

/** A day's part of the month is shared out by the memory that each function may use at most. Minor units. */
function ratesOf(perMonth: number, functions: readonly PaidFunction[], decimals: number): Rates[] {
  const day = dayOf(perMonth, decimals)
  const mibs = functions.map((fn) => fn.scaleMax * Math.ceil(fn.memoryBytes / MIB))
  const all = mibs.reduce((sum, mib) => sum + mib, 0)
  // Where the smallest share is less than the least there is, everybody gets that first.
  const least = mibs.every((mib) => mulDivFloor(day, mib, all).quotient > 0) ? 0 : 1
  return functions.map(({name, scaleMax, concurrency}, index) => {
    const mib = mibs[index] ?? 1
    const daily = least + mulDivFloor(Math.max(0, day - functions.length * least), mib, all).quotient
    const nodes = Math.max(NODES_MIN, scaleMax)
    return {
      name,
      daily,
      mibMs: Math.max(1, mulDivFloor(daily, RUNNING_TENTHS, mib * DAY_MILLION_MS_TENTHS).quotient),
      standbyMs: mulDivFloor(daily, STANDBY_TENTHS, nodes * DAY_MILLION_MS_TENTHS).quotient,
      requests: mulDivFloor(daily, REQUESTS_TENTHS * 100, scaleMax * concurrency * DAY_REQUESTS_MILLIONTH).quotient
    }
  })
}

function rewardsText({requests, mibMs, standbyMs, daily}: Rates, decimals: number): FirstRewards {
  const text = (minor: number): string => formatDecimal(minor, decimals)
  return {perMillion: {requests: text(requests), mibMs: text(mibMs), standbyMs: text(standbyMs)}, dailyBudget: text(daily)}
}
