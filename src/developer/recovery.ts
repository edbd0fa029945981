import {CreoError} from '../core/errors.ts'
import {generateRecoveryCode, recoveryKeyOf} from '../identity/recovery-code.ts'
import {keyAmong, newKeyAt, proofOf} from './account-keys.ts'
import {type AccountContext, accountKeyPath, type ContextFlags, openContext} from './context.ts'

export interface StartedRecovery {
  readonly id: string
  readonly name: string
  readonly keyId: string
  readonly keyPath: string
  /** Where a key that was in its place is now, if one was. */
  readonly movedTo?: string
  /** From then on the key is the owner, unless an owner cancels it. */
  readonly dueAtMs: number
  readonly status: 'started' | 'already_started'
}

/**
 * Begins to make a new key on this machine the owner of an account: what lies here may be a copy of one that a thief has. A run that was cut is completed
 * by the next one.
 * @throws {CreoError} `conflict` when this machine has a key of the account, or it is being recovered with another; `forbidden` or `unauthorized` for a code that is not this account's.
 */
export async function startRecovery(
  flags: ContextFlags,
  {name, code}: {readonly name: string; readonly code: string},
  signal: AbortSignal
): Promise<StartedRecovery> {
  const recoveryKey = recoveryKeyOf(code)
  const {client, networkId} = await openContext(flags, signal)
  const {id, keys, recovery} = await client.account(name)
  if (!keys.some(({keyId}) => keyId === recoveryKey.keyId)) {
    throw new CreoError('forbidden', `The code is not of the account ${name}, or was renewed since.`, {hint: 'Look for a newer one.'})
  }
  const keyPath = accountKeyPath(networkId, name)
  if (recovery !== undefined) {
    if ((await keyAmong(keyPath, [recovery.keyId])) !== undefined)
      return {id, name, keyId: recovery.keyId, keyPath, dueAtMs: recovery.dueAtMs, status: 'already_started'}
    throw new CreoError('conflict', `${name} is being recovered already, with a key that is not on this machine.`, {
      hint: `An owner can end it: creo account recovery cancel --as ${name}`
    })
  }
  if (
    (await keyAmong(
      keyPath,
      keys.map(({keyId}) => keyId)
    )) !== undefined
  ) {
    throw new CreoError('conflict', `This machine has a key of ${name}: ${keyPath}.`, {
      hint: 'Move it away if it is not an owner key and the account must be recovered all the same.'
    })
  }
  const {key, ...moved} = await newKeyAt(keyPath)
  const proof = proofOf({networkId, account: {id, name}}, key)
  await client.as(id, recoveryKey).submit({type: 'recovery.start', publicKey: key.publicKey, proof})
  const {recovery: started} = await client.account(id)
  return {id, name, keyId: key.keyId, keyPath, ...moved, dueAtMs: started?.dueAtMs ?? client.nowMs(), status: 'started'}
}

export interface CancelledRecovery {
  readonly account: string
  readonly status: 'cancelled' | 'already_cancelled'
}

export async function cancelRecovery({client, account}: AccountContext): Promise<CancelledRecovery> {
  const {recovery} = await client.account(account.id)
  if (recovery === undefined) return {account: account.name, status: 'already_cancelled'}
  await client.submit({type: 'recovery.cancel'})
  return {account: account.name, status: 'cancelled'}
}

export interface RenewedRecovery {
  readonly account: string
  readonly keyId: string
  /** For paper; shown this once. */
  readonly recoveryCode: string
  /** Recovery keys whose codes are worth nothing any more. */
  readonly replaces: readonly string[]
}

/**
 * Gives the account a new recovery code. One that was made by a run which was cut is replaced by the next one.
 * @param showCode is told the code before it is worth anything: it can't be had again from a run that is cut.
 */
export async function renewRecovery(context: AccountContext, showCode: (code: string) => void): Promise<RenewedRecovery> {
  const {client, account} = context
  const {keys} = await client.account(account.id)
  const replaces = keys.filter(({roles}) => roles.length === 1 && roles[0] === 'recovery').map(({keyId}) => keyId)
  const {code, key} = generateRecoveryCode()
  showCode(code)
  const named = {publicKey: key.publicKey, proof: proofOf(context, key)}
  const [first, ...others] = replaces
  if (first === undefined) await client.submit({type: 'key.add', ...named, roles: ['recovery']})
  else await client.submit({type: 'key.rotate', keyId: first, ...named})
  for (const keyId of others) await client.submit({type: 'key.revoke', keyId})
  return {account: account.name, keyId: key.keyId, recoveryCode: code, replaces}
}
