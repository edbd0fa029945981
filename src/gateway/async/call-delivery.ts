import {type Duplex, duplexPair} from 'node:stream'
import type {Attempted} from '../../core/async-calls.ts'
import {ERROR_CODES, type ErrorCode} from '../../core/errors.ts'
import {apiErrorSchema} from '../../core/protocol/api.ts'
import {RESULT_BYTES_MAX} from '../../core/protocol/async.ts'
import {retryAfter} from '../../tunnel/web-post.ts'
import {type AnswerHead, type AnswerParts, AnswerReader} from '../answer-reader.ts'
import type {Client} from '../http/client-call.ts'
import {linesOf} from '../http/header-lines.ts'
import type {StoredResult, TakenCall} from './stored-call.ts'

/** What one attempt came to, and what is kept of the answer. */
export interface Delivered {
  readonly attempted: Attempted
  /** Absent when nobody answered. */
  readonly answer?: {readonly result: StoredResult; readonly body: Buffer}
  /** Why it did not succeed. */
  readonly error?: {readonly code: string; readonly message: string}
}

/**
 * Asks the function once, as a client of this gateway would: over a connection of its own that never leaves the process, so that a call is routed,
 * limited, metered and logged like any request. Resolves also when the function could not be asked; an abort ends the attempt.
 */
export function deliverCall(call: TakenCall, serve: Serve, signal: AbortSignal): Promise<Delivered> {
  const {address, secure, scheduledAtMs} = call.request
  const delivery = {id: call.id, attempt: call.attempts, ...(scheduledAtMs !== undefined && {scheduledAtMs})}
  return askWithin({...call.request, body: call.body}, {serve, client: {address, secure, delivery}}, signal)
}

type Serve = (socket: Duplex, client: Client) => void

interface AskedWithin {
  readonly method: string
  readonly target: string
  readonly host: string
  readonly headers: readonly string[]
  readonly body?: Uint8Array
}

/** Asks over a connection of its own that never leaves the process, in the name of a client. */
export function askWithin(
  request: AskedWithin,
  {serve, client}: {readonly serve: Serve; readonly client: Client},
  signal: AbortSignal
): Promise<Delivered> {
  const [near, far] = duplexPair()
  return new Promise((resolve) => {
    const settle = (delivered: Delivered): void => {
      signal.removeEventListener('abort', abort)
      resolve(delivered)
      // Not within a write of the other side.
      setImmediate(() => {
        near.destroy()
        far.destroy()
      })
    }
    const abort = (): void => settle(refusedBy('interrupted', 'The attempt was called off.'))
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, {once: true})
    const reader = new AnswerReader(new Answer(settle))
    const broke = (): void => settle(refusedBy('bad_gateway', 'The function broke off before its answer was complete.'))
    near.on('data', (piece: Buffer) => {
      try {
        reader.read(piece)
      } catch {
        broke()
      }
    })
    near.on('end', broke).on('close', broke).on('error', broke)
    reader.expect({toHead: request.method === 'HEAD', mayUpgrade: false})
    serve(far, client)
    near.write(headOf(request), 'latin1')
    if (request.body !== undefined && request.body.length > 0) near.write(request.body)
  })
}

/** The parts of an answer, put together as far as they are kept. */
class Answer implements AnswerParts {
  readonly #settle: (delivered: Delivered) => void
  readonly #pieces: Buffer[] = []
  #bytes = 0
  #head: AnswerHead | undefined

  constructor(settle: (delivered: Delivered) => void) {
    this.#settle = settle
  }

  onInterim(): void {
    // What comes before the answer is of no use later.
  }

  onHead(head: AnswerHead): void {
    this.#head = head
  }

  onData(chunk: Buffer): void {
    const room = RESULT_BYTES_MAX - this.#bytes
    // A copy: what was read may be larger and would be kept with it.
    if (room > 0) this.#pieces.push(Buffer.from(chunk.subarray(0, room)))
    this.#bytes += chunk.length
  }

  onEnd(): void {
    const {status = 0, headers: lines = []} = this.#head ?? {}
    const headers = joined(lines)
    const body = Buffer.concat(this.#pieces)
    const code = headers['creo-error']
    if (code !== undefined) {
      this.#settle(refusedByGateway(code, body))
      return
    }
    const retryAfterMs = retryAfter(headers['retry-after'])
    this.#settle({
      attempted: {kind: 'answered', status, ...(retryAfterMs !== undefined && {retryAfterMs})},
      answer: {result: {status, headers, truncated: this.#bytes > RESULT_BYTES_MAX}, body},
      ...(status >= 400 && {error: {code: 'failed', message: `The function answered ${status}.`}})
    })
  }
}

function headOf({method, target, host, headers, body}: AskedWithin): string {
  const length = body !== undefined && body.length > 0 ? `content-length: ${body.length}\r\n` : ''
  return `${method} ${target} HTTP/1.1\r\nhost: ${host}\r\n${linesOf(headers)}${length}connection: close\r\n\r\n`
}

export function refusedBy(code: ErrorCode, message: string): Delivered {
  return {attempted: {kind: 'refused', code}, error: {code, message}}
}

function refusedByGateway(code: string, body: Buffer): Delivered {
  const known = Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'bad_gateway'
  try {
    return refusedBy(known, apiErrorSchema.parse(JSON.parse(body.toString('utf8'))).error.message)
  } catch {
    return refusedBy(known, `The gateway answered ${code}.`)
  }
}

function joined(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (let at = 0; at < lines.length; at += 2) {
    const name = lines[at] ?? ''
    const value = lines[at + 1] ?? ''
    headers[name] = Object.hasOwn(headers, name) ? `${headers[name]}, ${value}` : value
  }
  for (const name of ['connection', 'keep-alive', 'transfer-encoding']) delete headers[name]
  return headers
}
