import {isCreoError} from '../core/errors.ts'
import type {FromWorker} from './journal-messages.ts'

/** The last that a worker says of what it can't go on after. */
export function sayFailure(error: unknown): FromWorker {
  const message = error instanceof Error ? error.message : String(error)
  return {type: 'failed', code: isCreoError(error) ? error.code : 'unavailable', message}
}
