import {CreoError} from '../../core/errors.ts'
import {pause} from '../pause.ts'

/**
 * States what must be true for the tour to go on.
 * @throws {CreoError} `verification_failed` with the sentence when it is not.
 */
export function mustHold(holds: boolean, sentence: string): asserts holds {
  if (!holds)
    throw new CreoError('verification_failed', `This did not hold: ${sentence}.`, {
      hint: 'Run again with --keep and read the logs it names.'
    })
}

/** How long a step waits for what other processes do by themselves: leases, receipts, epochs. */
const WAIT_MAX_MS = 60_000
/** Between two looks. */
const LOOK_EVERY_MS = 100

/** Looks until `look` gives a value, for a minute at most. */
export async function eventually<T>(what: string, signal: AbortSignal, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(WAIT_MAX_MS)])
  while (!deadline.aborted) {
    const value = await look()
    if (value !== undefined) return value
    await pause(LOOK_EVERY_MS, deadline)
  }
  signal.throwIfAborted()
  throw new CreoError('verification_failed', `Waited ${WAIT_MAX_MS / 1000} s in vain until ${what}.`, {
    hint: 'Run again with --keep and read the logs it names.'
  })
}
