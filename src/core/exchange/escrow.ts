import {mulDivFloor} from '../units.ts'

const PER_MILLION = 1_000_000

/** A fee on executed notional, rounded down in the trader's favour. */
export function feeOf(notionalMicroGutta: number, ppm: number): number {
  return mulDivFloor(notionalMicroGutta, ppm, PER_MILLION).quotient
}

/**
 * What a bid holds for lots that are not filled: their price at the limit and the largest fee on it. Floors of parts never sum to more than
 * the floor of the whole, so whatever the fills are, what a bid still holds covers what it still can cost.
 */
export function bidHold(priceMicroGutta: number, lots: number, feePpmMax: number): number {
  const notional = priceMicroGutta * lots
  return notional + feeOf(notional, feePpmMax)
}
