import {blockKey, blockKeysOf} from '../protocol/blocks.ts'
import type {CommandOf} from '../protocol/commands.ts'
import type {RevisionSpec} from '../protocol/revisions.ts'
import {BLOCKS_MAX} from './limits.ts'
import {refuse} from './outcome.ts'
import type {CommandContext, LedgerState, Result} from './state.ts'

/** Keeps something out of the network from now on. Blocking what is blocked changes nothing. */
export function block({state, effects, keyId}: CommandContext, {target, reason}: CommandOf<'operator.block'>): Result {
  const key = blockKey(target)
  if (state.blocks.has(key)) return {...target, status: 'already_blocked'}
  if (target.kind === 'account' && !state.accountsByName.has(target.name)) refuse('not_found', `There is no account "${target.name}".`)
  if (state.blocks.size >= BLOCKS_MAX) refuse('rejected', `At most ${BLOCKS_MAX} things can be blocked.`)
  state.blocks.set(key, reason)
  effects.push({type: 'block', action: 'block', ...target, reason, by: keyId})
  return {...target, status: 'blocked'}
}

export function unblock({state, effects, keyId}: CommandContext, {target, reason}: CommandOf<'operator.unblock'>): Result {
  if (!state.blocks.delete(blockKey(target))) return {...target, status: 'already_unblocked'}
  effects.push({type: 'block', action: 'unblock', ...target, reason, by: keyId})
  return {...target, status: 'unblocked'}
}

/** Refuses what would make, or lease, a revision that the operator keeps out. */
export function refuseBlocked(
  state: LedgerState,
  revision: {readonly org: string; readonly imageDigest: string; readonly spec: RevisionSpec}
): void {
  const {org, imageDigest, spec} = revision
  const key = blockKeysOf({org, imageDigest, egress: spec.egress}).find((one) => state.blocks.has(one))
  if (key !== undefined) refuse('forbidden', `The operator of the network has blocked the ${key}: ${state.blocks.get(key) ?? ''}`)
}

/** Refuses what a blocked account may not do any more. */
export function refuseBlockedAccount(state: LedgerState, name: string): void {
  const reason = state.blocks.get(blockKey({kind: 'account', name}))
  if (reason !== undefined) refuse('forbidden', `The operator of the network has blocked the account ${name}: ${reason}`)
}
