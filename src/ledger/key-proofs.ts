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

/**
 * Refuses an account whose keys have not all said that they want to be its: by a proof, or by signing the command. Journals of earlier versions hold
 * such accounts, so this is asked of new commands alone.
 * @throws {CreoError} `bad_signature`
 */
export function refuseUnprovenKeys(command: SignedCommand, body: CommandBody): void {
  if (body.type !== 'account.create') return
  for (const {publicKey, proof} of body.keys) {
    const isSigner = command.account === 'new' && keyIdOf(publicKey) === command.keyId
    if (!isSigner && proof === undefined) throw unproven(`Key ${keyIdOf(publicKey)} has not signed that it belongs to ${body.name}.`)
  }
}

function mustProve(publicKey: string, of: ProvenFor, proof: string): void {
  if (!verifyKeyProof(publicKey, of, proof)) throw unproven(`The proof of key ${keyIdOf(publicKey)} does not hold.`)
}

function unproven(message: string): CreoError {
  return new CreoError('bad_signature', message, {hint: 'Let the holder of that key sign, or send an invitation: creo account invite ROLE'})
}
