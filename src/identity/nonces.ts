import {hash} from 'node:crypto'
import {CLOCK_SKEW_MAX_MS} from '../core/protocol/api.ts'

/** A request may be this far from the future: a clock that is early by more would keep its nonces worth stealing for longer. */
export const CLOCK_AHEAD_MAX_MS = 30_000
/** From here on a key that has used more than its fair share must wait; the others go on. */
const NONCES_MAX = 500_000
/** Of one key where nothing else is said. Beyond that it must wait: forgetting early would let one be replayed. */
const NONCES_PER_KEY_MAX = 20_000
/** For this long a request could be replayed. */
export const GENERATION_MS = CLOCK_SKEW_MAX_MS + CLOCK_AHEAD_MAX_MS
/** Kept of a nonce's hash: 72 bits, and a copy so short that no longer string stays in memory behind it. */
const KEPT_CHARACTERS = 12

/**
 * So many nonces a key may have used that signs as often as it may: each is kept for two generations at most, and of requests that are counted rather than
 * refused a second burst may be owed. One key alone never has more room than all have together.
 */
export function noncesPerKey({perSecond, burst}: {readonly perSecond: number; readonly burst: number}): number {
  return Math.min(NONCES_MAX, Math.ceil(perSecond * ((2 * GENERATION_MS) / 1000 + 1)) + 2 * burst)
}

/** Remembers nonces for as long as their request could be replayed. */
export interface NonceMemory {
  /** `seen` when this key used this nonce before; `full` when it can't be remembered now. */
  remember(entry: {readonly keyId: string; readonly nonce: string; readonly nowMs: number}): 'new' | 'seen' | 'full'
}

/** Per key what it has used, and how much that is over all keys. */
interface Generation {
  readonly byKey: Map<string, Set<string>>
  total: number
}

/** Two generations: the older one is dropped whole when each nonce in it is too old to be replayed. */
export function createNonceMemory({
  max = NONCES_MAX,
  perKeyMax = NONCES_PER_KEY_MAX
}: {
  max?: number
  perKeyMax?: number
} = {}): NonceMemory {
  let older = emptyGeneration()
  let newer = emptyGeneration()
  let newerSinceMs = Number.NEGATIVE_INFINITY

  const age = (nowMs: number): void => {
    const ageMs = nowMs - newerSinceMs
    if (ageMs <= GENERATION_MS) return
    older = ageMs > 2 * GENERATION_MS ? emptyGeneration() : newer
    newer = emptyGeneration()
    newerSinceMs = nowMs
  }

  return {
    remember({keyId, nonce, nowMs}) {
      age(nowMs)
      const kept = hash('sha256', nonce, 'base64url').slice(0, KEPT_CHARACTERS)
      const [before, now] = [older.byKey.get(keyId), newer.byKey.get(keyId)]
      if (before?.has(kept) || now?.has(kept)) return 'seen'
      const used = (before?.size ?? 0) + (now?.size ?? 0)
      const fairShare = max / Math.max(1, older.byKey.size + newer.byKey.size)
      if (used >= perKeyMax || (older.total + newer.total >= max && used >= fairShare)) return 'full'
      if (now === undefined) newer.byKey.set(keyId, new Set([kept]))
      else now.add(kept)
      newer.total += 1
      return 'new'
    }
  }
}

function emptyGeneration(): Generation {
  return {byKey: new Map(), total: 0}
}
