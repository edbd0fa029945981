import {randomBytes} from 'node:crypto'
import {CreoError} from '../core/errors.ts'
import type {KeyRole} from '../core/protocol/account-keys.ts'
import {accountIdSchema} from '../core/protocol/scalars.ts'
import {keyPairOfSeed, proveInvite} from '../identity/key-proofs.ts'
import type {KeyPair} from '../identity/keys.ts'
import {keyAmong, newKeyAt} from './account-keys.ts'
import {makeDefault} from './accounts.ts'
import {type AccountContext, accountKeyPath, type ContextFlags, openContext} from './context.ts'

const SEED_BYTES = 32
const LIFETIME_MIN_MS = 1000
const LIFETIME_MAX_MS = 30 * 24 * 3_600_000

export interface Invitation {
  readonly account: string
  /** `invite.<account id>.<private half of the invitation's key>`. */
  readonly token: string
  /** By this it can be withdrawn. */
  readonly keyId: string
  readonly roles: readonly KeyRole[]
  readonly expiresAtMs: number
}

/** A one-use token; the ledger learns the public half of its key alone. */
export async function invite(
  {client, account}: AccountContext,
  {roles, lifetimeMs}: {readonly roles: readonly KeyRole[]; readonly lifetimeMs: number}
): Promise<Invitation> {
  if (lifetimeMs < LIFETIME_MIN_MS || lifetimeMs > LIFETIME_MAX_MS) {
    throw new CreoError('invalid_input', 'An invitation is good for one second to thirty days.', {hint: 'For example --expires 24h.'})
  }
  const seed = randomBytes(SEED_BYTES)
  const {keyId, publicKey} = keyPairOfSeed(seed)
  const expiresAtMs = (await client.networkNowMs()) + lifetimeMs
  await client.submit({type: 'key.invite', inviteKey: publicKey, roles: [...roles], expiresAtMs})
  const token = `invite.${account.id}.${seed.toString('base64url')}`
  return {account: account.name, token, keyId, roles, expiresAtMs}
}

export interface AcceptedInvitation {
  readonly id: string
  readonly name: string
  readonly keyId: string
  readonly roles: readonly KeyRole[]
  readonly keyPath: string
  /** Where a key that was in its place and is not the account's is now, if one was. */
  readonly movedTo?: string
  readonly status: 'accepted' | 'already_accepted'
  /** True when commands without `--as` are signed in its name. */
  readonly isDefault: boolean
}

/**
 * Makes a key on this machine and adds it to the account that invites. A run that was cut in between is completed by the next one. A key that lies here
 * and was taken away from the account never comes back.
 */
export async function acceptInvitation(flags: ContextFlags, token: string, signal: AbortSignal): Promise<AcceptedInvitation> {
  const {account, inviteKey} = openToken(token)
  const {client, networkId} = await openContext(flags, signal)
  const {name, keys} = await client.account(account)
  const keyPath = accountKeyPath(networkId, name)
  const here = await keyAmong(
    keyPath,
    keys.map(({keyId}) => keyId)
  )
  const known = keys.find(({keyId}) => keyId === here?.keyId)
  if (known !== undefined)
    return {id: account, name, keyId: known.keyId, keyPath, roles: known.roles, status: 'already_accepted', isDefault: makeDefault(name)}
  const {key, ...moved} = await newKeyAt(keyPath)
  const inviteProof = proveInvite(inviteKey, {network: networkId, account}, key.publicKey)
  await client.as('new', key).submit({type: 'key.accept', account, publicKey: key.publicKey, inviteKey: inviteKey.publicKey, inviteProof})
  const roles = (await client.account(account)).keys.find(({keyId}) => keyId === key.keyId)?.roles ?? []
  return {id: account, name, keyId: key.keyId, keyPath, ...moved, roles, status: 'accepted', isDefault: makeDefault(name)}
}

function openToken(token: string): {readonly account: string; readonly inviteKey: KeyPair} {
  const [head, id, secret = '', ...more] = token.split('.')
  const account = accountIdSchema.safeParse(id)
  const seed = Buffer.from(secret, 'base64url')
  if (head === 'invite' && account.success && seed.length === SEED_BYTES && more.length === 0) {
    return {account: account.data, inviteKey: keyPairOfSeed(seed)}
  }
  throw new CreoError('invalid_input', 'That is no invitation.', {
    hint: 'Copy the whole token, or ask for a new one: creo account invite ROLE'
  })
}
