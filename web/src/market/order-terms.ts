import {bidHold, feeOf} from '../../../src/core/exchange/escrow.ts'
import {AMOUNT_MAX, GUTTA_DECIMALS, parseDecimal} from '../../../src/core/units.ts'
import {type Measure, typedDecimal} from '../format.ts'

/** An order as it is typed, made into one that can be signed, and what it would come to. */

export const KINDS = ['limit', 'market', 'post-only'] as const
export const TIMES = ['GTC', 'GTT', 'IOC', 'FOK'] as const
export const SELF_TRADES = ['stop', 'cancel-oldest', 'cancel-both'] as const

export interface Ticket {
  readonly side: 'buy' | 'sell'
  readonly kind: (typeof KINDS)[number]
  readonly time: (typeof TIMES)[number]
  /** Whole units, as typed. */
  readonly amount: string
  /** Gutta for one unit, as typed; of a market order the worst price that is taken. */
  readonly price: string
  /** For GTT. */
  readonly hours: string
  readonly selfTrade: (typeof SELF_TRADES)[number]
}

export type TicketProblem = 'amount' | 'lot' | 'price' | 'step' | 'hours' | 'large'

export interface Order {
  readonly lots: number
  readonly priceMicroGutta: number
}

interface Level {
  readonly priceMicroGutta: number
  readonly lots: number
}

/** What would happen now: how much is taken at once, what that costs, and what may wait in the book. */
export interface Preview {
  readonly filledLots: number
  readonly restingLots: number
  readonly notionalMicroGutta: number
  /** On what is taken at once; what waits pays when it is taken. */
  readonly feeMicroGutta: number
  /** Gutta that is set aside when a purchase is placed. */
  readonly heldMicroGutta: number
}

const FRACTION = /^\d*\.(?=\d*[1-9])\d+$/
export const HOURS_MAX = 366 * 24

/** Which settings fit together: a market order never waits, a post-only order does nothing else. */
export function timesOf(kind: Ticket['kind']): readonly Ticket['time'][] {
  if (kind === 'market') return ['IOC', 'FOK']
  return kind === 'post-only' ? ['GTC', 'GTT'] : TIMES
}

export function readTicket(ticket: Ticket, measure: Measure, language: string): Order | {readonly problem: TicketProblem} {
  const minor = decimalOf(ticket.amount, measure.decimals, language)
  if (minor === undefined || minor === 0) return {problem: isFiner(ticket.amount, language) ? 'lot' : 'amount'}
  if (minor % measure.lotMinor !== 0) return {problem: 'lot'}
  const perUnit = decimalOf(ticket.price, GUTTA_DECIMALS, language)
  if (perUnit === undefined || perUnit === 0) return {problem: isFiner(ticket.price, language) ? 'step' : 'price'}
  const perLot = BigInt(perUnit) * BigInt(measure.lotMinor)
  const units = 10n ** BigInt(measure.decimals)
  if (perLot % units !== 0n) return {problem: 'step'}
  const hours = Number(typedDecimal(ticket.hours, language))
  if (ticket.time === 'GTT' && !(hours > 0 && hours <= HOURS_MAX)) return {problem: 'hours'}
  const order = {lots: minor / measure.lotMinor, priceMicroGutta: Number(perLot / units)}
  return BigInt(order.lots) * BigInt(order.priceMicroGutta) * 2n > BigInt(AMOUNT_MAX) ? {problem: 'large'} : order
}

/** A number with more digits behind the point than there are, not something else. */
function isFiner(text: string, language: string): boolean {
  return FRACTION.test(typedDecimal(text, language))
}

function decimalOf(text: string, decimals: number, language: string): number | undefined {
  try {
    return parseDecimal(typedDecimal(text, language), decimals)
  } catch {
    return undefined
  }
}

/** Whether an order that is replaced keeps its place in the queue: at the same price, when what is left of it grows by nothing. */
export function keepsPlace(before: Order, after: Order): boolean {
  return after.priceMicroGutta === before.priceMicroGutta && after.lots <= before.lots
}

/** Against the other side of the book, best price first. Binds nobody: the book may be another when the order comes. */
export function previewOrder(
  {side, kind, time}: Pick<Ticket, 'side' | 'kind' | 'time'>,
  {lots, priceMicroGutta}: Order,
  others: readonly Level[],
  {takerPpm, makerPpm}: {readonly takerPpm: number; readonly makerPpm: number}
): Preview {
  let left = lots
  let notionalMicroGutta = 0
  for (const level of kind === 'post-only' ? [] : others) {
    const isWorse = side === 'buy' ? level.priceMicroGutta > priceMicroGutta : level.priceMicroGutta < priceMicroGutta
    if (isWorse || left === 0) break
    const taken = Math.min(left, level.lots)
    left -= taken
    notionalMicroGutta += taken * level.priceMicroGutta
  }
  const isNothing = time === 'FOK' && left > 0
  return {
    filledLots: isNothing ? 0 : lots - left,
    restingLots: time === 'GTC' || time === 'GTT' ? left : 0,
    notionalMicroGutta: isNothing ? 0 : notionalMicroGutta,
    feeMicroGutta: isNothing ? 0 : feeOf(notionalMicroGutta, takerPpm),
    heldMicroGutta: bidHold(priceMicroGutta, lots, Math.max(takerPpm, makerPpm))
  }
}
