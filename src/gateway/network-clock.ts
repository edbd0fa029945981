import {isCreoError} from '../core/errors.ts'
import type {Log} from '../telemetry/log.ts'

/** How often our clock is compared with the coordinator's: a computer's clock drifts by seconds a day at most. */
const COMPARE_MS = 600_000
const RETRY_MS = 10_000
/** A start waits no longer for it: a gateway also starts with the coordinator gone. */
const FIRST_WAIT_MS = 3000
/** How often is looked whether the machine slept or its clock was set. */
const LOOK_MS = 1000
/** The wall's clock is so much further from ours than when they were compared last. */
const JUMP_MIN_MS = 30_000

export interface NetworkClockOptions {
  /** Asks the coordinator for its time, and answers by how many ms our clock moved. */
  mend(signal: AbortSignal): Promise<number>
  /** How far the wall's clock is ahead of ours in ms: it jumps when the machine slept, while ours stood, and when somebody sets it. */
  aheadMs(): number
  readonly log: Log
  readonly signal: AbortSignal
}

export interface NetworkClock {
  /** A miner was refused for its clock. It may be ours that is wrong: they are compared at once, unless that was done a moment ago. */
  doubt(): void
}

/**
 * Keeps the clock mended until the signal fires: a clock that is a minute off would refuse every miner and sign windows that nobody
 * pays. Resolves once the first answer is there, or could not be had in a few seconds. Never rejects.
 */
export async function keepClockMended(options: NetworkClockOptions): Promise<NetworkClock> {
  const keeper = new ClockKeeper(options)
  const first = Promise.withResolvers<void>()
  const firstTimer = setTimeout(first.resolve, FIRST_WAIT_MS)
  void keeper.compare().then(first.resolve)
  await first.promise
  clearTimeout(firstTimer)
  return keeper
}

class ClockKeeper implements NetworkClock {
  readonly #options: NetworkClockOptions
  readonly #looks: NodeJS.Timeout
  #next: NodeJS.Timeout | undefined
  /** Runs while a comparison is too young to be doubted. */
  #fresh: NodeJS.Timeout | undefined
  #isComparing = false
  /** As it was at the last comparison. */
  #aheadMs = 0

  constructor(options: NetworkClockOptions) {
    this.#options = options
    this.#looks = setInterval(() => this.#look(), LOOK_MS)
    const stop = (): void => {
      clearInterval(this.#looks)
      clearTimeout(this.#next)
      clearTimeout(this.#fresh)
    }
    options.signal.addEventListener('abort', stop, {once: true})
    if (options.signal.aborted) stop()
  }

  doubt(): void {
    if (this.#fresh === undefined) void this.compare()
  }

  async compare(): Promise<void> {
    const {mend, aheadMs, log, signal} = this.#options
    if (this.#isComparing || signal.aborted) return
    this.#isComparing = true
    this.#aheadMs = aheadMs()
    clearTimeout(this.#next)
    clearTimeout(this.#fresh)
    this.#fresh = setTimeout(() => {
      this.#fresh = undefined
    }, RETRY_MS)
    let nextMs = COMPARE_MS
    try {
      log.debug({movedMs: await mend(signal)}, 'clock compared with the coordinator')
    } catch (error) {
      nextMs = RETRY_MS
      log.info({code: isCreoError(error) ? error.code : String(error)}, 'the clock cannot be compared')
    }
    this.#isComparing = false
    if (signal.aborted) clearTimeout(this.#fresh)
    else this.#next = setTimeout(() => void this.compare(), nextMs)
  }

  /** While the machine sleeps its monotonic clock stands, and by it every timer. */
  #look(): void {
    if (this.#isComparing || Math.abs(this.#options.aheadMs() - this.#aheadMs) < JUMP_MIN_MS) return
    this.#options.log.info({}, "the machine slept or its clock was set: the clock is compared with the coordinator's")
    void this.compare()
  }
}
