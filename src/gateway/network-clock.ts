import {isCreoError} from '../core/errors.ts'
import type {Log} from '../telemetry/log.ts'

/**
 * How often our clock is compared with the coordinator's: a computer's clock drifts by seconds a day at most. While a machine sleeps its
 * monotonic clock may stand still.
 */
const COMPARE_MS = 600_000
const RETRY_MS = 10_000
/** A start waits no longer for it: a gateway also starts with the coordinator gone. */
const FIRST_WAIT_MS = 3000

export interface NetworkClockOptions {
  /** Asks the coordinator for its time, and answers by how many ms our clock moved. */
  mend(signal: AbortSignal): Promise<number>
  readonly log: Log
  readonly signal: AbortSignal
}

/**
 * Keeps the clock mended until the signal fires: a clock that is a minute off would refuse every miner and sign windows that nobody
 * pays. Resolves once the first answer is there, or could not be had in a few seconds. Never rejects.
 */
export async function keepClockMended({mend, log, signal}: NetworkClockOptions): Promise<void> {
  const first = Promise.withResolvers<void>()
  const firstTimer = setTimeout(first.resolve, FIRST_WAIT_MS)
  let timer: NodeJS.Timeout | undefined
  const compare = async (): Promise<void> => {
    let nextMs = COMPARE_MS
    try {
      log.debug({movedMs: await mend(signal)}, 'clock compared with the coordinator')
    } catch (error) {
      nextMs = RETRY_MS
      log.info({code: isCreoError(error) ? error.code : String(error)}, 'the clock cannot be compared')
    }
    first.resolve()
    if (!signal.aborted) timer = setTimeout(() => void compare(), nextMs)
  }
  signal.addEventListener('abort', () => clearTimeout(timer), {once: true})
  void compare()
  await first.promise
  clearTimeout(firstTimer)
}
