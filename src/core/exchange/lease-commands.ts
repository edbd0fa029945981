import type {CommandOf} from '../protocol/commands.ts'
import {POOL, RESERVED} from './balances.ts'
import {LEASE_RECEIPT_GRACE_MS} from './limits.ts'
import {type Effect, refuse} from './outcome.ts'
import type {CommandContext, LeaseState, LedgerState, Result} from './state.ts'

/** Sets the lease's budget aside: pool → reserved of the org, so that what a node earns is there already. */
export function grantLease(context: CommandContext, body: CommandOf<'lease.grant'>): Result {
  const {state, seq, atMs} = context
  const revision = state.revisions.get(body.revision)
  if (revision === undefined) refuse('not_found', `There is no revision ${body.revision}.`)
  if (!state.nodes.has(body.node)) refuse('not_found', `There is no node ${body.node}.`)
  if (body.endsAtMs <= atMs) refuse('invalid_input', 'The lease would have ended already.')
  const paying = new Set(revision.spec.rewards.map((line) => line.incentive))
  if (new Set(body.budgets.map((budget) => budget.incentive)).size !== body.budgets.length)
    refuse('invalid_input', 'An incentive is budgeted twice.')
  const budgets = body.budgets.map(({incentive, amountMinor}) => {
    if (!paying.has(incentive)) refuse('invalid_input', `${body.revision} has no reward line of ${incentive}.`)
    const {asset} = state.incentive(incentive)
    const inPool = state.balances.of(revision.org, asset, POOL)
    if (inPool < amountMinor)
      refuse('reward_pool_empty', `The reward pool of ${incentive} holds ${inPool}, less than ${amountMinor} (minor units).`)
    return {asset, incentive, reservedMinor: amountMinor, paidMinor: 0}
  })
  for (const {asset, reservedMinor} of budgets) {
    state.balances.move(state.slot(revision.org, asset, POOL), state.slot(revision.org, asset, RESERVED), reservedMinor)
  }
  const id = `lea_${seq}`
  state.leases.set(id, {id, node: body.node, revision: body.revision, startsAtMs: atMs, endsAtMs: body.endsAtMs, budgets})
  state.expiries.push({atMs: body.endsAtMs + LEASE_RECEIPT_GRACE_MS, seq, what: 'lease', id})
  context.effects.push({type: 'lease', id, node: body.node, revision: body.revision, endsAtMs: body.endsAtMs, budgets: body.budgets})
  return {lease: id, startsAtMs: atMs, endsAtMs: body.endsAtMs}
}

export function endLease(context: CommandContext, body: CommandOf<'lease.end'>): Result {
  const lease = context.state.leases.get(body.lease)
  if (lease === undefined) refuse('not_found', `There is no lease ${body.lease} that has not ended.`)
  const returned = lease.budgets.map((budget) => ({
    incentive: budget.incentive,
    amountMinor: String(budget.reservedMinor - budget.paidMinor)
  }))
  context.effects.push(returnRest(context.state, lease))
  return {lease: lease.id, returned}
}

/** reserved → pool for what was not earned; no receipt of the lease is paid from then on. */
export function returnRest(state: LedgerState, lease: LeaseState): Effect {
  const org = state.revisions.get(lease.revision)?.org ?? 0
  for (const {asset, reservedMinor, paidMinor} of lease.budgets) {
    state.balances.move(state.slot(org, asset, RESERVED), state.slot(org, asset, POOL), reservedMinor - paidMinor)
  }
  state.leases.delete(lease.id)
  return {type: 'lease.ended', id: lease.id}
}
