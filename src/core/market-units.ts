import {CreoError} from './errors.ts'
import {AMOUNT_MAX, formatDecimal, GUTTA_DECIMALS, mulDivFloor, parseDecimal} from './units.ts'

/** What turns amounts and prices as people write them into lots and micro-gutta per lot. */
export interface MarketUnits {
  readonly id: string
  readonly decimals: number
  readonly lotMinor: number
}

/** @throws {CreoError} `invalid_input` for what is no amount, and for zero. */
export function positiveAmount(text: string, decimals: number, what: string): number {
  const minor = parseDecimal(text, decimals)
  if (minor > 0) return minor
  throw new CreoError('invalid_input', `The ${what} must be above zero.`, {hint: `Give a ${what} above zero.`})
}

/** "12.5" of an incentive → lots. @throws {CreoError} `invalid_input` when it is not a whole number of lots. */
export function lotsFrom(text: string, units: MarketUnits): number {
  const minor = positiveAmount(text, units.decimals, 'amount')
  if (minor % units.lotMinor === 0) return minor / units.lotMinor
  throw new CreoError('invalid_input', `${text} is not a whole number of lots of ${units.id}.`, {
    hint: `Give a multiple of ${formatDecimal(units.lotMinor, units.decimals)}.`
  })
}

export function amountOfLots(lots: number, units: MarketUnits): string {
  return formatDecimal(lots * units.lotMinor, units.decimals)
}

/**
 * Gutta per 1.00 of an incentive → micro-gutta per lot, exactly.
 * @throws {CreoError} `invalid_input` when a lot would cost a fraction of a micro-gutta, with the nearest prices that work.
 */
export function priceFrom(text: string, units: MarketUnits): number {
  const microPerOne = positiveAmount(text, GUTTA_DECIMALS, 'price')
  const {quotient, remainder} = mulDivFloor(microPerOne, units.lotMinor, 10 ** units.decimals)
  if (remainder === 0) return quotient
  const near = [quotient, quotient + 1].flatMap((price) => (price === 0 ? [] : exactPrice(price, units)))
  throw new CreoError('invalid_input', `A lot of ${units.id} would cost a fraction of a micro-gutta at ${text}.`, {
    hint: near.length === 0 ? 'Choose a rounder price.' : `Choose ${near.join(' or ')}.`
  })
}

/** Micro-gutta per lot → Gutta per 1.00; rounded down where a lot's price has no exact one. */
export function priceText(priceMicroGutta: number, units: MarketUnits): string {
  return formatDecimal(mulDivFloor(priceMicroGutta, 10 ** units.decimals, units.lotMinor).quotient, GUTTA_DECIMALS)
}

function exactPrice(priceMicroGutta: number, units: MarketUnits): string[] {
  const {quotient, remainder} = mulDivFloor(priceMicroGutta, 10 ** units.decimals, units.lotMinor)
  return remainder === 0 && quotient <= AMOUNT_MAX ? [formatDecimal(quotient, GUTTA_DECIMALS)] : []
}
