import {z} from 'zod'
import {CreoError, isCreoError} from '../core/errors.ts'
import {amountOfLots, lotsFrom, priceFrom, priceText} from '../core/market-units.ts'
import type {IncentiveView, OrderView} from '../core/protocol/api.ts'
import {OWNER_SHARE_ALL} from '../core/protocol/market-commands.ts'
import {orderIdSchema} from '../core/protocol/scalars.ts'
import {formatDecimal, GUTTA_DECIMALS} from '../core/units.ts'
import type {AccountContext} from './context.ts'
import {findIncentive, PERMILLE_PER_PERCENT} from './incentives.ts'

/** A market order without a price of its own may pay this much more, or get this much less, than the best price now. */
const PROTECTION_PERCENT = 10
/** An account has at most ten times what one command cancels; the rest is for orders that are placed meanwhile. */
const CANCEL_ROUNDS_MAX = 20

export interface OrderInput {
  readonly incentive: string
  readonly side: 'buy' | 'sell'
  /** In whole units of the incentive. */
  readonly amount: string
  /** Gutta per 1.00; may be left out of a market order. */
  readonly price: string | undefined
  readonly kind: 'limit' | 'market' | 'post-only'
  readonly timeInForce: 'GTC' | 'GTT' | 'IOC' | 'FOK'
  /** GTT only. */
  readonly lifetimeMs: number | undefined
  readonly selfTrade?: SelfTradeChoice
}

/** What goes when it meets an own order; `undefined`: what is left of this one. */
type SelfTradeChoice = 'cancel-oldest' | 'cancel-both' | undefined

/** Amounts in whole units, the price in Gutta per 1.00. */
export interface ShownOrder {
  readonly order: string
  readonly incentive: string
  readonly side: 'buy' | 'sell'
  readonly price: string
  readonly amount: string
  readonly filled: string
  readonly remaining: string
  readonly status: OrderView['status']
  /** Why the rest ended, if it did. */
  readonly reason: string | null
}

/** Places an order and says what became of it at once. @throws {CreoError} `invalid_input`, or why the ledger rejected it. */
export async function placeOrder(context: AccountContext, input: OrderInput, signal: AbortSignal): Promise<ShownOrder> {
  const units = await findIncentive(context, input.incentive, signal)
  const lots = lotsFrom(input.amount, units)
  const priceMicroGutta = input.price === undefined ? await protectionPrice(context, input, signal) : priceFrom(input.price, units)
  const expiry = await expiryOf(context, input)
  const {side, kind, timeInForce, selfTrade} = input
  const terms = {side, priceMicroGutta, lots, kind, timeInForce, ...expiry, ...(selfTrade !== undefined && {selfTrade})}
  const body = {type: 'order.place', incentive: units.id, ...terms} as const
  const {seq} = await context.client.submit(body).catch((error: unknown) => {
    if (isCreoError(error) && error.code === 'volume_limit') throw beyondVolumeLimit(error, units)
    if (isCreoError(error) && error.code === 'not_found') throw withoutExchange(error)
    throw error
  })
  return shownOrder(await context.client.order(`ord_${seq}`, signal), units)
}

export interface ReplaceInput {
  readonly order: string
  /** Whole size in whole units, with what is filled. Absent, it stays. */
  readonly amount: string | undefined
  /** Gutta per 1.00. Absent, it stays. */
  readonly price: string | undefined
  readonly isPostOnly: boolean
  readonly selfTrade: SelfTradeChoice
}

export interface ReplacedOrder extends ShownOrder {
  /** False when it stands behind those that waited at its price, or met the book. */
  readonly keptPriority: boolean
}

/** Changes an open order in one step and says what became of it at once. @throws {CreoError} why it stays as it was. */
export async function replaceOrder(context: AccountContext, input: ReplaceInput, signal: AbortSignal): Promise<ReplacedOrder> {
  assertOrder(input.order)
  const before = await context.client.order(input.order, signal)
  const units = await findIncentive(context, before.incentive, signal)
  const {result} = await context.client.submit({
    type: 'order.replace',
    order: input.order,
    ...(input.price !== undefined && {priceMicroGutta: priceFrom(input.price, units)}),
    ...(input.amount !== undefined && {lots: lotsFrom(input.amount, units)}),
    ...(input.isPostOnly && {postOnly: true as const}),
    ...(input.selfTrade !== undefined && {selfTrade: input.selfTrade})
  })
  return {...shownOrder(await context.client.order(input.order, signal), units), keptPriority: result.keptPriority === true}
}

function assertOrder(order: string): void {
  if (orderIdSchema.safeParse(order).success) return
  throw new CreoError('invalid_input', `"${order}" is not an order.`, {hint: 'creo trade orders'})
}

/** The incentive is there, so it is the exchange's org that is not. */
function withoutExchange(cause: CreoError): CreoError {
  const hint = "Nothing can be traded before the network's operator makes it: creo account create NAME --operator-key FILE"
  return new CreoError('not_found', cause.message, {hint, cause})
}

function beyondVolumeLimit(
  cause: CreoError,
  {tradeVolumeLimitMicroGutta, tradeVolumeUsedMicroGutta, ownerSharePermille}: IncentiveView
): CreoError {
  const share =
    ownerSharePermille === undefined || ownerSharePermille === OWNER_SHARE_ALL
      ? ''
      : `, of which one account takes ${ownerSharePermille / PERMILLE_PER_PERCENT} % at most`
  const left = formatDecimal(Math.max(0, tradeVolumeLimitMicroGutta - tradeVolumeUsedMicroGutta), GUTTA_DECIMALS)
  const hint = `${left} of ${formatDecimal(tradeVolumeLimitMicroGutta, GUTTA_DECIMALS)} Gutta are left of the limit${share}; order less, or wait until earlier trades count no more.`
  return new CreoError('volume_limit', cause.message, {hint, cause})
}

export function shownOrder(view: OrderView, units: IncentiveView): ShownOrder {
  const {id, incentive, side, status, reason} = view
  return {
    order: id,
    incentive,
    side,
    price: priceText(view.priceMicroGutta, units),
    amount: amountOfLots(view.lots, units),
    filled: amountOfLots(view.lots - view.remainingLots, units),
    remaining: amountOfLots(view.remainingLots, units),
    status,
    reason
  }
}

/** One sentence: what happened, and what can be done next. */
export function orderSentence(order: ShownOrder): string {
  const verb = order.side === 'buy' ? 'bought' : 'sold'
  const done = `${order.order}: ${order.filled} of ${order.amount} ${order.incentive} ${verb}`
  if (order.status === 'open') return `${done}, the rest waits at ${order.price} Gutta. To take it back: creo trade cancel ${order.order}`
  if (order.status === 'filled') return `${done}.`
  return `${done}; the rest ended (${order.reason ?? order.status}).`
}

export async function cancelOrder(context: AccountContext, order: string): Promise<void> {
  assertOrder(order)
  await context.client.submit({type: 'order.cancel', order})
}

const cancelledSchema = z.object({cancelled: z.array(orderIdSchema), more: z.boolean()})

/**
 * Cancels all open orders of the account, or those of one market and side, however many; says which.
 * @throws {CreoError} `invalid_input` or `not_found` for the market. What was cancelled before an error stays so.
 */
export async function cancelOrders(
  context: AccountContext,
  {incentive, side}: {readonly incentive?: string | undefined; readonly side?: 'buy' | 'sell' | undefined},
  signal: AbortSignal
): Promise<readonly string[]> {
  const market = incentive === undefined ? {} : {incentive: (await findIncentive(context, incentive, signal)).id}
  const body = {type: 'orders.cancel', ...market, ...(side !== undefined && {side})} as const
  const all: string[] = []
  for (let round = 0; round < CANCEL_ROUNDS_MAX; round += 1) {
    const {result} = await context.client.submit(body)
    const {cancelled, more} = cancelledSchema.parse(result)
    all.push(...cancelled)
    if (!more) return all
  }
  throw new CreoError('failed', `${all.length} orders are cancelled; others were placed meanwhile and are open.`, {
    hint: 'Stop what places them, then creo trade cancel --all again.'
  })
}

async function protectionPrice(context: AccountContext, input: OrderInput, signal: AbortSignal): Promise<number> {
  if (input.kind !== 'market')
    throw new CreoError('usage', 'The order has no price.', {hint: 'Give --price, or --market to take what there is.'})
  const book = await context.client.book(input.incentive, signal)
  const [best] = input.side === 'buy' ? book.asks : book.bids
  if (best === undefined) {
    throw new CreoError('rejected', `Nobody ${input.side === 'buy' ? 'sells' : 'buys'} ${input.incentive} now.`, {
      hint: 'Place a limit order with --price.'
    })
  }
  const percent = input.side === 'buy' ? 100 + PROTECTION_PERCENT : 100 - PROTECTION_PERCENT
  return Math.max(1, Math.floor((best.priceMicroGutta / 100) * percent))
}

async function expiryOf({client}: AccountContext, {timeInForce, lifetimeMs}: OrderInput): Promise<{expiresAtMs?: number}> {
  if ((timeInForce === 'GTT') !== (lifetimeMs !== undefined)) {
    throw new CreoError('usage', '--tif GTT and --expires belong together.', {hint: 'For example --tif GTT --expires 1h.'})
  }
  return lifetimeMs === undefined ? {} : {expiresAtMs: (await client.networkNowMs()) + lifetimeMs}
}
