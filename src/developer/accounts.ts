import {openUserConfig} from '../config/user-config.ts'
import {CreoError, isCreoError} from '../core/errors.ts'
import type {KeyRole} from '../core/protocol/account-keys.ts'
import {proveKey} from '../identity/key-proofs.ts'
import {type KeyPair, loadKeyFile, loadOrCreateKeyFile} from '../identity/keys.ts'
import {generateRecoveryCode} from '../identity/recovery-code.ts'
import {accountKeyPath, type ContextFlags, openContext} from './context.ts'

export interface CreatedAccount {
  readonly id: string
  readonly name: string
  readonly keyPath: string
  readonly status: 'created' | 'already_exists'
  /** True when commands without `--as` are signed in its name. */
  readonly isDefault: boolean
  /** For paper: whoever has it can recover the account. Only when it was created, and never again. */
  readonly recoveryCode?: string
}

export interface NewAccount {
  readonly name: string
  /** Key file of the network's operator, who signs for the exchange's org. */
  readonly operatorKeyPath?: string | undefined
  /** Is told the recovery code before the account is made: it can't be had again from a run that is cut. */
  readonly showCode: (code: string) => void
}

/**
 * Makes a key on this machine, then the account. A run that was cut in between is completed by the next one with the same key.
 * @throws {CreoError} `conflict` when the name is another's.
 */
export async function createAccount(
  flags: ContextFlags,
  {name, operatorKeyPath, showCode}: NewAccount,
  signal: AbortSignal
): Promise<CreatedAccount> {
  const context = await openContext(flags, signal)
  const keyPath = accountKeyPath(context.networkId, name)
  const taken = await accountIfThere(context.client.account(name))
  if (taken === undefined) {
    const key = await loadOrCreateKeyFile(keyPath)
    const recovery = generateRecoveryCode()
    showCode(recovery.code)
    const proven = (one: KeyPair, role: KeyRole) => ({
      publicKey: one.publicKey,
      roles: [role],
      proof: proveKey(one, {network: context.networkId, account: name})
    })
    const signer =
      operatorKeyPath === undefined ? context.client.as('new', key) : context.client.as('operator', await loadKeyFile(operatorKeyPath))
    await signer.submit({type: 'account.create', name, keys: [proven(key, 'owner'), proven(recovery.key, 'recovery')]})
    const {id} = await context.client.account(name)
    return {id, name, keyPath, status: 'created', isDefault: makeDefault(name), recoveryCode: recovery.code}
  }
  const key = await loadOrCreateKeyFile(keyPath)
  if (!taken.keys.some(({keyId}) => keyId === key.keyId)) {
    throw new CreoError('conflict', `The name "${name}" belongs to another account.`, {hint: 'Choose another name.'})
  }
  return {id: taken.id, name, keyPath, status: 'already_exists', isDefault: makeDefault(name)}
}

async function accountIfThere<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (isCreoError(error) && error.code === 'not_found') return undefined
    throw error
  }
}

/** The first account of a user becomes the default one. */
export function makeDefault(name: string): boolean {
  const config = openUserConfig(process.env)
  const {defaultAccount} = config.read()
  if (defaultAccount === undefined) config.setDefaultAccount(name)
  return (defaultAccount ?? name) === name
}
