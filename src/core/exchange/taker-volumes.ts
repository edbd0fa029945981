import type {VolumeBucket} from './volume-window.ts'

/**
 * What each owner took of one incentive in the window of its trade volume limit: notional by owner and bucket, only buckets that hold something. Owners whose
 * buckets have all left the window are forgotten with the first trade of a new bucket.
 */
export class TakerVolumes {
  readonly #bucketMs: number
  readonly #fullBuckets: number
  readonly #byOwner = new Map<number, VolumeBucket[]>()
  #swept = -1

  constructor(options: {readonly bucketMs: number; readonly fullBuckets: number}) {
    this.#bucketMs = options.bucketMs
    this.#fullBuckets = options.fullBuckets
  }

  used(owner: number, atMs: number): number {
    const oldest = this.#oldest(atMs)
    return (this.#byOwner.get(owner) ?? []).reduce(
      (sum, {bucket, notionalMicroGutta}) => sum + (bucket < oldest ? 0 : notionalMicroGutta),
      0
    )
  }

  add(owner: number, atMs: number, notionalMicroGutta: number): void {
    const bucket = Math.floor(atMs / this.#bucketMs)
    if (bucket !== this.#swept) this.#sweep(atMs)
    this.#swept = bucket
    const buckets = this.#byOwner.get(owner) ?? []
    const last = buckets.at(-1)
    const isSame = last?.bucket === bucket
    const others = isSame ? buckets.slice(0, -1) : buckets
    this.#byOwner.set(owner, [...others, {bucket, notionalMicroGutta: notionalMicroGutta + (isSame ? last.notionalMicroGutta : 0)}])
  }

  clear(): void {
    this.#byOwner.clear()
  }

  /** By owner, in an order that the commands determine. */
  entries(): [number, VolumeBucket[]][] {
    return [...this.#byOwner]
  }

  /** Brings back what `entries` gave. */
  restore(entries: readonly [number, VolumeBucket[]][]): void {
    for (const [owner, buckets] of entries) this.#byOwner.set(owner, buckets)
  }

  #oldest(atMs: number): number {
    return Math.floor(atMs / this.#bucketMs) - this.#fullBuckets
  }

  #sweep(atMs: number): void {
    const oldest = this.#oldest(atMs)
    for (const [owner, buckets] of this.#byOwner) {
      const left = buckets.filter(({bucket}) => bucket >= oldest)
      if (left.length === 0) this.#byOwner.delete(owner)
      else if (left.length < buckets.length) this.#byOwner.set(owner, left)
    }
  }
}
