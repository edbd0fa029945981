/** What was executed in one bucket of time, by its number since 1970. */
export interface VolumeBucket {
  readonly bucket: number
  readonly notionalMicroGutta: number
}

/**
 * Executed notional of one incentive in the current bucket of time and the full buckets before it: what its trade volume limit is
 * measured against. A bucket leaves the window as a whole, so `used` falls in steps that the market can announce.
 */
export class VolumeWindow {
  readonly #bucketMs: number
  readonly #notional: Float64Array
  readonly #bucket: Float64Array

  constructor(options: {readonly bucketMs: number; readonly fullBuckets: number}) {
    this.#bucketMs = options.bucketMs
    this.#notional = new Float64Array(options.fullBuckets + 1)
    this.#bucket = new Float64Array(options.fullBuckets + 1).fill(-1)
  }

  used(atMs: number): number {
    const current = Math.floor(atMs / this.#bucketMs)
    let used = 0
    for (let index = 0; index < this.#bucket.length; index += 1) {
      const bucket = this.#bucket[index] ?? -1
      if (bucket > current - this.#bucket.length && bucket <= current) used += this.#notional[index] ?? 0
    }
    return used
  }

  add(atMs: number, notionalMicroGutta: number): void {
    const current = Math.floor(atMs / this.#bucketMs)
    const index = current % this.#bucket.length
    if (this.#bucket[index] !== current) {
      this.#bucket[index] = current
      this.#notional[index] = 0
    }
    this.#notional[index] = (this.#notional[index] ?? 0) + notionalMicroGutta
  }

  /** Buckets that hold something, oldest first. */
  buckets(): VolumeBucket[] {
    return Array.from(this.#bucket, (bucket, index) => ({bucket, notionalMicroGutta: this.#notional[index] ?? 0}))
      .filter((entry) => entry.bucket >= 0)
      .sort((a, b) => a.bucket - b.bucket)
  }
}
