import type {z} from 'zod'
import type {signedTimeSchema} from '../core/protocol/api.ts'
import {type KeyPair, signText, verifyText} from './keys.ts'

export type SignedTime = z.output<typeof signedTimeSchema>

/** The coordinator's time, bound to the asker's nonce so that an old answer is worth nothing. */
export function signTime({nonce, atMs, key}: {readonly nonce: string; readonly atMs: number; readonly key: KeyPair}): SignedTime {
  return {nonce, atMs, signature: signText(key, signingText(nonce, atMs))}
}

export function verifyTime(time: SignedTime, {nonce, coordinatorKey}: {readonly nonce: string; readonly coordinatorKey: string}): boolean {
  return time.nonce === nonce && verifyText(coordinatorKey, signingText(time.nonce, time.atMs), time.signature)
}

function signingText(nonce: string, atMs: number): string {
  return ['creo-time-v1', nonce, String(atMs)].join('\n')
}
