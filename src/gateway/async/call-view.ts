import {randomBytes} from 'node:crypto'
import type {CallState, CallSummary, CallView} from '../../core/protocol/async.ts'
import type {StoredCall, StoredResult} from './call-store.ts'

const ID_BYTES = 24

export function newCallId(): string {
  return `call_${randomBytes(ID_BYTES).toString('base64url')}`
}

export function callSummary(call: StoredCall, state: CallState): CallSummary {
  const {method, target, scheduledAtMs, callbackOf} = call.request
  return {
    id: call.id,
    state,
    function: call.function,
    method,
    target,
    attempts: call.attempts,
    acceptedAtMs: call.acceptedAtMs,
    ...(state === 'queued' && {nextAttemptAtMs: call.dueAtMs}),
    ...(call.endedAtMs !== null && {endedAtMs: call.endedAtMs}),
    ...(scheduledAtMs !== undefined && {scheduledAtMs}),
    ...(callbackOf !== undefined && {callbackOf}),
    ...(call.error !== undefined && {error: call.error})
  }
}

export function callView(
  call: StoredCall,
  state: CallState,
  kept: {readonly result: StoredResult | undefined; readonly body: Uint8Array}
): CallView {
  const {result} = kept
  if (result === undefined) return callSummary(call, state)
  // What the thread of the store sends is no Buffer.
  const body = Buffer.from(kept.body.buffer, kept.body.byteOffset, kept.body.byteLength)
  const text = body.toString('utf8')
  const isText = Buffer.from(text).equals(body)
  const {status, headers, truncated} = result
  return {
    ...callSummary(call, state),
    result: {status, headers, body: isText ? text : body.toString('base64'), encoding: isText ? 'utf8' : 'base64', truncated}
  }
}
