import type {CommandOf} from '../protocol/commands.ts'
import {AMOUNT_MAX} from '../units.ts'
import {AVAILABLE, HELD, SINK} from './balances.ts'
import {refuseOtherMeasure} from './incentive-commands.ts'
import {type Effect, refuse} from './outcome.ts'
import type {AccountState, CommandContext, LedgerState, RedemptionState, Result} from './state.ts'

/** The first half: the holder's value is held and the stock is set aside, until the org captures or releases, or time runs out. */
export function requestRedemption(context: CommandContext, holder: AccountState, body: CommandOf<'redemption.request'>): Result {
  const {state, seq, atMs} = context
  const offer = state.offers.get(body.offer)
  if (offer === undefined) refuse('not_found', `There is no offer ${body.offer}.`)
  refuseOtherMeasure(offer.incentive, body.measure)
  if (offer.stopped) refuse('sold_out', `${body.offer} is offered no longer.`)
  if (body.priceAtMostMinor !== undefined && offer.priceMinor > body.priceAtMostMinor)
    refuse('conflict', `${body.offer} costs more by now: ${offer.priceMinor} minor units each.`)
  if (offer.stock < body.quantity) refuse('sold_out', `${body.offer} has ${offer.stock} left.`)
  const amountMinor = offer.priceMinor * body.quantity
  if (amountMinor > AMOUNT_MAX) refuse('invalid_input', 'That costs more than any supply.')
  const {asset, id: incentive} = offer.incentive
  const available = state.slot(holder.index, asset, AVAILABLE)
  if (state.balances.at(available) < amountMinor)
    refuse('insufficient_funds', `${holder.name} has less than that of ${incentive} available.`)
  state.balances.move(available, state.slot(holder.index, asset, HELD), amountMinor)
  offer.stock -= body.quantity
  const id = `red_${seq}`
  const timeoutAtMs = atMs + state.genesis.redemptionTimeoutMs
  state.redemptions.set(id, {id, offer, holder: holder.index, quantity: body.quantity, amountMinor, timeoutAtMs})
  state.expiries.push({atMs: timeoutAtMs, seq, what: 'redemption', id})
  context.effects.push({type: 'offer.stock', id: offer.id, stock: offer.stock})
  const code = body.code === undefined ? {} : {code: body.code}
  context.effects.push({
    type: 'redemption',
    id,
    offer: offer.id,
    incentive,
    holder: holder.id,
    quantity: body.quantity,
    amountMinor,
    ...code
  })
  return {redemption: id, offer: offer.id, incentive, amountMinor: String(amountMinor), status: 'held', timeoutAtMs}
}

/** The second half: the held value is burned (sink of the org) or goes back to the org, as the incentive says. */
export function captureRedemption(context: CommandContext, org: AccountState, body: CommandOf<'redemption.capture'>): Result {
  const {state, atMs} = context
  const redemption = heldRedemption(state, org, body.redemption)
  if (redemption.timeoutAtMs <= atMs) refuse('expired', `${redemption.id} timed out before it was captured.`)
  const {incentive} = redemption.offer
  const to = state.slot(org.index, incentive.asset, incentive.captured === 'burn' ? SINK : AVAILABLE)
  state.balances.move(state.slot(redemption.holder, incentive.asset, HELD), to, redemption.amountMinor)
  state.redemptions.delete(redemption.id)
  context.effects.push({type: 'redemption.ended', id: redemption.id, status: 'captured'})
  return {redemption: redemption.id, status: 'captured', amountMinor: String(redemption.amountMinor), became: incentive.captured}
}

export function releaseRedemption(context: CommandContext, org: AccountState, body: CommandOf<'redemption.release'>): Result {
  const redemption = heldRedemption(context.state, org, body.redemption)
  context.effects.push(...giveBack(context.state, redemption, body.reason))
  return {redemption: redemption.id, status: 'released', amountMinor: String(redemption.amountMinor)}
}

/** Value to the holder, items to the stock. */
export function giveBack(state: LedgerState, redemption: RedemptionState, reason?: string): Effect[] {
  const {offer, holder} = redemption
  const {asset} = offer.incentive
  state.balances.move(state.slot(holder, asset, HELD), state.slot(holder, asset, AVAILABLE), redemption.amountMinor)
  offer.stock += redemption.quantity
  state.redemptions.delete(redemption.id)
  return [
    {type: 'offer.stock', id: offer.id, stock: offer.stock},
    {type: 'redemption.ended', id: redemption.id, status: 'released', ...(reason === undefined ? {} : {reason})}
  ]
}

function heldRedemption(state: LedgerState, org: AccountState, id: string): RedemptionState {
  const redemption = state.redemptions.get(id)
  if (redemption === undefined) refuse('not_found', `There is no held redemption ${id}.`)
  if (redemption.offer.incentive.org !== org.index) refuse('forbidden', `${id} is a redemption at another org.`)
  return redemption
}
