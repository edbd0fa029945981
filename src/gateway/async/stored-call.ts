import type {CallState, EndedState} from '../../core/protocol/async.ts'

/** What a call is on its way through the queue of a gateway, and how much of it that takes. */

/** What a row costs beside its texts and bodies. */
export const ROW_BYTES = 512
/** What a callback tells beside the target and the answer, and the headers that it is sent with. */
const CALLBACK_BYTES = 2048
/** A printable character is at most so long in JSON. */
const ESCAPED_MAX = 2

/** What is asked of the function, or of an address outside, at each attempt. */
export interface CallRequest {
  readonly method: string
  /** Host and target as they would be asked without `/async`; for a callback that leaves the network its address is the target. */
  readonly host: string
  readonly target: string
  /** Name, value, name, value, … */
  readonly headers: readonly string[]
  /** Who posted it. */
  readonly address: string
  readonly secure: boolean
  /** Where the result goes: a path of the same app or an https address. */
  readonly callback?: string
  /** Is itself the callback of this call. */
  readonly callbackOf?: string
  readonly leavesNetwork?: boolean
  readonly scheduledAtMs?: number
}

export interface NewCall {
  readonly id: string
  /** `org/app`, whose share of the queue it takes. */
  readonly app: string
  /** `org/app/function`, or `org/app` for what leaves the network: what is delivered side by side is bounded by it. */
  readonly function: string
  readonly acceptedAtMs: number
  readonly request: CallRequest
  readonly body: Uint8Array
  /** Hashes of an idempotency key, and of all that must be the same under it. */
  readonly key?: {readonly name: string; readonly content: string}
}

/** What is held in memory of a call that has not ended. */
export interface WaitingCall {
  readonly id: string
  readonly app: string
  readonly function: string
  readonly dueAtMs: number
  readonly bytes: number
}

export interface StoredResult {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly truncated: boolean
}

export interface StoredCall extends Omit<NewCall, 'key' | 'body'> {
  readonly state: Exclude<CallState, 'running'>
  readonly attempts: number
  readonly dueAtMs: number
  readonly endedAtMs: number | null
  readonly error?: {readonly code: string; readonly message: string}
}

export interface TakenCall extends StoredCall {
  readonly body: Uint8Array
}

export type PutAnswer =
  | {readonly put: 'stored'}
  /** The id was known, or the key with the same content. */
  | {readonly put: 'known'; readonly id: string; readonly state: StoredCall['state']}
  | {readonly put: 'conflict'}

export interface Ending {
  readonly id: string
  readonly state: EndedState
  readonly atMs: number
  readonly error?: StoredCall['error']
  readonly result?: StoredResult
  readonly body?: Uint8Array
  /** Put in the same transaction, so that no result goes untold. */
  readonly callback?: NewCall
}

/** What a call takes of the queue; one that asks for a callback takes room for the least that it tells as well. */
export function bytesOf({request, body}: Pick<NewCall, 'request' | 'body'>): number {
  const headers = request.headers.reduce((sum, text) => sum + text.length, 0)
  return ROW_BYTES + request.target.length + headers + body.length + callbackBytes(request)
}

function callbackBytes({callback, target}: CallRequest): number {
  return callback === undefined ? 0 : ROW_BYTES + callback.length + CALLBACK_BYTES + ESCAPED_MAX * target.length
}

/** A call that has just been accepted, as it is held in memory. */
export function waitingOf({id, app, function: name, acceptedAtMs}: NewCall, bytes: number): WaitingCall {
  return {id, app, function: name, dueAtMs: acceptedAtMs, bytes}
}
