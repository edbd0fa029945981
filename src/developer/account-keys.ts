import type {z} from 'zod'
import type {Client} from '../client/client.ts'
import {CreoError, isCreoError} from '../core/errors.ts'
import {ACCOUNT_KEYS_MAX, type KeyRole, keyRoles} from '../core/protocol/account-keys.ts'
import type {accountViewSchema} from '../core/protocol/api.ts'
import {keyIdSchema} from '../core/protocol/scalars.ts'
import {replaceKeyFile} from '../identity/key-file.ts'
import {proveKey} from '../identity/key-proofs.ts'
import {type KeyPair, loadKeyFile, loadOrCreateKeyFile} from '../identity/keys.ts'
import {type AccountContext, accountKeyPath} from './context.ts'

type AccountView = z.output<typeof accountViewSchema>

/** What a person may give a key; recovery keys are made with a code. */
const GIVEN_ROLES: readonly KeyRole[] = keyRoles.filter((role) => role !== 'recovery')

/** "deployer,viewer" → roles. @throws {CreoError} `invalid_input` */
export function parseRoles(text: string): KeyRole[] {
  const names = [...new Set(text.split(','))]
  return names.map((name) => {
    const role = GIVEN_ROLES.find((known) => known === name)
    if (role !== undefined) return role
    throw new CreoError('invalid_input', `"${name}" is not a role.`, {
      hint: `Use ${GIVEN_ROLES.join(', ')}, or several with commas between.`
    })
  })
}

export interface ShownKey {
  readonly keyId: string
  readonly roles: readonly KeyRole[]
  /** `invited until` and `recovers from` come with a time: a key that is not there yet. */
  readonly state: 'valid' | 'invited until' | 'recovers from'
  readonly until: string | null
  /** Null for a key that the account was made with. */
  readonly addedBy: string | null
  readonly addedAt: string | null
}

/** Keys, invitations that nobody has accepted, and the key that a recovery would make the owner. */
export async function listKeys(client: Pick<Client, 'account'>, account: string): Promise<{account: string; keys: ShownKey[]}> {
  const {name, keys, invites = [], recovery} = await client.account(account)
  const timeOf = (ms: number): string => new Date(ms).toISOString()
  const shown: ShownKey[] = [
    ...keys.map(
      ({keyId, roles, addedBy = null, addedAtMs}): ShownKey => ({
        ...{keyId, roles, state: 'valid', until: null, addedBy},
        addedAt: addedAtMs === undefined ? null : timeOf(addedAtMs)
      })
    ),
    ...invites.map(
      ({keyId, roles, expiresAtMs, madeBy = null}): ShownKey => ({
        ...{keyId, roles, state: 'invited until', until: timeOf(expiresAtMs), addedBy: madeBy},
        addedAt: null
      })
    )
  ]
  if (recovery !== undefined) {
    const {keyId, dueAtMs, startedBy = null} = recovery
    shown.push({keyId, roles: ['owner'], state: 'recovers from', until: timeOf(dueAtMs), addedBy: startedBy, addedAt: null})
  }
  return {account: name, keys: shown}
}

export interface AddedKey {
  readonly account: string
  readonly keyId: string
  readonly roles: readonly KeyRole[]
  readonly keyPath: string
  readonly status: 'added' | 'already_added'
}

/** Makes a key in a file of its own, or takes the one that is there, and adds it. A run that was cut is completed by the next one. */
export async function addKey(context: AccountContext, {roles, keyPath}: {roles: readonly KeyRole[]; keyPath: string}): Promise<AddedKey> {
  const {client, account} = context
  const added = await loadOrCreateKeyFile(keyPath)
  const {keys} = await client.account(account.id)
  const known = keys.find(({keyId}) => keyId === added.keyId)
  if (known !== undefined) return {account: account.name, keyId: known.keyId, roles: known.roles, keyPath, status: 'already_added'}
  await client.submit({type: 'key.add', publicKey: added.publicKey, roles: [...roles], proof: proofOf(context, added)})
  return {account: account.name, keyId: added.keyId, roles, keyPath, status: 'added'}
}

export interface RevokedKey {
  readonly account: string
  readonly keyId: string
  readonly status: 'revoked' | 'already_revoked'
  /** Keys that it had added, and those that they had, which were taken away with it. */
  readonly withAdded: readonly string[]
  /** Such keys that are still there: this machine's own, and all of them where nobody asked for more. */
  readonly addedLeft: readonly string[]
}

/**
 * Takes a key, or an open invitation, away; `withAdded` also what it has added, as far as that is not the key that signs. A run that was cut is completed
 * by the next one.
 * @throws {CreoError} `invalid_input` for what is no id of a key.
 */
export async function revokeKey(context: AccountContext, keyId: string, {withAdded}: {readonly withAdded: boolean}): Promise<RevokedKey> {
  const status = await revokeOne(context, keyId)
  const {client, account, key} = context
  const taken: string[] = []
  for (;;) {
    const added = addedBy((await client.account(account.id)).keys, [keyId, ...taken])
    const next = withAdded ? added.find((id) => id !== key.keyId) : undefined
    if (next === undefined || taken.length >= ACCOUNT_KEYS_MAX)
      return {account: account.name, keyId, status, withAdded: taken, addedLeft: added}
    await revokeOne(context, next)
    taken.push(next)
  }
}

/** Those that came by one of these keys, or by one that did. */
function addedBy(keys: AccountView['keys'], by: readonly string[]): string[] {
  const found = keys
    .filter((key) => key.addedBy !== undefined && by.includes(key.addedBy) && !by.includes(key.keyId))
    .map(({keyId}) => keyId)
  return found.length === 0 ? [] : [...found, ...addedBy(keys, [...by, ...found])]
}

async function revokeOne({client, account}: AccountContext, keyId: string): Promise<RevokedKey['status']> {
  if (!keyIdSchema.safeParse(keyId).success) {
    throw new CreoError('invalid_input', `"${keyId}" is not the id of a key.`, {hint: 'creo account key list shows them: 32 hex digits.'})
  }
  const {keys, invites = []} = await client.account(account.id)
  if (![...keys, ...invites].some((known) => known.keyId === keyId)) return 'already_revoked'
  await client.submit({type: 'key.revoke', keyId})
  return 'revoked'
}

export interface RotatedKey {
  readonly account: string
  readonly keyId: string
  readonly replaces: string
  readonly keyPath: string
}

/**
 * Puts a new key in the place of the one in a file, which is this machine's of the account unless said otherwise. A run that was cut at any instant is
 * completed by the next one: until the network has the new key the old file stays.
 * @throws {CreoError} `not_found` when the account does not have the key of the file.
 */
export async function rotateKey(context: AccountContext, file?: string): Promise<RotatedKey> {
  const {client, account, networkId} = context
  const keyPath = file ?? accountKeyPath(networkId, account.name)
  const old = file === undefined ? context.key : await loadKeyFile(file)
  const nextPath = `${keyPath}.next`
  const next = await loadOrCreateKeyFile(nextPath)
  const isDone = async (): Promise<boolean> => (await client.account(account.id)).keys.some(({keyId}) => keyId === next.keyId)
  if (!(await isDone())) {
    const rotated = client.submit({type: 'key.rotate', keyId: old.keyId, publicKey: next.publicKey, proof: proofOf(context, next)})
    await rotated.catch(async (error: unknown) => {
      // The answer may have got lost, and the old key is worth nothing for asking again.
      if (!(await isDone())) throw error
    })
  }
  await replaceKeyFile(nextPath, keyPath)
  return {account: account.name, keyId: next.keyId, replaces: old.keyId, keyPath}
}

/** The key in a file if it is one of these; one of them that a new key has moved aside is put back. */
export async function keyAmong(keyPath: string, keyIds: readonly string[]): Promise<KeyPair | undefined> {
  const key = await keyIfThere(keyPath)
  if (key !== undefined && keyIds.includes(key.keyId)) return key
  for (const keyId of keyIds) {
    const aside = await keyIfThere(asidePath(keyPath, keyId))
    if (aside === undefined) continue
    if (key !== undefined) await replaceKeyFile(keyPath, asidePath(keyPath, key.keyId))
    await replaceKeyFile(asidePath(keyPath, keyId), keyPath)
    return aside
  }
  return undefined
}

export interface NewKey {
  readonly key: KeyPair
  /** Where the key is now that was in its place, if one was. */
  readonly movedTo?: string
}

/**
 * Makes a key in a file. One that is there is not used, since nobody knows who has a copy of it: it is moved aside, under its id. A run that was cut
 * leaves such a key behind.
 */
export async function newKeyAt(keyPath: string): Promise<NewKey> {
  const old = await keyIfThere(keyPath)
  if (old === undefined) return {key: await loadOrCreateKeyFile(keyPath)}
  const movedTo = asidePath(keyPath, old.keyId)
  await replaceKeyFile(keyPath, movedTo)
  return {key: await loadOrCreateKeyFile(keyPath), movedTo}
}

/** @throws {CreoError} `forbidden` when others may read it; `invalid_input` when it is no key file. */
async function keyIfThere(path: string): Promise<KeyPair | undefined> {
  try {
    return await loadKeyFile(path)
  } catch (error) {
    if (isCreoError(error) && error.code === 'not_found') return undefined
    throw error
  }
}

function asidePath(keyPath: string, keyId: string): string {
  return `${keyPath}.${keyId}`
}

export function proofOf({networkId, account}: Pick<AccountContext, 'networkId' | 'account'>, key: KeyPair): string {
  return proveKey(key, {network: networkId, account: account.id})
}
