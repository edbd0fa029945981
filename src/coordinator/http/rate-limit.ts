import {LRUCache} from 'lru-cache'
import {CreoError} from '../../core/errors.ts'

const BUCKETS_MAX = 50_000

/** So many a second for long, and so many at once. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

interface Bucket {
  /** Below zero when more was counted than there was. */
  tokens: number
  atMs: number
}

/** A refusal that knows how long to wait. */
export class RateLimited extends CreoError {
  readonly retryAfterMs: number

  constructor(message: string, retryAfterMs: number) {
    super('rate_limited', message, {hint: `Ask again in ${retryAfterSeconds(retryAfterMs)} s, and then less often.`})
    this.retryAfterMs = retryAfterMs
  }
}

/** Of a `Retry-After`: whole seconds, and never none. */
export function retryAfterSeconds(retryAfterMs: number): number {
  return Math.max(1, Math.ceil(retryAfterMs / 1000))
}

/** A bucket of tokens for each name; those that were not seen for the longest are forgotten first, with a full bucket. */
export class RateLimit {
  readonly #buckets = new LRUCache<string, Bucket>({max: BUCKETS_MAX})
  readonly #perMs: number
  readonly #burst: number

  constructor({perSecond, burst}: Rate) {
    this.#perMs = perSecond / 1000
    this.#burst = burst
  }

  /** Takes one token if there is one. @returns 0, or in how many ms there will be one. */
  take(name: string, nowMs: number): number {
    const bucket = this.#filled(name, nowMs)
    const waitMs = this.#untilMs(bucket, 1)
    if (waitMs === 0) bucket.tokens -= 1
    return waitMs
  }

  /** What `take` would answer. Keeps nothing: names that nobody has proven to be theirs would push out the others. */
  waitMs(name: string, nowMs: number): number {
    return this.#buckets.peek(name) === undefined ? 0 : this.#untilMs(this.#filled(name, nowMs), 1)
  }

  /** Counts what is not refused for want of a token, so that what comes next waits the longer: until as much as a burst is owed. @returns as `take` does. */
  owe(name: string, nowMs: number): number {
    const bucket = this.#filled(name, nowMs)
    const waitMs = this.#untilMs(bucket, 1 - this.#burst)
    if (waitMs === 0) bucket.tokens -= 1
    return waitMs
  }

  #untilMs({tokens}: Bucket, wanted: number): number {
    return tokens >= wanted ? 0 : Math.ceil((wanted - tokens) / this.#perMs)
  }

  #filled(name: string, nowMs: number): Bucket {
    const bucket = this.#buckets.get(name)
    if (bucket === undefined) {
      const full = {tokens: this.#burst, atMs: nowMs}
      this.#buckets.set(name, full)
      return full
    }
    bucket.tokens = Math.min(this.#burst, bucket.tokens + Math.max(0, nowMs - bucket.atMs) * this.#perMs)
    bucket.atMs = nowMs
    return bucket
  }
}
