import type {UnsignedCommand} from './commands.ts'

/** Every text that a key of an account or of the coordinator signs, one field a line; nothing else is needed to sign in a browser. */

/** The text that is signed: the fields in this order, one a line, the body by its SHA-256 in hex. */
export function commandSigningText(command: UnsignedCommand, bodySha256Hex: string): string {
  return [
    command.v,
    command.network,
    command.account,
    command.keyId,
    command.idempotencyKey,
    String(command.notAfterMs),
    bodySha256Hex
  ].join('\n')
}

/**
 * What a key signs to say that it wants to be one of an account's.
 * @param account the account's id; for an account that is being created, its name.
 */
export function keyProofText({network, account, publicKey}: {network: string; account: string; publicKey: string}): string {
  return ['creo-key-proof-v1', network, account, publicKey].join('\n')
}

/** What the key of an invitation signs for the key that accepts it. */
export function inviteProofText({network, account, publicKey}: {network: string; account: string; publicKey: string}): string {
  return ['creo-invite-v1', network, account, publicKey].join('\n')
}

/** The text that is signed for a whole batch of so many. */
export function batchSigningText(
  {network, account, keyId}: Pick<UnsignedCommand, 'network' | 'account' | 'keyId'>,
  {size, root}: {readonly size: number; readonly root: string}
): string {
  return ['creo-batch-v1', network, account, keyId, String(size), root].join('\n')
}

/** What the coordinator signs about the time, bound to the asker's nonce. */
export function timeSigningText(nonce: string, atMs: number): string {
  return ['creo-time-v1', nonce, String(atMs)].join('\n')
}

/** What a key signs to show a web app whose it is: it holds for one origin, one nonce and until a time. */
export interface SignInTerms {
  readonly network: string
  /** Of the app that asks, such as `https://shop--colibris.example.org`. */
  readonly origin: string
  readonly account: string
  readonly keyId: string
  readonly nonce: string
  readonly expiresAtMs: number
}

export function signInText({network, origin, account, keyId, nonce, expiresAtMs}: SignInTerms): string {
  return ['creo-sign-in-v1', network, origin, account, keyId, nonce, String(expiresAtMs)].join('\n')
}

/** `tag` of a signature by RFC 9421 with which the coordinator signs what it answers, for who asks for it by `accept-signature`. */
export const ANSWER_TAG = 'creo-answer'
