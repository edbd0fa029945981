import type {z} from 'zod'
import type {signedTimeSchema} from '../core/protocol/api.ts'
import {timeSigningText} from '../core/protocol/signing-texts.ts'
import {type KeyPair, signText, verifyText} from './keys.ts'

export type SignedTime = z.output<typeof signedTimeSchema>

/** The coordinator's time, bound to the asker's nonce so that an old answer is worth nothing. */
export function signTime({nonce, atMs, key}: {readonly nonce: string; readonly atMs: number; readonly key: KeyPair}): SignedTime {
  return {nonce, atMs, signature: signText(key, timeSigningText(nonce, atMs))}
}

export function verifyTime(time: SignedTime, {nonce, coordinatorKey}: {readonly nonce: string; readonly coordinatorKey: string}): boolean {
  return time.nonce === nonce && verifyText(coordinatorKey, timeSigningText(time.nonce, time.atMs), time.signature)
}
