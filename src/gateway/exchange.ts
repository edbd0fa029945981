import type {IncomingHttpHeaders, IncomingMessage, ServerResponse} from 'node:http'
import type {Duplex} from 'node:stream'
import type {Dispatcher} from 'undici'
import {CreoError} from '../core/errors.ts'
import {answeredHeaders} from './headers.ts'
import type {Instance} from './instance.ts'
import {RequestBody} from './request-body.ts'

/** Only a small answer is held until it is known to be whole. */
const HELD_BYTES_MAX = 8192

/** How one try on one instance ended. */
export interface ExchangeOutcome {
  /** `answered` also when the client left in the middle of an answer. */
  readonly kind: 'answered' | 'client_gone' | 'failed'
  readonly error?: CreoError
  /** Nothing of the request can have reached the function. */
  readonly nothingSent: boolean
  /** Nothing of the body was read, so that it can be sent elsewhere. */
  readonly bodyUntouched: boolean
  /** The answer's head has gone to the client. */
  readonly responded: boolean
  readonly bytesIn: number
  readonly bytesOut: number
}

export interface ExchangeRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly target: string
  readonly headers: string[]
  readonly timeoutMs: number
  /** The client waits for a 100 before it sends its body. */
  readonly expectsContinue: boolean
  /** Set for a WebSocket: called with what the client is told of the function's 101 (name, value, …). */
  readonly onUpgrade?: (headers: readonly string[], socket: Duplex) => Promise<{readonly bytesIn: number; readonly bytesOut: number}>
}

/** Sends one request to one instance and its answer to the client, both as they come. Never rejects. */
export function exchange(instance: Instance, asked: ExchangeRequest): Promise<ExchangeOutcome> {
  return new Promise((resolve) => new Exchange(asked, instance, resolve).run())
}

/** One handler object a request: this is the hot path, so it has no streams or promises of its own besides the body's. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #asked: ExchangeRequest
  readonly #instance: Instance
  readonly #resolve: (outcome: ExchangeOutcome) => void
  readonly #timer: NodeJS.Timeout
  #controller: Dispatcher.DispatchController | undefined
  #aborted: CreoError | undefined
  #sent = false
  #bodyUntouched = true
  #done = false
  #bytesIn = 0
  #bytesOut = 0
  /** The first bytes of an answer, until the rest of the piece that they came in is read. */
  #held: Buffer | undefined

  constructor(asked: ExchangeRequest, instance: Instance, resolve: (outcome: ExchangeOutcome) => void) {
    this.#asked = asked
    this.#instance = instance
    this.#resolve = resolve
    this.#timer = setTimeout(() => this.#abort(new CreoError('timeout', 'The function took longer than its timeout.')), asked.timeoutMs)
  }

  run(): void {
    const {request, response, target, headers, expectsContinue, onUpgrade} = this.#asked
    const hasBody = request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
    response.on('close', this.#clientClosed)
    const body = hasBody
      ? new RequestBody(request, {
          firstRead: () => {
            this.#bodyUntouched = false
            if (expectsContinue && !response.headersSent) response.writeContinue()
          },
          bytes: (bytes) => {
            this.#bytesIn += bytes
          }
        })
      : null
    const method = request.method as Dispatcher.HttpMethod
    try {
      const upgrade = onUpgrade === undefined ? {} : {upgrade: 'websocket'}
      this.#instance.dispatcher.dispatch({path: target, method, headers, body, ...upgrade}, this)
    } catch (cause) {
      this.#finish('failed', new CreoError('bad_gateway', 'The request cannot be sent on.', {cause}))
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#aborted !== undefined) controller.abort(this.#aborted)
    else this.#sent = true
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return
    this.#asked.response.writeHead(status, answeredHeaders(headers, this.#instance.revision.id))
    queueMicrotask(this.#flush)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const first = this.#bytesOut === 0
    this.#bytesOut += chunk.length
    if (first && chunk.length <= HELD_BYTES_MAX) {
      this.#held = chunk
      queueMicrotask(this.#flush)
      return
    }
    this.#flush()
    const {response} = this.#asked
    if (response.write(chunk)) return
    controller.pause()
    response.once('drain', () => controller.resume())
  }

  onResponseEnd(): void {
    const {response} = this.#asked
    // A small answer leaves in one piece with its head: half the system time of two.
    if (this.#held === undefined) response.end()
    else response.end(this.#held.toString('latin1'), 'latin1')
    this.#held = undefined
    this.#finish('answered')
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const {response} = this.#asked
    if (this.#aborted?.code === 'interrupted') {
      this.#finish(response.headersSent ? 'answered' : 'client_gone', this.#aborted)
      return
    }
    const reason = this.#aborted ?? new CreoError('bad_gateway', 'The instance broke off.', {cause: error})
    // The client must not take half an answer for the whole.
    if (response.headersSent) response.destroy()
    this.#finish('failed', reason)
  }

  onRequestUpgrade(_controller: Dispatcher.DispatchController, _status: number, headers: IncomingHttpHeaders, socket: Duplex): void {
    const {onUpgrade} = this.#asked
    clearTimeout(this.#timer)
    this.#asked.response.off('close', this.#clientClosed)
    void onUpgrade?.(answeredHeaders(headers, this.#instance.revision.id), socket).then(({bytesIn, bytesOut}) => {
      this.#bytesIn = bytesIn
      this.#bytesOut = bytesOut
      this.#finish('answered')
    })
  }

  /** Sends what has come when no more comes in the same piece: streams are never held back. */
  readonly #flush = (): void => {
    const {response} = this.#asked
    if (response.writableEnded || response.destroyed) return
    if (this.#held !== undefined) response.write(this.#held)
    else if (this.#bytesOut === 0) response.flushHeaders()
    this.#held = undefined
  }

  readonly #clientClosed = (): void => {
    if (!this.#asked.response.writableFinished) this.#abort(new CreoError('interrupted', 'The client has gone.'))
  }

  #abort(reason: CreoError): void {
    this.#aborted ??= reason
    if (this.#controller !== undefined) this.#controller.abort(reason)
    else this.#finish(reason.code === 'interrupted' ? 'client_gone' : 'failed', reason)
  }

  #finish(kind: ExchangeOutcome['kind'], error?: CreoError): void {
    if (this.#done) return
    this.#done = true
    clearTimeout(this.#timer)
    const {response} = this.#asked
    response.off('close', this.#clientClosed)
    this.#resolve({
      kind,
      ...(error !== undefined && {error}),
      nothingSent: !this.#sent,
      bodyUntouched: this.#bodyUntouched,
      responded: response.headersSent,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut
    })
  }
}
