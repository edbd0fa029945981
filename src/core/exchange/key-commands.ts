import assert from 'node:assert'
import {ACCOUNT_KEYS_MAX} from '../protocol/account-keys.ts'
import type {CommandOf} from '../protocol/commands.ts'
import {
  CLOCK_SKEW_MAX_MS,
  INVITE_LIFETIME_MAX_MS,
  INVITES_OPEN_MAX,
  INVITES_PER_ACCOUNT_MAX,
  INVITES_RESERVED,
  RECOVERY_DELAY_MS
} from './limits.ts'
import {type Effect, refuse} from './outcome.ts'
import type {AccountInvite, AccountKey, AccountState, CommandContext, LedgerState, Result} from './state.ts'

/** A key belongs to one account at most, and one that an account is being recovered with is taken. */
export function assertFreeKey(state: LedgerState, keyId: string): void {
  if (state.accountsByKey.has(keyId) || state.recoveringKeys.has(keyId)) refuse('conflict', `Key ${keyId} belongs to an account already.`)
}

export function addKey(context: CommandContext, account: AccountState, body: CommandOf<'key.add'>): Result {
  const keyId = context.bodyKeyIds[0] ?? ''
  assertFreeKey(context.state, keyId)
  assertRoom(account)
  setKeys(context.state, account, [...account.keys, {keyId, publicKey: body.publicKey, roles: body.roles}])
  context.effects.push(keysEffect(account))
  return {key: keyId, roles: body.roles}
}

/**
 * Takes a key away, and with it an invitation that has its id and those that it made. There is always an owner key: without one nobody could ever
 * change the list again but by a recovery.
 */
export function revokeKey(context: CommandContext, account: AccountState, {keyId}: CommandOf<'key.revoke'>): Result {
  const {state} = context
  const isInvitation = state.invitesByKey.get(keyId) === account.index
  const left = account.keys.filter((key) => key.keyId !== keyId)
  if (left.length === account.keys.length && !isInvitation) refuse('not_found', `${account.name} has no key ${keyId}.`)
  if (!left.some(isOwner)) refuse('conflict', 'It is the last owner key of the account: add or rotate one first.')
  endWhatBegan(state, account, keyId)
  setKeys(state, account, left)
  context.effects.push(keysEffect(account))
  return {key: keyId}
}

export function rotateKey(context: CommandContext, account: AccountState, body: CommandOf<'key.rotate'>): Result {
  const {state} = context
  const old = ownKey(account, body.keyId)
  const keyId = context.bodyKeyIds[0] ?? ''
  assertFreeKey(state, keyId)
  endWhatBegan(state, account, old.keyId)
  setKeys(
    state,
    account,
    account.keys.map((key) => (key === old ? {keyId, publicKey: body.publicKey, roles: old.roles} : key))
  )
  context.effects.push(keysEffect(account))
  return {key: keyId, replaces: old.keyId, roles: old.roles}
}

export function inviteKey(context: CommandContext, account: AccountState, {roles, expiresAtMs}: CommandOf<'key.invite'>): Result {
  const {state, seq, atMs, keyId: madeBy} = context
  const keyId = context.bodyKeyIds[0] ?? ''
  if (roles.includes('recovery')) refuse('invalid_input', 'A recovery key is not given by invitation.')
  if (expiresAtMs <= atMs) refuse('invalid_input', 'The invitation would be expired already.')
  if (expiresAtMs > atMs + INVITE_LIFETIME_MAX_MS + CLOCK_SKEW_MAX_MS)
    refuse('invalid_input', 'An invitation is good for at most thirty days.')
  if (state.invitesByKey.has(keyId)) refuse('conflict', 'This invitation exists already.')
  assertFreeKey(state, keyId)
  const {invites = []} = account
  if (invites.length >= INVITES_PER_ACCOUNT_MAX)
    refuse('rejected', `An account has at most ${INVITES_PER_ACCOUNT_MAX} invitations that nobody has accepted.`)
  const openMax = invites.length === 0 ? INVITES_OPEN_MAX + INVITES_RESERVED : INVITES_OPEN_MAX
  if (state.invitesByKey.size >= openMax) refuse('overloaded', 'Too many invitations are open.')
  account.invites = [...invites, {keyId, roles, expiresAtMs, madeBy}]
  state.invitesByKey.set(keyId, account.index)
  state.expiries.push({atMs: expiresAtMs, seq, what: 'invite', id: keyId})
  context.effects.push(keysEffect(account))
  return {invitation: keyId, roles, expiresAtMs}
}

export function acceptInvite(context: CommandContext, body: CommandOf<'key.accept'>): Result {
  const {state, atMs, keyId, bodyKeyIds} = context
  const [ownId, inviteId = ''] = bodyKeyIds
  if (ownId !== keyId) refuse('forbidden', 'An invitation is accepted with the key that it adds.')
  const account = state.accounts[state.invitesByKey.get(inviteId) ?? -1]
  const invite = account?.invites?.find((open) => open.keyId === inviteId)
  if (account === undefined || invite === undefined) refuse('not_found', 'There is no such invitation, or it was used or withdrawn.')
  if (account.id !== body.account) refuse('forbidden', 'The invitation is of another account than the key was told.')
  if (invite.expiresAtMs <= atMs) refuse('expired', 'The invitation has expired.')
  assertFreeKey(state, keyId)
  assertRoom(account)
  dropInvite(state, inviteId)
  setKeys(state, account, [...account.keys, {keyId, publicKey: body.publicKey, roles: invite.roles}])
  context.effects.push(keysEffect(account))
  return {account: account.id, name: account.name, key: keyId, roles: invite.roles}
}

/** Nothing changes until the network's delay is over: time for an owner to notice and to cancel. */
export function startRecovery(context: CommandContext, account: AccountState, body: CommandOf<'recovery.start'>): Result {
  const {state, seq, atMs, keyId: startedBy} = context
  const keyId = context.bodyKeyIds[0] ?? ''
  if (account.recovery !== undefined) refuse('conflict', 'The account is being recovered already.')
  assertFreeKey(state, keyId)
  const dueAtMs = atMs + (state.genesis.recoveryDelayMs ?? RECOVERY_DELAY_MS)
  account.recovery = {keyId, publicKey: body.publicKey, startedBy, dueAtMs}
  state.recoveringKeys.set(keyId, account.index)
  state.expiries.push({atMs: dueAtMs, seq, what: 'recovery', id: keyId})
  context.effects.push(keysEffect(account))
  return {account: account.id, key: keyId, dueAtMs}
}

export function cancelRecovery(context: CommandContext, account: AccountState): Result {
  const {recovery} = account
  if (recovery === undefined) refuse('not_found', 'The account is not being recovered.')
  endRecovery(context.state, account)
  context.effects.push(keysEffect(account))
  return {account: account.id, key: recovery.keyId}
}

/**
 * The new key takes the place of every owner key. Whoever recovers does not know what a thief of one of those has prepared: invitations end, and so does
 * every right to recover but that of the key that began it, which stays unless it was an owner itself and there is no room for both.
 */
export function completeRecovery(state: LedgerState, recoveringKey: string): Effect[] {
  const account = state.accounts[state.recoveringKeys.get(recoveringKey) ?? -1]
  if (account?.recovery === undefined) return []
  const {keyId, publicKey, startedBy} = account.recovery
  endRecovery(state, account)
  dropInvites(state, account, () => true)
  const kept = account.keys.flatMap((key) => afterRecovery(key, startedBy))
  const left = kept.length < ACCOUNT_KEYS_MAX ? kept : kept.filter((key) => key.keyId !== startedBy)
  setKeys(state, account, [...left, {keyId, publicKey, roles: ['owner']}])
  return [keysEffect(account)]
}

/** What a recovery leaves of a key that was there before: nothing, or one with fewer roles. */
function afterRecovery(key: AccountKey, startedBy: string): AccountKey[] {
  const isStarter = key.keyId === startedBy
  if (isOwner(key)) return isStarter ? [{...key, roles: ['recovery']}] : []
  const roles = isStarter ? key.roles : key.roles.filter((role) => role !== 'recovery')
  return roles.length === 0 ? [] : [{...key, roles}]
}

/** Takes away an invitation that nobody has accepted in time. */
export function expireInvite(state: LedgerState, inviteId: string): Effect[] {
  const account = dropInvite(state, inviteId)
  return account === undefined ? [] : [keysEffect(account)]
}

export function inviteExpiresAtMs(state: LedgerState, inviteId: string): number | undefined {
  const account = state.accounts[state.invitesByKey.get(inviteId) ?? -1]
  return account?.invites?.find(({keyId}) => keyId === inviteId)?.expiresAtMs
}

function dropInvite(state: LedgerState, inviteId: string): AccountState | undefined {
  const account = state.accounts[state.invitesByKey.get(inviteId) ?? -1]
  if (account !== undefined) dropInvites(state, account, ({keyId}) => keyId === inviteId)
  return account
}

function dropInvites(state: LedgerState, account: AccountState, isDropped: (invite: AccountInvite) => boolean): void {
  const {invites = []} = account
  const left = invites.filter((invite) => !isDropped(invite))
  for (const invite of invites) if (isDropped(invite)) state.invitesByKey.delete(invite.keyId)
  if (left.length > 0) account.invites = left
  else delete account.invites
}

/** Whoever takes a key away does not want what was begun with it: invitations that it made or that are good with it, or a recovery. */
function endWhatBegan(state: LedgerState, account: AccountState, keyId: string): void {
  dropInvites(state, account, (invite) => invite.keyId === keyId || invite.madeBy === keyId)
  if (account.recovery?.startedBy === keyId) endRecovery(state, account)
}

function endRecovery(state: LedgerState, account: AccountState): void {
  if (account.recovery !== undefined) state.recoveringKeys.delete(account.recovery.keyId)
  delete account.recovery
}

function setKeys(state: LedgerState, account: AccountState, keys: readonly AccountKey[]): void {
  assert(keys.some(isOwner), `${account.id} would have no owner key`)
  for (const {keyId} of account.keys) state.accountsByKey.delete(keyId)
  for (const key of keys) state.accountsByKey.set(key.keyId, {account, key})
  account.keys = keys
}

function keysEffect({id, keys, invites, recovery}: AccountState): Effect {
  const recovering = recovery && {keyId: recovery.keyId, dueAtMs: recovery.dueAtMs}
  const invited = invites?.map(({madeBy: _, ...invite}) => invite)
  return {type: 'account.keys', id, keys, ...(invited && {invites: invited}), ...(recovering && {recovery: recovering})}
}

function ownKey(account: AccountState, keyId: string): AccountKey {
  return account.keys.find((key) => key.keyId === keyId) ?? refuse('not_found', `${account.name} has no key ${keyId}.`)
}

function assertRoom(account: AccountState): void {
  if (account.keys.length >= ACCOUNT_KEYS_MAX) refuse('rejected', `An account has at most ${ACCOUNT_KEYS_MAX} keys.`)
}

function isOwner({roles}: AccountKey): boolean {
  return roles.includes('owner')
}
