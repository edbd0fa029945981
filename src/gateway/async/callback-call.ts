import {parseCallback} from '../../core/async-calls.ts'
import type {EndedState} from '../../core/protocol/async.ts'
import type {Delivered} from './call-delivery.ts'
import {callView, newCallId} from './call-view.ts'
import {bytesOf, type NewCall, type TakenCall} from './stored-call.ts'

/** How a call ended, for who asked to be told. */
interface Ended extends Pick<Delivered, 'answer' | 'error'> {
  readonly state: EndedState
  readonly atMs: number
}

/**
 * The call that tells of another one's end: it waits in the same queue, is tried as often, and may fail as well. Undefined when nobody asked for it.
 * Where `hasRoom` says no to its size with all of the answer, it tells that without headers and body: for so much the call that ended has kept room.
 */
export function callbackOf(call: TakenCall, ended: Ended, hasRoom: (wholeBytes: number) => boolean): NewCall | undefined {
  const whole = tellingOf(call, ended)
  if (whole === undefined || hasRoom(bytesOf(whole))) return whole
  const {answer} = ended
  if (answer === undefined) return whole
  const brief = {result: {status: answer.result.status, headers: {}, truncated: true}, body: Buffer.alloc(0)}
  return tellingOf(call, {...ended, answer: brief})
}

function tellingOf(call: TakenCall, {state, atMs, answer, error}: Ended): NewCall | undefined {
  const {callback: text, host, address, secure} = call.request
  const callback = text === undefined ? undefined : parseCallback(text)
  if (callback === undefined) return undefined
  const {error: _, ...before} = call
  const ended = {...before, state, endedAtMs: atMs, ...(error !== undefined && {error})}
  const told = callView(ended, state, {result: answer?.result, body: answer?.body ?? new Uint8Array()})
  return {
    id: newCallId(),
    app: call.app,
    function: call.app,
    acceptedAtMs: atMs,
    request: {
      method: 'POST',
      host,
      target: callback.to === 'app' ? callback.target : callback.url,
      headers: ['content-type', 'application/json'],
      address,
      secure,
      callbackOf: call.id,
      ...(callback.to === 'web' && {leavesNetwork: true})
    },
    body: Buffer.from(JSON.stringify(told))
  }
}
