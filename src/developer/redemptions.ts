import {CreoError, isCreoError} from '../core/errors.ts'
import {positiveAmount} from '../core/market-units.ts'
import {nearestOf} from '../core/nearest.ts'
import type {IncentiveView, RedemptionView} from '../core/protocol/api.ts'
import {COMMAND_BATCH_MAX} from '../core/protocol/commands.ts'
import {offerIdSchema, redemptionIdSchema} from '../core/protocol/scalars.ts'
import {readRedemptionCode} from '../core/redemption-code.ts'
import {formatDecimal} from '../core/units.ts'
import {type CodeHash, isRedemptionCode, newRedemptionCode, redemptionCodeAgain} from '../identity/redemption-codes.ts'
import type {AccountContext} from './context.ts'

/** Named where a code is that of several. */
const SAME_CODE_SHOWN = 5
/** What is wrong with one of several names says nothing of the others. */
const UNKNOWN_CODES: ReadonlySet<string> = new Set(['invalid_input', 'not_found', 'conflict'])

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
  /** Why its issuer released it. */
  readonly reason: string | null
}

/** With the code by which its holder claims it; null where another key, or none, made one. */
export interface OwnRedemption extends ShownRedemption {
  readonly code: string | null
}

/** Gives value back to the issuer for an offer; it is held until the issuer captures or releases it. */
export async function redeem(
  context: AccountContext,
  {offer, quantity, price}: {readonly offer: string; readonly quantity: number; readonly price?: string | undefined},
  signal: AbortSignal
): Promise<OwnRedemption> {
  if (!offerIdSchema.safeParse(offer).success)
    throw new CreoError('invalid_input', `"${offer}" is not an offer.`, {hint: await offerMeant(context, offer, signal)})
  const atMost = price === undefined ? {} : {priceAtMostMinor: await priceMinor(context, offer, price, signal)}
  const {code, kept} = newRedemptionCode(context.key, context.networkId)
  const {seq} = await context.client
    .submit({type: 'redemption.request', offer, quantity, code: kept, ...atMost})
    .catch(async (cause: unknown) => {
      if (!isCreoError(cause)) throw cause
      if (cause.code === 'not_found') throw new CreoError('not_found', cause.message, {hint: 'creo offer list', cause})
      throw cause.code === 'conflict' && price !== undefined ? await dearer(context, offer, price, signal) : cause
    })
  const [made, {incentives}] = await Promise.all([context.client.redemption(`red_${seq}`, signal), context.client.incentives(signal)])
  return {...shownRedemption(made, incentives), code}
}

/** In the minor units of what the offer costs. */
async function priceMinor(context: AccountContext, offer: string, price: string, signal: AbortSignal): Promise<number> {
  return positiveAmount(price, (await costOf(context, offer, signal)).decimals, 'price')
}

async function dearer(context: AccountContext, offer: string, price: string, signal: AbortSignal): Promise<CreoError> {
  const {amount, incentive} = await costOf(context, offer, signal)
  return new CreoError('conflict', `${offer} costs ${amount} ${incentive} by now, more than ${price}.`, {
    hint: `creo redeem ${offer} --price ${amount}`
  })
}

/** What one costs now. */
async function costOf(
  {client}: AccountContext,
  id: string,
  signal: AbortSignal
): Promise<{readonly incentive: string; readonly decimals: number; readonly amount: string}> {
  const [{offers}, {incentives}] = await Promise.all([client.offers({}, signal), client.incentives(signal)])
  const offer = offers.find((one) => one.id === id)
  if (offer === undefined) throw new CreoError('not_found', `There is no offer ${id}.`, {hint: 'creo offer list'})
  const decimals = incentives.find((one) => one.id === offer.incentive)?.decimals ?? 0
  return {incentive: offer.incentive, decimals, amount: formatDecimal(offer.priceMinor, decimals)}
}

/** A redemption of this account, with its code. @throws {CreoError} `not_found` when this account made no such one. */
export async function ownRedemption(context: AccountContext, id: string, signal: AbortSignal): Promise<OwnRedemption> {
  const none = new CreoError('not_found', `${context.account.name} has no redemption ${id}.`, {hint: 'creo redemption list'})
  if (!redemptionIdSchema.safeParse(id).success) throw none
  const [made, {incentives}] = await Promise.all([context.client.redemption(id, signal), context.client.incentives(signal)])
  if (made.holder !== context.account.id) throw none
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
  end: EndHow,
  signal: AbortSignal
): Promise<{readonly redemption: string; readonly seq: number}> {
  const redemption = redemptionIdSchema.safeParse(idOrCode).success ? idOrCode : await redemptionOfCode(context, idOrCode, signal)
  const {seq} = await context.client.submit({type: `redemption.${end.how}`, redemption, ...reasonOf(end)})
  return {redemption, seq}
}

/** How a redemption ends, and why where it is released. */
export interface EndHow {
  readonly how: 'capture' | 'release'
  readonly reason?: string | undefined
}

function reasonOf({how, reason}: EndHow): {readonly reason?: string} {
  return how === 'capture' || reason === undefined ? {} : {reason}
}

/** What became of several redemptions: each ended by itself, so some may have failed. */
export interface EndedRedemptions {
  readonly ended: readonly {readonly redemption: string; readonly seq: number}[]
  readonly failed: readonly {readonly redemption: string; readonly code: string; readonly message: string}[]
}

/**
 * The redemptions that wait at this account, or those of one incentive or offer.
 * @throws {CreoError} `not_found` for an incentive or offer that is not this account's.
 */
export async function waitingRedemptions(
  context: AccountContext,
  chosen: {readonly incentive?: string | undefined; readonly offer?: string | undefined},
  signal: AbortSignal
): Promise<readonly string[]> {
  const {client, account} = context
  const {incentives} = await client.incentives(signal)
  const own = incentives.filter(({id, org}) => org === account.id && (chosen.incentive === undefined || id === chosen.incentive))
  if (own.length === 0) {
    throw new CreoError('not_found', `${chosen.incentive ?? 'An incentive'} of ${account.name} is not there.`, {
      hint: 'creo incentive list'
    })
  }
  const {offer} = chosen
  if (offer !== undefined) {
    const {offers} = await client.offers({}, signal)
    if (!offers.some(({id, incentive}) => id === offer && own.some((one) => one.id === incentive)))
      throw new CreoError('not_found', `${account.name} has no offer ${offer}.`, {hint: 'creo offer list'})
  }
  const waiting = await Promise.all(
    own.map(({id}) => client.redemptions({incentive: id, status: 'held', ...(offer !== undefined && {offer})}, signal))
  )
  return waiting.flatMap(({redemptions}) => redemptions.map(({id}) => id))
}

/** Ends those that are named, by redemption or by code. What is no redemption and no code, or the code of none, is among those that failed. */
export async function endNamed(
  context: AccountContext,
  names: readonly string[],
  end: EndHow,
  signal: AbortSignal
): Promise<EndedRedemptions> {
  const ids = new Set<string>()
  const failed: EndedRedemptions['failed'][number][] = []
  for (const name of names) {
    try {
      ids.add(redemptionIdSchema.safeParse(name).success ? name : await redemptionOfCode(context, name, signal))
    } catch (error) {
      if (!isCreoError(error) || !UNKNOWN_CODES.has(error.code)) throw error
      failed.push({redemption: name, code: error.code, message: error.message})
    }
  }
  const outcome = await endRedemptions(context, [...ids], end, signal)
  return {...outcome, failed: [...failed, ...outcome.failed]}
}

/** Ends several at once, each by itself. */
export async function endRedemptions(
  {client}: AccountContext,
  ids: readonly string[],
  end: EndHow,
  signal: AbortSignal
): Promise<EndedRedemptions> {
  const ended: EndedRedemptions['ended'][number][] = []
  const failed: EndedRedemptions['failed'][number][] = []
  for (let at = 0; at < ids.length; at += COMMAND_BATCH_MAX) {
    const batch = ids.slice(at, at + COMMAND_BATCH_MAX)
    const answers = await client.submitMany(
      batch.map((redemption) => ({type: `redemption.${end.how}`, redemption, ...reasonOf(end)}) as const),
      signal
    )
    for (const [index, answer] of answers.entries()) {
      const redemption = batch[index] ?? ''
      if (answer.status === 'applied') ended.push({redemption, seq: answer.seq})
      else if (answer.status === 'rejected') failed.push({redemption, code: answer.code, message: answer.message})
      else failed.push({redemption, code: answer.error.code, message: answer.error.message})
    }
  }
  return {ended, failed}
}

/**
 * The waiting redemption at this account's incentives that a code is for. Each has a salt of its own, so each is tried.
 * @throws {CreoError} `invalid_input` for a code that was mistyped; `not_found` when no redemption that waits has it; `conflict` when several do.
 */
async function redemptionOfCode({client, account, networkId}: AccountContext, typed: string, signal: AbortSignal): Promise<string> {
  const code = readRedemptionCode(typed)
  const {incentives} = await client.incentives(signal)
  const found: string[] = []
  for (const {id: incentive} of incentives.filter(({org}) => org === account.id)) {
    const {redemptions} = await client.redemptions({incentive, status: 'held'}, signal)
    const matching = redemptions.filter((redemption) => {
      const kept = keptOf(redemption)
      return kept !== undefined && isRedemptionCode(code, networkId, kept)
    })
    found.push(...matching.map(({id}) => id))
  }
  const [only, ...others] = found
  if (only === undefined) {
    throw new CreoError('not_found', `No redemption that waits at ${account.name} has that code.`, {
      hint: 'It was captured, released or timed out, or is for another org: creo redemption list'
    })
  }
  if (others.length === 0) return only
  throw new CreoError('conflict', `Several redemptions that wait have that code: ${found.slice(0, SAME_CODE_SHOWN).join(', ')}.`, {
    hint: 'What stands for a code is public, so somebody took it over for another item. Name the one that was handed over: creo redemption list --status held'
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
    endedAt: endedAtMs === null ? null : new Date(endedAtMs).toISOString(),
    reason: view.reason ?? null
  }
}
