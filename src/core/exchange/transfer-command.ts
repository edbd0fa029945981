import type {CommandOf} from '../protocol/commands.ts'
import {AVAILABLE} from './balances.ts'
import {refuse} from './outcome.ts'
import {type AccountState, type CommandContext, GUTTA_ASSET, type LedgerState, type Result} from './state.ts'

/**
 * Value from one account to another: `available` to `available`, whole or not at all. Gutta always; an incentive to whoever issued it, and to anybody if it
 * was issued as transferable: else trades beside the book would evade its trade volume limit.
 */
export function transfer(context: CommandContext, from: AccountState, body: CommandOf<'account.transfer'>): Result {
  const {state, seq} = context
  const {amountMinor, memo} = body
  const to = state.accountsById.get(body.to)
  if (to === undefined) refuse('not_found', `There is no account ${body.to}.`)
  if (to === from) refuse('invalid_input', `${from.name} would pay itself.`)
  const asset = assetFor(state, body.asset, to)
  const available = state.slot(from.index, asset, AVAILABLE)
  const has = state.balances.at(available)
  if (has < amountMinor) {
    const [is, wanted] = [state.amountText(asset, has), state.amountText(asset, amountMinor)]
    refuse('insufficient_funds', `${from.name} has ${is} available, which is less than ${wanted}.`)
  }
  state.balances.move(available, state.slot(to.index, asset, AVAILABLE), amountMinor)
  const id = `tra_${seq}`
  context.effects.push({
    type: 'transfer',
    id,
    from: from.id,
    to: to.id,
    asset: body.asset,
    amountMinor,
    ...(memo !== undefined && {memo})
  })
  return {transfer: id, to: to.id, asset: body.asset, amountMinor: String(amountMinor)}
}

/** The asset's number, if it may go there. */
function assetFor(state: LedgerState, id: string, to: AccountState): number {
  if (state.assetName(GUTTA_ASSET) === id) return GUTTA_ASSET
  const {asset, org, transferable} = state.incentive(id)
  if (transferable === true || org === to.index) return asset
  const issuer = state.accounts[org]?.name
  refuse('not_transferable', `${id} was not issued as transferable: it goes back to ${issuer} and through the market, not to ${to.name}.`)
}
