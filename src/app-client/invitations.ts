import {CreoError} from '../core/errors.ts'
import {inviteProofText} from '../core/protocol/signing-texts.ts'
import type {WireCommandBody} from './web-command.ts'
import {bytesOfBase64url} from './web-crypto.ts'
import {type WebKey, webKeyOfSeed} from './web-key.ts'

const TOKEN = /^invite\.(acc_[0-9a-f]{32})\.([A-Za-z0-9_-]{43})$/
const SEED_BYTES = 32

/** The command, signed as `new` by the key itself, with which a key becomes one of the account that made the token (`creo account invite ROLE`). */
export interface Acceptance {
  /** Id of the account. */
  readonly account: string
  readonly body: Extract<WireCommandBody, {readonly type: 'key.accept'}>
}

/** @param network its id. @throws {CreoError} `invalid_input` for what is no token */
export async function acceptanceOf(token: string, key: WebKey, network: string): Promise<Acceptance> {
  const [, account = '', secret = ''] = TOKEN.exec(token.trim()) ?? []
  const seed = bytesOfBase64url(secret, SEED_BYTES)
  if (seed === undefined)
    throw new CreoError('invalid_input', 'That is no invitation.', {hint: 'Copy all of what creo account invite has shown.'})
  const inviteKey = await webKeyOfSeed(seed)
  const inviteProof = await inviteKey.sign(inviteProofText({network, account, publicKey: key.publicKey}))
  return {account, body: {type: 'key.accept', account, publicKey: key.publicKey, inviteKey: inviteKey.publicKey, inviteProof}}
}
