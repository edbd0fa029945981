import {createPrivateKey} from 'node:crypto'
import {inviteProofText, keyProofText} from '../core/protocol/signing-texts.ts'
import {type KeyPair, keyPairOf, signText, verifyText} from './keys.ts'

/** What every Ed25519 private key in PKCS #8 begins with (RFC 8410, section 10.3); its 32 bytes follow. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')

export interface ProvenFor {
  readonly network: string
  /** Its id; for an account that is being created, its name. */
  readonly account: string
}

/** A key says that it wants to be one of an account's: nobody can take a key that is somebody else's. */
export function proveKey(key: KeyPair, {network, account}: ProvenFor): string {
  return signText(key, keyProofText({network, account, publicKey: key.publicKey}))
}

export function verifyKeyProof(publicKey: string, {network, account}: ProvenFor, proof: string): boolean {
  return verifyText(publicKey, keyProofText({network, account, publicKey}), proof)
}

/** An invitation's key says which key accepts it. */
export function proveInvite(inviteKey: KeyPair, {network, account}: ProvenFor, publicKey: string): string {
  return signText(inviteKey, inviteProofText({network, account, publicKey}))
}

export function verifyInviteProof(
  inviteKey: string,
  {network, account, publicKey}: ProvenFor & {readonly publicKey: string},
  proof: string
): boolean {
  return verifyText(inviteKey, inviteProofText({network, account, publicKey}), proof)
}

/** The pair whose private half are these 32 bytes: of keys that people carry as text. */
export function keyPairOfSeed(seed: Uint8Array): KeyPair {
  return keyPairOf(createPrivateKey({key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8'}))
}
