import type {Duplex} from 'node:stream'
import {CreoError} from '../core/errors.ts'
import {pipeSockets} from '../tunnel/pipe-sockets.ts'
import type {AnswerHead} from './answer-reader.ts'
import {dataHeaders} from './assets/beside-pages.ts'
import type {FunctionCall, FunctionConnection} from './function-connection.ts'
import {answeredHeaders, interimHeaders} from './headers.ts'
import type {CallOwner, ClientCall} from './http/client-call.ts'
import type {Headers} from './http/header-lines.ts'
import type {BodyFraming} from './http/request-head.ts'
import type {Instance} from './instance.ts'

/** Only a small answer is held until it is known to be whole. */
const HELD_BYTES_MAX = 8192

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
  /** From when it was sent until the head of its answer came; 0 when none did. */
  readonly headMs: number
}

export interface ExchangeRequest {
  readonly call: ClientCall
  /** Request line and headers for the function. */
  readonly head: string
  readonly bodyBytesMax: number
  readonly timeoutMs: number
  /** It answers at the origin of listed files, and must not pass for one: see `dataHeaders`. */
  readonly asData: boolean
}

/** Sends one request to one instance and its answer to the client, both as they come. Never rejects. */
export function exchange(instance: Instance, asked: ExchangeRequest): Promise<ExchangeOutcome> {
  return new Promise((resolve) => new Exchange(asked, instance, resolve).run())
}

/** One object a request: this is the hot path, so it has no streams or promises of its own. */
class Exchange implements FunctionCall, CallOwner {
  readonly head: string
  readonly body: BodyFraming
  readonly toHead: boolean
  readonly mayUpgrade: boolean
  readonly #asked: ExchangeRequest
  readonly #client: ClientCall
  readonly #instance: Instance
  readonly #resolve: (outcome: ExchangeOutcome) => void
  readonly #timer: NodeJS.Timeout
  #connection: FunctionConnection | undefined
  #bodyUntouched = true
  #done = false
  #bytesIn = 0
  #bytesOut = 0
  #beganMs = 0
  #headMs = 0
  #waitsForClient = false
  /** The first bytes of an answer, until the rest of the piece that they came in is read. */
  #held: Buffer | undefined

  constructor(asked: ExchangeRequest, instance: Instance, resolve: (outcome: ExchangeOutcome) => void) {
    this.head = asked.head
    this.toHead = asked.call.head.method === 'HEAD'
    this.body = asked.call.head.body
    this.mayUpgrade = asked.call.upgrades
    this.#client = asked.call
    this.#asked = asked
    this.#instance = instance
    this.#resolve = resolve
    this.#timer = setTimeout(this.#timedOut, asked.timeoutMs)
  }

  run(): void {
    this.#client.owner = this
    this.#beganMs = performance.now()
    if (this.#client.isGone) this.onClientGone()
    else this.#instance.send(this)
  }

  onSent(connection: FunctionConnection): void {
    this.#connection = connection
    if (this.body !== 'none') this.#client.takeBody()
  }

  onDrain(): void {
    if (!this.#done && this.body !== 'none') this.#client.takeBody()
  }

  onInterim({status, headers}: AnswerHead): void {
    // What comes before an answer tells browsers what to fetch.
    this.#client.interim(status, this.#asked.asData ? [] : interimHeaders(headers))
  }

  onHead({status, headers}: AnswerHead): void {
    this.#headMs = performance.now() - this.#beganMs
    this.#client.begin(status, this.#answered(headers))
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
    else if (this.#client.hasBegun) this.#client.flush()
  }

  onEnd(trailers: Headers): void {
    // A small answer leaves in one piece with its head: half the system time of two.
    const held = this.#held
    this.#held = undefined
    this.#client.end(held, trailers)
    this.#finish('answered')
  }

  onError(error: CreoError): void {
    // The client must not take half an answer for the whole.
    if (this.#client.hasBegun) this.#client.cut()
    this.#finish('failed', error)
  }

  onUpgrade({headers}: AnswerHead, functionSocket: Duplex): void {
    clearTimeout(this.#timer)
    const {socket, head} = this.#client.upgrade(this.#answered(headers))
    const pipe = pipeSockets(socket, functionSocket, {head})
    void pipe.closed.then(() => {
      this.#bytesIn = pipe.bytesAToB
      this.#bytesOut = pipe.bytesBToA
      this.#finish('answered')
    })
  }

  onBody(chunk: Buffer): void {
    this.#bodyUntouched = false
    this.#bytesIn += chunk.length
    const {bodyBytesMax} = this.#asked
    if (this.#bytesIn > bodyBytesMax) {
      this.#fail(new CreoError('payload_too_large', `A body has at most ${bodyBytesMax} bytes.`, {hint: 'Send it in several requests.'}))
    } else if (this.#connection?.writeBody(chunk) === false) this.#client.holdBody()
  }

  onBodyEnd(trailers: Headers): void {
    this.#bodyUntouched = false
    this.#connection?.endBody(trailers)
  }

  onClientDrain(): void {
    if (!this.#done && this.#waitsForClient) this.#connection?.resume()
    this.#waitsForClient = false
  }

  onClientGone(): void {
    this.#abort(this.#client.hasBegun ? 'answered' : 'client_gone', new CreoError('interrupted', 'The client has gone.'))
  }

  #answered(headers: Headers): string[] {
    const {id} = this.#instance.revision
    return this.#asked.asData ? dataHeaders(headers, id) : answeredHeaders(headers, id)
  }

  #write(chunk: Buffer): void {
    const connection = this.#connection
    if (this.#client.write(chunk) || connection === undefined || this.#waitsForClient) return
    this.#waitsForClient = true
    connection.pause()
  }

  readonly #timedOut = (): void => {
    this.#fail(
      new CreoError('timeout', 'The function took longer than its timeout.', {
        hint: 'Ask for less at once; its owner can set a longer timeout in creo.yaml.'
      })
    )
  }

  #fail(reason: CreoError): void {
    if (this.#client.hasBegun) this.#client.cut()
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
    this.#client.owner = undefined
    if (this.body !== 'none') this.#client.holdBody()
    this.#resolve({
      kind,
      error,
      nothingSent: this.#connection === undefined,
      bodyUntouched: this.#bodyUntouched,
      responded: this.#client.hasBegun,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      headMs: this.#headMs
    })
  }
}
