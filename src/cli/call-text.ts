import type {CallOfApp, CallSummary, CallView} from '../core/protocol/async.ts'

/** A call as `--json` has it. */
export type ShownCall = Omit<CallSummary, 'acceptedAtMs' | 'nextAttemptAtMs' | 'endedAtMs' | 'scheduledAtMs'> & {
  readonly acceptedAt: string
  readonly nextAttemptAt?: string
  readonly endedAt?: string
  readonly scheduledAt?: string
  readonly gateway: string
  readonly result?: CallView['result']
}

/** As lists have it: without ids for a key that may only look. */
export type ListedCall = Omit<ShownCall, 'id' | 'result'> & Pick<CallOfApp, 'id'>

export function shownCall(call: CallView & {readonly gateway: string}): ShownCall
export function shownCall(call: CallOfApp): ListedCall
export function shownCall(call: CallOfApp): ListedCall {
  const {acceptedAtMs, nextAttemptAtMs, endedAtMs, scheduledAtMs, ...rest} = call
  return {
    ...rest,
    acceptedAt: timeText(acceptedAtMs),
    ...(nextAttemptAtMs !== undefined && {nextAttemptAt: timeText(nextAttemptAtMs)}),
    ...(endedAtMs !== undefined && {endedAt: timeText(endedAtMs)}),
    ...(scheduledAtMs !== undefined && {scheduledAt: timeText(scheduledAtMs)})
  }
}

/** What there is to say of one call, and its answer. */
export function callLines(call: ShownCall): readonly string[] {
  const {method, target, result, error} = call
  const lines: [string, string | undefined][] = [
    ['call', call.id],
    ['state', call.state],
    ['function', call.function],
    ['request', `${method} ${target}`],
    ['callback of', call.callbackOf],
    ['scheduled', call.scheduledAt],
    ['accepted', call.acceptedAt],
    ['attempts', String(call.attempts)],
    ['next one', call.nextAttemptAt],
    ['ended', call.endedAt],
    ['error', error?.message],
    ['answer', result && `${result.status}${result.truncated ? ', cut' : ''}`]
  ]
  return lines.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(12)} ${value.replace(/\p{Cc}+/gu, ' ')}`]))
}

function timeText(ms: number): string {
  return new Date(ms).toISOString()
}
