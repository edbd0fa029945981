import {CreoError, isCreoError} from '../core/errors.ts'
import {nearestOf} from '../core/nearest.ts'
import type {IncentiveView, RedemptionView} from '../core/protocol/api.ts'
import {offerIdSchema, redemptionIdSchema} from '../core/protocol/scalars.ts'
import {readRedemptionCode} from '../core/redemption-code.ts'
import {formatDecimal} from '../core/units.ts'
import {type CodeHash, isRedemptionCode, newRedemptionCode, redemptionCodeAgain} from '../identity/redemption-codes.ts'
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

/** With the code by which its holder claims it; null where another key, or none, made one. */
export interface OwnRedemption extends ShownRedemption {
  readonly code: string | null
}

/** Gives value back to the issuer for an offer; it is held until the issuer captures or releases it. */
export async function redeem(context: AccountContext, offer: string, quantity: number, signal: AbortSignal): Promise<OwnRedemption> {
  if (!offerIdSchema.safeParse(offer).success)
    throw new CreoError('invalid_input', `"${offer}" is not an offer.`, {hint: await offerMeant(context, offer, signal)})
  const {code, kept} = newRedemptionCode(context.key, context.networkId)
  const {seq} = await context.client.submit({type: 'redemption.request', offer, quantity, code: kept}).catch((cause: unknown) => {
    if (!isCreoError(cause) || cause.code !== 'not_found') throw cause
    throw new CreoError('not_found', cause.message, {hint: 'creo offer list', cause})
  })
  const [{redemptions}, {incentives}] = await Promise.all([
    context.client.redemptionsOf(context.account.id, {}, signal),
    context.client.incentives(signal)
  ])
  const made = redemptions.find(({id}) => id === `red_${seq}`)
  if (made === undefined) throw new CreoError('failed', `red_${seq} was requested, but is not shown yet.`, {hint: 'creo redemption list'})
  return {...shownRedemption(made, incentives), code}
}

/** A redemption of this account, with its code. @throws {CreoError} `not_found` when this account made no such one. */
export async function ownRedemption(context: AccountContext, id: string, signal: AbortSignal): Promise<OwnRedemption> {
  const [{redemptions}, {incentives}] = await Promise.all([
    context.client.redemptionsOf(context.account.id, {}, signal),
    context.client.incentives(signal)
  ])
  const made = redemptions.find((redemption) => redemption.id === id)
  if (made === undefined) {
    throw new CreoError('not_found', `${context.account.name} has no redemption ${id}.`, {hint: 'creo redemption list'})
  }
  const kept = keptOf(made)
  return {...shownRedemption(made, incentives), code: (kept && redemptionCodeAgain(context.key, context.networkId, kept)) ?? null}
}

function keptOf({codeSalt, codeHash}: RedemptionView): CodeHash | undefined {
  return typeof codeSalt === 'string' && typeof codeHash === 'string' ? {salt: codeSalt, hash: codeHash} : undefined
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
export async function endRedemption(
  context: AccountContext,
  idOrCode: string,
  how: 'capture' | 'release',
  signal: AbortSignal
): Promise<{readonly redemption: string; readonly seq: number}> {
  const redemption = redemptionIdSchema.safeParse(idOrCode).success ? idOrCode : await redemptionOfCode(context, idOrCode, signal)
  const {seq} = await context.client.submit({type: `redemption.${how}`, redemption})
  return {redemption, seq}
}

/**
 * The waiting redemption at this account's incentives that a code is for. Each has a salt of its own, so each is tried.
 * @throws {CreoError} `invalid_input` for a code that was mistyped; `not_found` when no redemption that waits has it.
 */
async function redemptionOfCode({client, account, networkId}: AccountContext, typed: string, signal: AbortSignal): Promise<string> {
  const code = readRedemptionCode(typed)
  const {incentives} = await client.incentives(signal)
  for (const {id: incentive} of incentives.filter(({org}) => org === account.id)) {
    const {redemptions} = await client.redemptions({incentive, status: 'held'}, signal)
    const found = redemptions.find((redemption) => {
      const kept = keptOf(redemption)
      return kept !== undefined && isRedemptionCode(code, networkId, kept)
    })
    if (found !== undefined) return found.id
  }
  throw new CreoError('not_found', `No redemption that waits at ${account.name} has that code.`, {
    hint: 'It was captured, released or timed out, or is for another org: creo redemption list'
  })
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
