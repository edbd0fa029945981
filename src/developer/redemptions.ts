import {CreoError} from '../core/errors.ts'
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
    throw new CreoError('invalid_input', `"${offer}" is not an offer.`, {hint: 'creo offer list'})
  const {seq} = await context.client.submit({type: 'redemption.request', offer, quantity})
  const [{redemptions}, {incentives}] = await Promise.all([
    context.client.redemptionsOf(context.account.id, {}, signal),
    context.client.incentives(signal)
  ])
  const made = redemptions.find(({id}) => id === `red_${seq}`)
  if (made === undefined) throw new CreoError('failed', `red_${seq} was requested, but is not shown yet.`, {hint: 'creo redemption list'})
  return shownRedemption(made, incentives)
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
