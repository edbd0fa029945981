import type {CommandOf} from '../protocol/commands.ts'
import {POOL, RESERVED} from './balances.ts'
import {refuseBlocked} from './block-commands.ts'
import {type Effect, refuse} from './outcome.ts'
import {forgetSuperseded, hasLeases, pairOf} from './revision-work.ts'
import type {CommandContext, LeaseState, LedgerState, Result} from './state.ts'

/** Sets the lease's budget aside: pool → reserved of the org, so that what a node earns is there already. */
export function grantLease(context: CommandContext, body: CommandOf<'lease.grant'>): Result {
  const {state, seq, atMs} = context
  const revision = state.revisions.get(body.revision)
  // One that could only be gone back to is nobody's to lease.
  if (revision === undefined || !(revision.isCurrent || hasLeases(revision))) refuse('not_found', `There is no revision ${body.revision}.`)
  refuseBlocked(state, {...revision, org: state.accounts[revision.org]?.name ?? ''})
  const node = state.nodes.get(body.node)
  if (node === undefined) refuse('not_found', `There is no node ${body.node}.`)
  if (revision.spec.owners?.includes(state.accountName(node.owner)) === false)
    refuse('forbidden', `${body.revision} is kept for nodes of other owners than that of ${body.node}.`)
  if (body.endsAtMs <= atMs) refuse('invalid_input', 'The lease would have ended already.')
  const paying = new Set(revision.spec.rewards.map((line) => line.incentive))
  if (new Set(body.budgets.map((budget) => budget.incentive)).size !== body.budgets.length)
    refuse('invalid_input', 'An incentive is budgeted twice.')
  const budgets = body.budgets.map(({incentive, amountMinor}) => {
    if (!paying.has(incentive)) refuse('invalid_input', `${body.revision} has no reward line of ${incentive}.`)
    const {asset, id} = state.incentive(incentive)
    const inPool = state.balances.of(revision.org, asset, POOL)
    if (inPool < amountMinor)
      refuse(
        'reward_pool_empty',
        `The reward pool holds ${state.amountText(asset, inPool)}, less than ${state.amountText(asset, amountMinor)}.`
      )
    return {asset, incentive: id, reservedMinor: amountMinor, paidMinor: 0}
  })
  for (const {asset, reservedMinor} of budgets) {
    state.balances.move(state.slot(revision.org, asset, POOL), state.slot(revision.org, asset, RESERVED), reservedMinor)
  }
  const id = `lea_${seq}`
  const lease: LeaseState = {
    id,
    node: node.id,
    revision: revision.id,
    startsAtMs: atMs,
    endsAtMs: body.endsAtMs,
    isEnded: false,
    budgets
  }
  state.leases.set(id, lease)
  const pair = pairOf(revision, node.id)
  pair.leases = pair.leases.concat(lease)
  state.expiries.push({atMs: settlesAtMs(state, lease), seq, what: 'lease', id})
  context.effects.push({type: 'lease', id, node: body.node, revision: body.revision, endsAtMs: body.endsAtMs, budgets: body.budgets})
  return {lease: id, startsAtMs: atMs, endsAtMs: body.endsAtMs}
}

/** Ends the lease's term now. What was served until then is still paid; what is left after the receipts' grace returns to the pool by itself. */
export function endLease(context: CommandContext, body: CommandOf<'lease.end'>): Result {
  const {state, seq, atMs} = context
  const lease = state.leases.get(body.lease)
  if (lease === undefined || lease.isEnded) refuse('not_found', `There is no lease ${body.lease} that has not ended.`)
  lease.endsAtMs = Math.min(lease.endsAtMs, atMs)
  lease.isEnded = true
  const settlesMs = settlesAtMs(state, lease)
  state.expiries.push({atMs: settlesMs, seq, what: 'lease', id: lease.id})
  context.effects.push({type: 'lease.ended', id: lease.id, endsAtMs: lease.endsAtMs})
  return {lease: lease.id, endsAtMs: lease.endsAtMs, settlesAtMs: settlesMs}
}

/** When the last receipt of the lease may come: then what is left returns to the pool. */
export function settlesAtMs(state: LedgerState, lease: Pick<LeaseState, 'endsAtMs'>): number {
  return lease.endsAtMs + state.genesis.receiptGraceMs
}

/** reserved → pool for what was not earned; no receipt of the lease is paid from then on. */
export function settleLease(state: LedgerState, lease: LeaseState): Effect[] {
  const revision = state.revisions.get(lease.revision)
  for (const {asset, reservedMinor, paidMinor} of lease.budgets) {
    const org = revision?.org ?? 0
    state.balances.move(state.slot(org, asset, RESERVED), state.slot(org, asset, POOL), reservedMinor - paidMinor)
  }
  state.leases.delete(lease.id)
  if (revision !== undefined) {
    const pair = pairOf(revision, lease.node)
    pair.leases = pair.leases.filter((other) => other !== lease)
    forgetSuperseded(state, revision, lease.node)
  }
  return lease.isEnded ? [] : [{type: 'lease.ended', id: lease.id, endsAtMs: lease.endsAtMs}]
}
