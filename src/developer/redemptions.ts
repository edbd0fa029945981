import {CreoError, isCreoError} from '../core/errors.ts'
import {nearestOf} from '../core/nearest.ts'
import type {IncentiveView, RedemptionView} from '../core/protocol/api.ts'
import {offerIdSchema, redemptionIdSchema} from '../core/protocol/scalars.ts'
import {formatDecimal} from '../core/units.ts'
import type {AccountContext} from './context.ts'

export interface ShownRedemption {
  readonly redemption: string
  readonly offer: string
  readonly incentive: string
  readonly holder: string
  readonly quantity: number
  readonly amount: string
  readonly status: RedemptionView['status']
  readonly requestedAt: string
  readonly endedAt: string | null
}

/** Gives value back to the issuer for an offer; it is held until the issuer captures or releases it. */
export async function redeem(context: AccountContext, offer: string, quantity: number, signal: AbortSignal): Promise<ShownRedemption> {
  if (!offerIdSchema.safeParse(offer).success)
    throw new CreoError('invalid_input', `"${offer}" is not an offer.`, {hint: await offerMeant(context, offer, signal)})
  const {seq} = await context.client.submit({type: 'redemption.request', offer, quantity}).catch((cause: unknown) => {
    if (!isCreoError(cause) || cause.code !== 'not_found') throw cause
    throw new CreoError('not_found', cause.message, {hint: 'creo offer list', cause})
  })
  const [{redemptions}, {incentives}] = await Promise.all([
    context.client.redemptionsOf(context.account.id, {}, signal),
    context.client.incentives(signal)
  ])
  const made = redemptions.find(({id}) => id === `red_${seq}`)
  if (made === undefined) throw new CreoError('failed', `red_${seq} was requested, but is not shown yet.`, {hint: 'creo redemption list'})
  return shownRedemption(made, incentives)
}

/** The offer whose item or incentive is the nearest to what was typed. */
async function offerMeant({client}: AccountContext, typed: string, signal: AbortSignal): Promise<string> {
  const {offers} = await client.offers({}, signal)
  const said = new Map(offers.flatMap(({id, item, incentive}) => [[incentive, id] as const, [item, id] as const]))
  const nearest = nearestOf(typed, [...said.keys()])
  const meant = offers.find(({id}) => nearest !== undefined && id === said.get(nearest))
  return meant === undefined ? 'creo offer list' : `Did you mean ${meant.id}, ${meant.item}?`
}

/** Ends a redemption as the issuer: `capture` when the item was handed over, `release` to give the value back. */
export async function endRedemption(context: AccountContext, redemption: string, how: 'capture' | 'release'): Promise<number> {
  if (!redemptionIdSchema.safeParse(redemption).success) {
    throw new CreoError('invalid_input', `"${redemption}" is not a redemption.`, {hint: 'creo redemption list'})
  }
  const {seq} = await context.client.submit({type: `redemption.${how}`, redemption})
  return seq
}

export function shownRedemption(view: RedemptionView, incentives: readonly IncentiveView[]): ShownRedemption {
  const decimals = incentives.find(({id}) => id === view.incentive)?.decimals ?? 0
  const {id, offer, incentive, holder, quantity, status, endedAtMs} = view
  return {
    redemption: id,
    offer,
    incentive,
    holder,
    quantity,
    amount: formatDecimal(view.amountMinor, decimals),
    status,
    requestedAt: new Date(view.requestedAtMs).toISOString(),
    endedAt: endedAtMs === null ? null : new Date(endedAtMs).toISOString()
  }
}
