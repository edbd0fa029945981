import type {IncomingMessage, ServerResponse} from 'node:http'
import type {Duplex} from 'node:stream'
import {CreoError} from '../core/errors.ts'
import type {AnswerHead} from './answer-reader.ts'
import type {FunctionCall, FunctionConnection} from './function-connection.ts'
import {answeredHeaders, type BodyFraming} from './headers.ts'
import type {Instance} from './instance.ts'

/** Only a small answer is held until it is known to be whole. */
const HELD_BYTES_MAX = 8192
const CONTINUE = 100

/** How one try on one instance ended. */
export interface ExchangeOutcome {
  /** `answered` also when the client left in the middle of an answer. */
  readonly kind: 'answered' | 'client_gone' | 'failed'
  readonly error: CreoError | undefined
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
  /** Request line and headers for the function. */
  readonly head: string
  readonly body: BodyFraming
  readonly bodyBytesMax: number
  readonly timeoutMs: number
  /** Set for a WebSocket: called with what the client is told of the function's 101 (name, value, …). */
  readonly onUpgrade?: ((headers: readonly string[], socket: Duplex) => Promise<UpgradedBytes>) | undefined
}

export interface UpgradedBytes {
  readonly bytesIn: number
  readonly bytesOut: number
}

/** Sends one request to one instance and its answer to the client, both as they come. Never rejects. */
export function exchange(instance: Instance, asked: ExchangeRequest): Promise<ExchangeOutcome> {
  return new Promise((resolve) => new Exchange(asked, instance, resolve).run())
}

/** One object a request: this is the hot path, so it has no streams or promises of its own. */
class Exchange implements FunctionCall {
  readonly head: string
  readonly body: BodyFraming
  readonly toHead: boolean
  readonly mayUpgrade: boolean
  readonly #asked: ExchangeRequest
  readonly #instance: Instance
  readonly #resolve: (outcome: ExchangeOutcome) => void
  readonly #timer: NodeJS.Timeout
  #connection: FunctionConnection | undefined
  #bodyUntouched = true
  #done = false
  #bytesIn = 0
  #bytesOut = 0
  #headWaits = false
  #waitsForClient = false
  /** The first bytes of an answer, until the rest of the piece that they came in is read. */
  #held: Buffer | undefined

  constructor(asked: ExchangeRequest, instance: Instance, resolve: (outcome: ExchangeOutcome) => void) {
    this.head = asked.head
    this.body = asked.body
    this.toHead = asked.request.method === 'HEAD'
    this.mayUpgrade = asked.onUpgrade !== undefined
    this.#asked = asked
    this.#instance = instance
    this.#resolve = resolve
    this.#timer = setTimeout(this.#timedOut, asked.timeoutMs)
  }

  run(): void {
    this.#asked.response.on('close', this.#clientClosed)
    this.#instance.connections.send(this)
  }

  onSent(connection: FunctionConnection): void {
    this.#connection = connection
    if (this.body === 'none') return
    this.#asked.request.on('data', this.#takeBody).on('end', this.#endBody).resume()
  }

  onDrain(): void {
    if (!this.#done && this.body !== 'none') this.#asked.request.resume()
  }

  onInterim(status: number): void {
    const {response, request} = this.#asked
    if (status === CONTINUE && request.headers.expect !== undefined && !response.headersSent) response.writeContinue()
  }

  onHead({status, headers}: AnswerHead): void {
    this.#asked.response.writeHead(status, answeredHeaders(headers, this.#instance.revision.id))
    this.#headWaits = true
  }

  onData(chunk: Buffer): void {
    const first = this.#bytesOut === 0
    this.#bytesOut += chunk.length
    if (first && chunk.length <= HELD_BYTES_MAX) {
      this.#held = chunk
      return
    }
    this.onPieceEnd()
    this.#write(chunk)
  }

  /** Sends what has come when no more comes in the same piece: streams are never held back. */
  onPieceEnd(): void {
    const held = this.#held
    this.#held = undefined
    if (held !== undefined) this.#write(held)
    else if (this.#headWaits) this.#asked.response.flushHeaders()
    this.#headWaits = false
  }

  onEnd(): void {
    const {response} = this.#asked
    // A small answer leaves in one piece with its head: half the system time of two.
    if (this.#held === undefined) response.end()
    else response.end(this.#held.toString('latin1'), 'latin1')
    this.#finish('answered')
  }

  onError(error: CreoError): void {
    const {response} = this.#asked
    // The client must not take half an answer for the whole.
    if (response.headersSent) response.destroy()
    this.#finish('failed', error)
  }

  onUpgrade({headers}: AnswerHead, socket: Duplex): void {
    const {onUpgrade, response} = this.#asked
    clearTimeout(this.#timer)
    response.off('close', this.#clientClosed)
    void onUpgrade?.(answeredHeaders(headers, this.#instance.revision.id), socket).then(({bytesIn, bytesOut}) => {
      this.#bytesIn = bytesIn
      this.#bytesOut = bytesOut
      this.#finish('answered')
    })
  }

  #write(chunk: Buffer): void {
    const {response} = this.#asked
    this.#headWaits = false
    const connection = this.#connection
    if (response.write(chunk) || connection === undefined || this.#waitsForClient) return
    this.#waitsForClient = true
    connection.pause()
    response.once('drain', this.#clientDrained)
  }

  readonly #clientDrained = (): void => {
    this.#waitsForClient = false
    if (!this.#done) this.#connection?.resume()
  }

  readonly #takeBody = (chunk: Buffer): void => {
    this.#bodyUntouched = false
    this.#bytesIn += chunk.length
    const {bodyBytesMax} = this.#asked
    if (this.#bytesIn > bodyBytesMax) {
      this.#fail(new CreoError('payload_too_large', `A body has at most ${bodyBytesMax} bytes.`, {hint: 'Send it in several requests.'}))
    } else if (this.#connection?.writeBody(chunk) === false) this.#asked.request.pause()
  }

  readonly #endBody = (): void => {
    this.#bodyUntouched = false
    this.#connection?.endBody()
  }

  readonly #clientClosed = (): void => {
    if (this.#asked.response.writableFinished) return
    this.#abort(this.#asked.response.headersSent ? 'answered' : 'client_gone', new CreoError('interrupted', 'The client has gone.'))
  }

  readonly #timedOut = (): void => {
    this.#fail(
      new CreoError('timeout', 'The function took longer than its timeout.', {
        hint: 'Ask for less at once; its owner can set a longer timeout in creo.yaml.'
      })
    )
  }

  #fail(reason: CreoError): void {
    const {response} = this.#asked
    if (response.headersSent) response.destroy()
    this.#abort('failed', reason)
  }

  #abort(kind: ExchangeOutcome['kind'], reason: CreoError): void {
    if (this.#done) return
    if (this.#connection === undefined) this.#instance.connections.withdraw(this)
    else this.#connection.destroy()
    this.#finish(kind, reason)
  }

  #finish(kind: ExchangeOutcome['kind'], error?: CreoError): void {
    if (this.#done) return
    this.#done = true
    clearTimeout(this.#timer)
    const {response, request} = this.#asked
    response.off('close', this.#clientClosed)
    if (this.body !== 'none') {
      request.off('data', this.#takeBody).off('end', this.#endBody)
      if (!request.complete) request.pause()
    }
    this.#resolve({
      kind,
      error,
      nothingSent: this.#connection === undefined,
      bodyUntouched: this.#bodyUntouched,
      responded: response.headersSent,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut
    })
  }
}
