import {CLOCK_SKEW_MAX_MS} from '../core/protocol/api.ts'

/** Nonces remembered over all keys, and of one key. Beyond that a request is refused: forgetting early would let one be replayed. */
const NONCES_MAX = 1_000_000
const NONCES_PER_KEY_MAX = 50_000

/** Remembers nonces for as long as their request could be replayed. */
export interface NonceMemory {
  /** `seen` when this key used this nonce before; `full` when it can't be remembered now. */
  remember(entry: {
    readonly keyId: string
    readonly nonce: string
    readonly createdMs: number
    readonly nowMs: number
  }): 'new' | 'seen' | 'full'
}

export function createNonceMemory({
  max = NONCES_MAX,
  perKeyMax = NONCES_PER_KEY_MAX
}: {
  max?: number
  perKeyMax?: number
} = {}): NonceMemory {
  /** Per key: nonce → time from which a replay is refused for its age alone. */
  const byKey = new Map<string, Map<string, number>>()
  let total = 0

  const forgetOld = (keyId: string, nonces: Map<string, number>, nowMs: number): void => {
    for (const [nonce, until] of nonces) {
      if (until >= nowMs) continue
      nonces.delete(nonce)
      total -= 1
    }
    if (nonces.size === 0) byKey.delete(keyId)
  }

  return {
    remember({keyId, nonce, createdMs, nowMs}) {
      const known = byKey.get(keyId)
      if (known?.has(nonce)) return 'seen'
      if (known && known.size >= perKeyMax) forgetOld(keyId, known, nowMs)
      if (total >= max) for (const [key, nonces] of byKey) forgetOld(key, nonces, nowMs)
      if (total >= max || (known?.size ?? 0) >= perKeyMax) return 'full'
      const nonces = byKey.get(keyId) ?? new Map<string, number>()
      nonces.set(nonce, createdMs + CLOCK_SKEW_MAX_MS)
      byKey.set(keyId, nonces)
      total += 1
      return 'new'
    }
  }
}
