import type {CommandOf} from '../protocol/commands.ts'
import {type Measure, type OfferSpec, OWNER_SHARE_ALL} from '../protocol/market-commands.ts'
import {AMOUNT_MAX} from '../units.ts'
import {beginAuction} from './auction.ts'
import {AVAILABLE, ISSUED, POOL} from './balances.ts'
import {INCENTIVES_MAX, INCENTIVES_PER_ORG_MAX, OFFERS_MAX, OFFERS_PER_INCENTIVE_MAX} from './limits.ts'
import {type Effect, refuse} from './outcome.ts'
import {type AccountState, type CommandContext, GUTTA_ASSET, type IncentiveState, type Result} from './state.ts'
import {TakerVolumes} from './taker-volumes.ts'
import {VolumeWindow} from './volume-window.ts'

/** The whole supply: issued → available of the org. */
export function issueIncentive(context: CommandContext, org: AccountState, body: CommandOf<'incentive.issue'>): Result {
  const {state} = context
  const id = `${org.name}/${body.code}`
  if (state.incentivesById.has(id)) refuse('conflict', `${id} is issued already.`)
  if (org.incentives >= INCENTIVES_PER_ORG_MAX) refuse('rejected', `An org issues at most ${INCENTIVES_PER_ORG_MAX} incentives.`)
  if (state.incentives.length > INCENTIVES_MAX) refuse('overloaded', 'The network has as many incentives as it can.')
  if (body.supplyMinor % body.lotMinor !== 0) refuse('invalid_input', 'The supply must be a whole number of lots.')
  const {volumeBucketMs, volumeBuckets} = state.genesis
  const incentive: IncentiveState = {
    asset: state.incentives.length,
    id,
    org: org.index,
    scope: body.scope ?? null,
    decimals: body.decimals,
    lotMinor: body.lotMinor,
    captured: body.captured,
    ...(body.transferable && {transferable: true}),
    volume: new VolumeWindow({bucketMs: volumeBucketMs, fullBuckets: volumeBuckets}),
    tradeVolumeLimitMicroGutta: body.tradeVolumeLimitMicroGutta,
    takers: new TakerVolumes({bucketMs: volumeBucketMs, fullBuckets: volumeBuckets}),
    openOrders: 0
  }
  setOwnerShare(incentive, body.ownerSharePermille)
  state.incentives.push(incentive)
  org.incentives += 1
  state.incentivesById.set(id, incentive)
  state.balances.move(state.slot(org.index, incentive.asset, ISSUED), state.slot(org.index, incentive.asset, AVAILABLE), body.supplyMinor)
  context.effects.push(issuedEffect(org, incentive, body))
  if (state.genesis.protection !== undefined) beginAuction(context, incentive)
  const offer = makeOffer(context, incentive, body.firstOffer)
  return {incentive: id, offer, supplyMinor: String(body.supplyMinor)}
}

export function limitTradeVolume(context: CommandContext, org: AccountState, body: CommandOf<'incentive.limit'>): Result {
  const incentive = ownIncentive(context, org, body.incentive)
  const {tradeVolumeLimitMicroGutta, ownerSharePermille} = body
  incentive.tradeVolumeLimitMicroGutta = tradeVolumeLimitMicroGutta
  if (ownerSharePermille !== undefined) setOwnerShare(incentive, ownerSharePermille)
  const share = ownerSharePermille === undefined ? {} : {ownerSharePermille}
  context.effects.push({type: 'incentive.limit', id: incentive.id, tradeVolumeLimitMicroGutta, ...share})
  return {incentive: incentive.id, tradeVolumeLimitMicroGutta: String(tradeVolumeLimitMicroGutta), ...share}
}

/** All of the limit is no share: then nothing is counted by owner, and a share that is set later begins from nothing. */
function setOwnerShare(incentive: IncentiveState, permille: number | undefined): void {
  if (permille !== undefined && permille < OWNER_SHARE_ALL) {
    incentive.ownerSharePermille = permille
    return
  }
  delete incentive.ownerSharePermille
  incentive.takers.clear()
}

export function fundPool(context: CommandContext, org: AccountState, body: CommandOf<'pool.fund'>): Result {
  const {state} = context
  const {asset, id} = ownIncentive(context, org, body.incentive)
  const available = state.slot(org.index, asset, AVAILABLE)
  const pool = state.slot(org.index, asset, POOL)
  if (state.balances.at(available) < body.amountMinor) refuse('insufficient_funds', `${org.name} has less than that of ${id} available.`)
  state.balances.move(available, pool, body.amountMinor)
  return {incentive: id, poolMinor: String(state.balances.at(pool))}
}

export function addOffer(context: CommandContext, org: AccountState, body: CommandOf<'offer.add'>): Result {
  const incentive = ownIncentive(context, org, body.incentive)
  return {incentive: incentive.id, offer: makeOffer(context, incentive, body.offer)}
}

/** Its terms from now on. @throws a refusal where nothing changes, or the offer is of another org. */
export function editOffer({state, effects}: CommandContext, org: AccountState, body: CommandOf<'offer.edit'>): Result {
  const {type: _type, offer: id, ...asked} = body
  const changes = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined)) as typeof asked
  const offer = state.offers.get(id)
  if (offer === undefined) refuse('not_found', `There is no offer ${id}.`)
  if (offer.incentive.org !== org.index) refuse('forbidden', `${id} is an offer of another org.`)
  if (Object.keys(changes).length === 0) refuse('invalid_input', `Nothing of ${id} is to be changed.`)
  offer.priceMinor = changes.priceMinor ?? offer.priceMinor
  offer.stock = changes.stock ?? offer.stock
  if (changes.stopped === true) offer.stopped = true
  if (changes.stopped === false) delete offer.stopped
  effects.push({type: 'offer.edited', id, ...changes})
  return {offer: id, incentive: offer.incentive.id}
}

/** Micro-gutta out of nothing, on a development network alone: issued of the exchange's org → available. */
export function allot(context: CommandContext, body: CommandOf<'allot'>): Result {
  const {state} = context
  if (state.genesis.network !== 'development') refuse('forbidden', 'Only a development network has allotments.')
  const account = state.accountsById.get(body.account)
  if (account === undefined) refuse('not_found', `There is no account ${body.account}.`)
  const issued = state.slot(state.exchangeOrg().index, GUTTA_ASSET, ISSUED)
  if (body.amountMicroGutta > AMOUNT_MAX + state.balances.at(issued))
    refuse('supply_exceeded', 'There can be no more than 2^53 - 1 micro-gutta.')
  const available = state.slot(account.index, GUTTA_ASSET, AVAILABLE)
  state.balances.move(issued, available, body.amountMicroGutta)
  return {account: account.id, availableMicroGutta: String(state.balances.at(available))}
}

/** Refuses what was signed by who was shown another measure, as a host can show it that stands between. */
export function refuseOtherMeasure({id, decimals, lotMinor}: IncentiveState, measure: Measure): void {
  if (measure === undefined || (measure.decimals === decimals && measure.lotMinor === lotMinor)) return
  refuse('conflict', `${id} has ${decimals} decimals and lots of ${lotMinor} minor units: what was signed was shown by another measure.`)
}

function ownIncentive(context: CommandContext, org: AccountState, id: string): IncentiveState {
  const incentive = context.state.incentive(id)
  if (incentive.org !== org.index) refuse('forbidden', `${id} belongs to another org.`)
  return incentive
}

function makeOffer(context: CommandContext, incentive: IncentiveState, offer: OfferSpec): string {
  const {state, seq} = context
  if ((state.offerCounts.get(incentive.asset) ?? 0) >= OFFERS_PER_INCENTIVE_MAX)
    refuse('rejected', `An incentive has at most ${OFFERS_PER_INCENTIVE_MAX} offers: edit one that has ended.`)
  if (state.offers.size >= OFFERS_MAX) refuse('overloaded', 'The network has as many offers as it can.')
  const id = `off_${seq}`
  state.addOffer({id, incentive, priceMinor: offer.priceMinor, stock: offer.stock})
  context.effects.push({
    type: 'offer',
    id,
    incentive: incentive.id,
    item: offer.item,
    priceMinor: offer.priceMinor,
    stock: offer.stock,
    where: offer.where,
    ...(offer.picture !== undefined && {picture: offer.picture})
  })
  return id
}

function issuedEffect(org: AccountState, incentive: IncentiveState, body: CommandOf<'incentive.issue'>): Effect {
  return {
    type: 'incentive',
    id: incentive.id,
    org: org.id,
    name: body.name,
    scope: incentive.scope,
    decimals: body.decimals,
    lotMinor: body.lotMinor,
    supplyMinor: body.supplyMinor,
    tradeVolumeLimitMicroGutta: body.tradeVolumeLimitMicroGutta,
    captured: body.captured,
    transferable: body.transferable,
    ...(incentive.ownerSharePermille !== undefined && {ownerSharePermille: incentive.ownerSharePermille})
  }
}
