import {z} from 'zod'
import {CreoError, isCreoError} from '../core/errors.ts'
import {amountOfLots, lotsFrom} from '../core/market-units.ts'
import type {IncentiveView} from '../core/protocol/api.ts'
import {type SwapQuote, swapQuoteSchema} from '../core/protocol/market-data.ts'
import {AMOUNT_MAX, formatDecimal, GUTTA_DECIMALS, mulDivFloor} from '../core/units.ts'
import type {AccountContext} from './context.ts'
import {findIncentive} from './incentives.ts'

/** Without a worst size of its own a swap may deliver so much less, or send so much more, than it would have a moment before. */
const PROTECTION_PERCENT = 1

export interface SwapInput {
  readonly from: string
  readonly to: string
  /** Which size is exact: of what is sent, or of what is received. */
  readonly exact: 'send' | 'receive'
  /** In whole units of that one. */
  readonly amount: string
  /** The least to be delivered, or the most to be sent, in whole units of the other one. */
  readonly worst: string | undefined
  /** True to cancel own orders on the way; else one of them refuses the swap. */
  readonly cancelsOwn: boolean
}

/** Amounts in whole units. */
export interface ShownSwap {
  /** Null for one that was only looked at. */
  readonly swap: string | null
  readonly from: string
  readonly to: string
  readonly sent: string
  readonly delivered: string
  /** The least of what is delivered that would be accepted, or the most of what is sent. */
  readonly worst: string
  /** Gutta that the sale brought, before the fee. */
  readonly soldFor: string
  readonly boughtFor: string
  /** Of both trades. */
  readonly fee: string
  /** Gutta that did not pay for another lot, and is the account's. */
  readonly left: string
}

const doneSchema = swapQuoteSchema.extend({swap: z.string()})

/** Looks at what a swap would come to, and carries it out unless that was all. @throws {CreoError} why there is none. */
export async function swap(context: AccountContext, input: SwapInput, isDryRun: boolean, signal: AbortSignal): Promise<ShownSwap> {
  for (const id of [input.from, input.to]) {
    if (id.toLowerCase() !== 'gutta') continue
    throw new CreoError('invalid_input', 'A swap goes through Gutta, from one incentive to another.', {
      hint: 'For Gutta itself: creo trade buy, creo trade sell.'
    })
  }
  const from = await findIncentive(context, input.from, signal)
  const to = from.id === input.to ? from : await findIncentive(context, input.to, signal)
  const {exact} = input
  const own = input.cancelsOwn ? {selfTrade: 'cancel-oldest' as const} : {}
  const lots = lotsFrom(input.amount, exact === 'send' ? from : to)
  const asked = {from: from.id, to: to.id, exact, lots, account: context.account.id, ...own}
  const quote = await context.client.swapQuote(asked, signal)
  const worst = input.worst === undefined ? worstOf(quote, exact) : lotsFrom(input.worst, exact === 'send' ? to : from)
  const shown = (of: SwapQuote): Omit<ShownSwap, 'swap'> => ({
    ...shownSwap(of, from, to),
    worst: amountOfLots(worst, exact === 'send' ? to : from)
  })
  if (isDryRun) return {swap: null, ...shown(quote)}
  const sizes = exact === 'send' ? {sendLots: lots, receiveLots: worst} : {sendLots: worst, receiveLots: lots}
  const body = {type: 'swap', from: from.id, to: to.id, exact, ...sizes, ...own} as const
  const {result} = await context.client.submit(body).catch((error: unknown) => {
    if (!isCreoError(error) || error.code !== 'rejected') throw error
    const hint = 'Nothing was swapped. See what it would come to now with --dry-run, and accept worse with --worst.'
    throw new CreoError('rejected', error.message, {hint, cause: error})
  })
  const done = doneSchema.parse(result)
  return {swap: done.swap, ...shown(done)}
}

/** One sentence: what happened or would, and what is left. */
export function swapSentence(swap: ShownSwap): string {
  const [sent, delivered] = [`${swap.sent} ${swap.from}`, `${swap.delivered} ${swap.to}`]
  const rest = `Fees: ${swap.fee} Gutta; ${swap.left} Gutta left over`
  if (swap.swap === null) return `${sent} would deliver ${delivered} now. ${rest} would be yours. To do it: the same without --dry-run.`
  return `${swap.swap}: ${sent} sent, ${delivered} delivered. ${rest} are yours.`
}

function worstOf({sentLots, deliveredLots}: SwapQuote, exact: SwapInput['exact']): number {
  if (exact === 'send') return Math.max(1, mulDivFloor(deliveredLots, 100 - PROTECTION_PERCENT, 100).quotient)
  return Math.min(AMOUNT_MAX, sentLots + Math.ceil((sentLots / 100) * PROTECTION_PERCENT))
}

function shownSwap(of: SwapQuote, from: IncentiveView, to: IncentiveView): Omit<ShownSwap, 'swap' | 'worst'> {
  const gutta = (microGutta: number): string => formatDecimal(microGutta, GUTTA_DECIMALS)
  return {
    from: from.id,
    to: to.id,
    sent: amountOfLots(of.sentLots, from),
    delivered: amountOfLots(of.deliveredLots, to),
    soldFor: gutta(of.soldForMicroGutta),
    boughtFor: gutta(of.boughtForMicroGutta),
    fee: gutta(of.feeMicroGutta),
    left: gutta(of.leftMicroGutta)
  }
}
