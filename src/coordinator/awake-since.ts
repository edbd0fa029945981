/** The clock on the wall went on by so much more than the monotonic one: the machine slept, or its clock was put forward. */
const JUMP_MIN_MS = 30_000

/**
 * Since when this process could hear its nodes without a break. While its machine sleeps nobody can say that he is there, and when its clock is put
 * forward nobody has been silent: no node counts as lost for that.
 */
export class AwakeSince {
  readonly #nowMs: () => number
  readonly #monotonicMs: () => number
  #sinceMs: number
  /** How far the wall's clock was ahead at the last look. */
  #aheadMs: number

  constructor(nowMs: () => number, monotonicMs: () => number) {
    this.#nowMs = nowMs
    this.#monotonicMs = monotonicMs
    this.#sinceMs = nowMs()
    this.#aheadMs = this.#sinceMs - monotonicMs()
  }

  /** By the clock on the wall. */
  look(): number {
    const nowMs = this.#nowMs()
    const aheadMs = nowMs - this.#monotonicMs()
    if (aheadMs - this.#aheadMs >= JUMP_MIN_MS) this.#sinceMs = nowMs
    this.#aheadMs = aheadMs
    return this.#sinceMs
  }
}
