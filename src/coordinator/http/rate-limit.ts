import {LRUCache} from 'lru-cache'

const ADDRESSES_MAX = 50_000

interface Bucket {
  tokens: number
  atMs: number
}

/** A token bucket for each client address; addresses that were not seen for the longest are forgotten first, with a full bucket. */
export class RateLimit {
  readonly #buckets = new LRUCache<string, Bucket>({max: ADDRESSES_MAX})
  readonly #perMs: number
  readonly #burst: number

  constructor(limit: {readonly perSecond: number; readonly burst: number}) {
    this.#perMs = limit.perSecond / 1000
    this.#burst = limit.burst
  }

  /** Takes one request's worth; false when the address has none left. */
  take(address: string, nowMs: number): boolean {
    const bucket = this.#buckets.get(address) ?? {tokens: this.#burst, atMs: nowMs}
    bucket.tokens = Math.min(this.#burst, bucket.tokens + Math.max(0, nowMs - bucket.atMs) * this.#perMs)
    bucket.atMs = nowMs
    const allowed = bucket.tokens >= 1
    if (allowed) bucket.tokens -= 1
    this.#buckets.set(address, bucket)
    return allowed
  }
}
