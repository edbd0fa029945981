import {CreoError} from '../core/errors.ts'
import type {CommandBody, SignedCommand} from '../core/protocol/commands.ts'
import {type ProvenFor, verifyInviteProof, verifyKeyProof} from '../identity/key-proofs.ts'
import {keyIdOf} from '../identity/keys.ts'

/**
 * Checks what the keys that a command names have signed besides the command itself.
 * @throws {CreoError} `bad_signature`
 */
export function checkKeyProofs(command: SignedCommand, body: CommandBody): void {
  const {network, account} = command
  switch (body.type) {
    case 'account.create':
      for (const {publicKey, proof} of body.keys) if (proof !== undefined) mustProve(publicKey, {network, account: body.name}, proof)
      return
    case 'key.add':
    case 'key.rotate':
    case 'recovery.start':
      mustProve(body.publicKey, {network, account}, body.proof)
      return
    case 'key.accept':
      if (!verifyInviteProof(body.inviteKey, {network, account: body.account, publicKey: body.publicKey}, body.inviteProof))
        throw unproven('The invitation was not signed over to this key.')
  }
}

/** Keys that a new account begins with, each of which costs the writer a verification; others are added afterwards. */
export const FIRST_KEYS_MAX = 4

/**
 * Refuses, before anything is verified, what journals of earlier versions hold and new commands may not: an account of many keys, a key with a role
 * named twice, and keys that have not said that they want to be the account's, by a proof or by signing the command.
 * @throws {CreoError} `invalid_input`, `bad_signature`
 */
export function refuseUnprovenKeys(command: SignedCommand, body: CommandBody): void {
  if (body.type !== 'account.create') return
  if (body.keys.length > FIRST_KEYS_MAX)
    throw new CreoError('invalid_input', `A new account has at most ${FIRST_KEYS_MAX} keys.`, {hint: 'Add the others afterwards.'})
  for (const {publicKey, roles, proof} of body.keys) {
    const keyId = keyIdOf(publicKey)
    if (new Set(roles).size < roles.length)
      throw new CreoError('invalid_input', `Key ${keyId} has a role twice.`, {hint: 'Name each role once.'})
    const isSigner = command.account === 'new' && keyId === command.keyId
    if (!isSigner && proof === undefined) throw unproven(`Key ${keyId} has not signed that it belongs to ${body.name}.`)
  }
}

function mustProve(publicKey: string, of: ProvenFor, proof: string): void {
  if (!verifyKeyProof(publicKey, of, proof)) throw unproven(`The proof of key ${keyIdOf(publicKey)} does not hold.`)
}

function unproven(message: string): CreoError {
  return new CreoError('bad_signature', message, {hint: 'Let the holder of that key sign, or send an invitation: creo account invite ROLE'})
}
