import {isCreoError} from '../core/errors.ts'

export type Verdict = 'ok' | 'warn' | 'fail'

/** What the doctor found about one thing, with one thing to do about it. */
export interface Finding {
  readonly check: string
  readonly verdict: Verdict
  readonly message: string
  readonly hint?: string
}

/** A check that could not be made, as a finding. */
export function failure(check: string, error: unknown): Finding {
  const message = error instanceof Error ? error.message : String(error)
  return isCreoError(error) && error.hint !== undefined
    ? {check, verdict: 'fail', message, hint: error.hint}
    : {check, verdict: 'fail', message}
}
