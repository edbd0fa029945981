import {CreoError, isCreoError} from '../core/errors.ts'
import {positiveAmount} from '../core/market-units.ts'
import {meantOr} from '../core/nearest.ts'
import type {IncentiveView, OfferView} from '../core/protocol/api.ts'
import {type OfferSpec, OWNER_SHARE_ALL} from '../core/protocol/market-commands.ts'
import {incentiveCodeSchema, incentiveIdSchema, nameSchema} from '../core/protocol/scalars.ts'
import {formatDecimal, GUTTA_DECIMALS, mulDivFloor} from '../core/units.ts'
import type {AccountContext, Context} from './context.ts'

/** Of an incentive's trade volume limit one account may take so much, unless its issuer says otherwise. */
export const OWNER_SHARE_PERCENT = 25
export const PERMILLE_PER_PERCENT = 10

export interface OfferInput {
  readonly item: string
  readonly price: string
  readonly stock: number
  readonly where: 'in-app' | 'in-store'
  /** Digest of its picture; null takes it away. */
  readonly picture?: string | null | undefined
}

/** What an owner types to issue an incentive; amounts in whole units, the limit in Gutta. */
export interface IssueInput {
  readonly code: string
  readonly name: string
  readonly decimals: number
  readonly supply: string
  readonly lot: string
  readonly limit: string
  /** Of the limit, what one account may take. */
  readonly ownerSharePercent: number
  /** `app/function`, or undefined for all functions of the org. */
  readonly scope: string | undefined
  readonly captured: 'burn' | 'return'
  readonly transferable: boolean
  readonly offer: OfferInput
}

/** Issues an incentive with its first offer. @throws {CreoError} `invalid_input` for what can't be before anything is sent. */
export async function issueIncentive(context: AccountContext, input: IssueInput): Promise<{incentive: string; offer: string; seq: number}> {
  if (!incentiveCodeSchema.safeParse(input.code).success) {
    throw new CreoError('invalid_input', `"${input.code}" is not a code.`, {
      hint: 'Use 2 to 10 capital letters and digits, for example LEAF.'
    })
  }
  const {decimals} = input
  const scope = input.scope === undefined ? {} : {scope: scopeFrom(input.scope)}
  const {seq} = await context.client.submit({
    type: 'incentive.issue',
    code: input.code,
    name: input.name,
    ...scope,
    decimals,
    lotMinor: positiveAmount(input.lot, decimals, 'lot'),
    supplyMinor: positiveAmount(input.supply, decimals, 'supply'),
    tradeVolumeLimitMicroGutta: positiveAmount(input.limit, GUTTA_DECIMALS, 'trade volume limit'),
    ...(input.ownerSharePercent < 100 && {ownerSharePermille: input.ownerSharePercent * PERMILLE_PER_PERCENT}),
    captured: input.captured,
    transferable: input.transferable,
    firstOffer: offerFrom(input.offer, decimals)
  })
  return {incentive: `${context.account.name}/${input.code}`, offer: `off_${seq}`, seq}
}

export interface LimitedVolume {
  readonly incentive: string
  readonly limitGutta: string
  /** Of the limit, what one account may take. */
  readonly ownerSharePercent: number
  readonly seq: number
  /** Why nobody could buy anything under it; null where somebody could. */
  readonly warning: string | null
}

/** Sets the trade volume limit, in Gutta, and an account's share of it, which stays when left out. */
export async function limitTradeVolume(
  context: AccountContext,
  input: {readonly incentive: string; readonly limit: string; readonly ownerSharePercent: number | undefined},
  signal: AbortSignal
): Promise<LimitedVolume> {
  const tradeVolumeLimitMicroGutta = positiveAmount(input.limit, GUTTA_DECIMALS, 'trade volume limit')
  const {id, ownerSharePermille} = await findIncentive(context, input.incentive, signal)
  const share = input.ownerSharePercent === undefined ? {} : {ownerSharePermille: input.ownerSharePercent * PERMILLE_PER_PERCENT}
  const {seq} = await context.client.submit({type: 'incentive.limit', incentive: id, tradeVolumeLimitMicroGutta, ...share})
  const sharePermille = share.ownerSharePermille ?? ownerSharePermille ?? OWNER_SHARE_ALL
  const warning = await limitWarning(context, {id, limitMicroGutta: tradeVolumeLimitMicroGutta, sharePermille}, signal)
  return {incentive: id, limitGutta: input.limit, ownerSharePercent: sharePermille / PERMILLE_PER_PERCENT, seq, warning}
}

/**
 * What is wrong with a limit for which nobody could buy even one lot of what is on sale, of the whole or of the share that one account may take; null if nothing is.
 */
async function limitWarning(
  {client}: Context,
  {id, limitMicroGutta, sharePermille}: {readonly id: string; readonly limitMicroGutta: number; readonly sharePermille: number},
  signal: AbortSignal
): Promise<string | null> {
  const [best] = (await client.book(id, signal)).asks
  const mostMicroGutta = mulDivFloor(limitMicroGutta, sharePermille, OWNER_SHARE_ALL).quotient
  if (best === undefined || best.priceMicroGutta <= mostMicroGutta) return null
  const lot = formatDecimal(best.priceMicroGutta, GUTTA_DECIMALS)
  const what = best.priceMicroGutta > limitMicroGutta ? 'the limit' : "one account's share of the limit"
  return `One lot at the best price on sale costs ${lot} Gutta, more than ${what}: nobody can buy it.`
}

/** True when something of the account's own that serves pays its hosts in it. */
export async function isPaidIn({client, account}: AccountContext, id: string, signal: AbortSignal): Promise<boolean> {
  const {apps} = await client.apps({org: account.name}, signal)
  return apps.some(({revisions}) =>
    revisions.some(({percent, spec}) => percent > 0 && spec.rewards.some(({incentive}) => incentive === id))
  )
}

/** One incentive by its id. @throws {CreoError} `not_found` with the nearest one that exists. */
export async function findIncentive({client}: Context, id: string, signal: AbortSignal): Promise<IncentiveView> {
  if (!incentiveIdSchema.safeParse(id).success) {
    throw new CreoError('invalid_input', `"${id}" is not an incentive.`, {hint: 'Write ORG/CODE, for example colibris/LEAF.'})
  }
  try {
    return await client.incentive(id, signal)
  } catch (cause) {
    if (!isCreoError(cause) || cause.code !== 'not_found') throw cause
    const {incentives} = await client.incentives(signal)
    const known = incentives.map((incentive) => incentive.id)
    const hint = meantOr(id, known, 'creo incentive list')
    throw new CreoError('not_found', `There is no incentive ${id}.`, {hint, cause})
  }
}

export function offerFrom(input: OfferInput, decimals: number): OfferSpec {
  const {item, price, stock, where, picture} = input
  const priceMinor = positiveAmount(price, decimals, 'price of the offer')
  return {item, priceMinor, stock, where, ...(typeof picture === 'string' && {picture})}
}

export interface ShownOffer {
  readonly offer: string
  readonly incentive: string
  readonly item: string
  readonly price: string
  readonly stock: number
  readonly where: string
  /** True when it can be redeemed no longer. */
  readonly stopped: boolean
  /** Digest; null for none. */
  readonly picture: string | null
}

export function shownOffer(offer: OfferView, incentives: readonly IncentiveView[]): ShownOffer {
  const decimals = incentives.find(({id}) => id === offer.incentive)?.decimals ?? 0
  const {id, incentive, item, stock, where, picture = null} = offer
  return {
    offer: id,
    incentive,
    item,
    price: formatDecimal(offer.priceMinor, decimals),
    stock,
    where,
    stopped: offer.stopped ?? false,
    picture
  }
}

export interface ShownIncentive {
  readonly incentive: string
  readonly name: string
  readonly scope: string
  readonly supply: string
  readonly lot: string
  readonly limitGutta: string
  readonly usedGutta: string
  /** Of the limit, what one account may take. */
  readonly ownerSharePercent: number
  /** Whether holders may give it to anybody, beside the market. */
  readonly transferable: boolean
}

export function shownIncentive(view: IncentiveView): ShownIncentive {
  return {
    incentive: view.id,
    name: view.name,
    scope: view.scope === null ? 'all functions' : `${view.scope.app}/${view.scope.function}`,
    supply: formatDecimal(view.supplyMinor, view.decimals),
    lot: formatDecimal(view.lotMinor, view.decimals),
    limitGutta: formatDecimal(view.tradeVolumeLimitMicroGutta, GUTTA_DECIMALS),
    usedGutta: formatDecimal(view.tradeVolumeUsedMicroGutta, GUTTA_DECIMALS),
    ownerSharePercent: (view.ownerSharePermille ?? OWNER_SHARE_ALL) / PERMILLE_PER_PERCENT,
    transferable: view.transferable
  }
}

function scopeFrom(text: string): {app: string; function: string} {
  const [app = '', name = '', ...rest] = text.split('/')
  if (rest.length === 0 && nameSchema.safeParse(app).success && nameSchema.safeParse(name).success) return {app, function: name}
  throw new CreoError('invalid_input', `"${text}" is not a function.`, {hint: 'Write APP/FUNCTION, for example shop/api.'})
}

export interface OfferChanges extends Partial<OfferInput> {
  readonly stopped?: boolean | undefined
}

/** Changes what is given, and answers the offer as it is then. @throws {CreoError} `not_found` with what is offered; `usage` where nothing is given. */
export async function editOffer(
  context: AccountContext,
  id: string,
  changes: {readonly [K in keyof OfferChanges]: OfferChanges[K] | undefined},
  signal: AbortSignal
): Promise<ShownOffer & {readonly seq: number}> {
  if (Object.values(changes).every((value) => value === undefined))
    throw new CreoError('usage', 'It is not said what is to change.', {hint: 'creo offer edit --help'})
  const {client} = context
  const [{offers}, {incentives}] = await Promise.all([client.offers({}, signal), client.incentives(signal)])
  const before = offers.find((offer) => offer.id === id)
  if (before === undefined) throw new CreoError('not_found', `There is no offer "${id}".`, {hint: 'creo offer list'})
  const decimals = incentives.find((incentive) => incentive.id === before.incentive)?.decimals ?? 0
  const {price, ...others} = changes
  const priceMinor = price === undefined ? {} : {priceMinor: positiveAmount(price, decimals, 'price of the offer')}
  const {seq} = await client.submit({type: 'offer.edit', offer: before.id, ...others, ...priceMinor})
  const after = (await client.offers({incentive: before.incentive}, signal)).offers.find((offer) => offer.id === id) ?? before
  return {...shownOffer(after, incentives), seq}
}
