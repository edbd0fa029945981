import {CreoError, isCreoError} from '../core/errors.ts'
import type {RestTier} from '../core/readiness.ts'
import type {InstanceExit} from '../runtime/port.ts'
import type {HeldContainer} from './held-container.ts'

export type StartOutcome =
  /** `from`: the tier that it waited at. */
  {readonly status: 'started'; readonly from: RestTier} | {readonly status: 'failed'; readonly code: string; readonly message: string}

/** In words that a gateway and the org's owner understand. */
export function startFailure(
  error: unknown,
  {exit, timeoutMs, signal}: {readonly exit: InstanceExit | undefined; readonly timeoutMs: number; readonly signal: AbortSignal}
): Extract<StartOutcome, {status: 'failed'}> {
  const message = error instanceof Error ? error.message : String(error)
  if (exit?.oom) return {status: 'failed', code: 'oom', message: `It used more than its memory limit. ${message}`}
  const code = isCreoError(error) ? error.code : 'internal'
  if (exit !== undefined || code === 'failed') return {status: 'failed', code: 'crash', message}
  if (code === 'unhealthy') return {status: 'failed', code, message}
  if (signal.aborted || code === 'timeout') {
    return {status: 'failed', code: 'timeout', message: `It accepted no connection within ${timeoutMs / 1000} s. ${message}`}
  }
  return {status: 'failed', code, message}
}

export function noRoom(): CreoError {
  return new CreoError('overloaded', 'This node has no room for another instance.')
}

export async function stoppedWhileStarting(container: HeldContainer): Promise<StartOutcome> {
  await container.remove(0)
  return {status: 'failed', code: 'stopped', message: 'The instance was stopped while it started.'}
}
