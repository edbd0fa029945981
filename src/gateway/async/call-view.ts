import {randomBytes} from 'node:crypto'
import type {CallState, CallSummary, CallView} from '../../core/protocol/async.ts'
import type {StoredCall, StoredResult} from './stored-call.ts'

const ID_BYTES = 24
const TARGET_LISTED_MAX = 1024
/** Text with a few escapes stays text. */
const TEXT_OVERHEAD_BYTES = 256

export function newCallId(): string {
  return `call_${randomBytes(ID_BYTES).toString('base64url')}`
}

/** As a list has it: with no more of the target than lists have room for. */
export function listedCall(call: StoredCall, state: CallState): CallSummary {
  const summary = callSummary(call, state)
  return {...summary, target: summary.target.slice(0, TARGET_LISTED_MAX)}
}

function callSummary(call: StoredCall, state: CallState): CallSummary {
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
  // Escapes may make it six times as long.
  const isText = Buffer.from(text).equals(body) && Buffer.byteLength(JSON.stringify(text)) <= TEXT_OVERHEAD_BYTES + base64Bytes(body.length)
  const {status, headers, truncated} = result
  return {
    ...callSummary(call, state),
    result: {status, headers, body: isText ? text : body.toString('base64'), encoding: isText ? 'utf8' : 'base64', truncated}
  }
}

function base64Bytes(bytes: number): number {
  return Math.ceil(bytes / 3) * 4
}
