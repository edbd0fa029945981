import type {Duplex} from 'node:stream'
import {CreoError, isCreoError} from '../core/errors.ts'
import {TickCork} from '../tunnel/tick-cork.ts'
import {writeOnce} from '../tunnel/write-once.ts'
import {badGateway} from './answer-error.ts'
import {type AnswerHead, type AnswerParts, AnswerReader} from './answer-reader.ts'
import {allowedTrailers, type Headers, linesOf} from './http/header-lines.ts'

/** An unused connection to an instance is given back after this long: each takes a place in a home router's table. */
const KEPT_MS = 10_000
/** A function that says how long it keeps a connection is believed, less this: a request may be on its way to it. */
const KEPT_MARGIN_MS = 1000
const KEEP_ALIVE_TIMEOUT = /(?:^|[\s,])timeout=(\d{1,7})/i
/** A body's first bytes up to so many leave as one text with the head: half the system time of two writes. */
const JOINED_BYTES_MAX = 8192

/** One request as a connection takes it, and who is told of its answer. */
export interface FunctionCall extends AnswerParts {
  /** Request line and headers, up to and with the empty line. */
  readonly head: string
  readonly toHead: boolean
  readonly mayUpgrade: boolean
  /** How the body's end is told; `none` when there is no body. */
  readonly body: 'none' | 'length' | 'chunked'
  /** The head is on its way: the body may follow by `writeBody` and `endBody`. */
  onSent(connection: FunctionConnection): void
  /** Room for more of the body. */
  onDrain(): void
  /** Everything that was read in one piece has been told; the answer goes on. */
  onPieceEnd(): void
  /** The answer is malformed or broke off. Nothing is told afterwards. */
  onError(error: CreoError): void
  onUpgrade(head: AnswerHead, socket: Duplex): void
}

/** One bound data connection, speaking HTTP/1.1 to one function, one request at a time. */
export class FunctionConnection implements AnswerParts {
  /** When an idle connection is to be given back, on the monotonic clock. */
  keptUntilMs = performance.now() + KEPT_MS
  readonly #socket: Duplex
  readonly #onFree: (connection: FunctionConnection) => void
  readonly #onGone: (connection: FunctionConnection) => void
  readonly #reader = new AnswerReader(this)
  readonly #cork: TickCork
  #call: FunctionCall | undefined
  /** Request line and headers that wait for what of the body is there already. */
  #headText = ''
  #head: AnswerHead | undefined
  #bodyEnded = true
  #keepAliveText: string | undefined
  #keptMs = KEPT_MS

  constructor(
    socket: Duplex,
    on: {readonly free: (connection: FunctionConnection) => void; readonly gone: (connection: FunctionConnection) => void}
  ) {
    this.#socket = socket
    this.#cork = new TickCork(socket)
    this.#onFree = on.free
    this.#onGone = on.gone
    socket.on('data', this.#read).on('end', this.#ended).on('drain', this.#drained).on('error', this.#broke).on('close', this.#closed)
    socket.resume()
  }

  get isIdle(): boolean {
    return this.#call === undefined && !this.#socket.destroyed
  }

  send(call: FunctionCall): void {
    this.#call = call
    this.#reader.expect(call)
    this.#head = undefined
    this.#bodyEnded = call.body === 'none'
    if (this.#bodyEnded) {
      this.#socket.write(call.head, 'latin1')
      call.onSent(this)
      return
    }
    // With what of the body is read in this tick, and no later: it must not wait for a client that waits for the answer.
    this.#headText = call.head
    call.onSent(this)
    process.nextTick(this.#flushHead)
  }

  /** @returns false when the client should wait for `onDrain`. */
  writeBody(chunk: Buffer): boolean {
    const socket = this.#socket
    const isChunked = this.#call?.body === 'chunked'
    const before = isChunked ? `${this.#headText}${chunk.length.toString(16)}\r\n` : this.#headText
    this.#headText = ''
    if (before === '') return writeOnce(socket, chunk)
    if (isChunked) this.#cork.gather()
    const after = isChunked ? '\r\n' : ''
    if (chunk.length <= JOINED_BYTES_MAX) return socket.write(`${before}${chunk.toString('latin1')}${after}`, 'latin1')
    socket.cork()
    socket.write(before, 'latin1')
    let hasRoom = writeOnce(socket, chunk)
    if (isChunked) hasRoom = socket.write(after, 'latin1')
    socket.uncork()
    return hasRoom
  }

  endBody(trailers: Headers): void {
    this.#flushHead()
    if (this.#call?.body === 'chunked') this.#socket.write(`0\r\n${linesOf(allowedTrailers(trailers))}\r\n`, 'latin1')
    this.#bodyEnded = true
  }

  readonly #flushHead = (): void => {
    const text = this.#headText
    this.#headText = ''
    if (text !== '' && this.#call !== undefined) this.#socket.write(text, 'latin1')
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Ends it at once and tells the call under way why. */
  cut(reason: CreoError): void {
    this.#fail(reason)
  }

  /** Ends it at once; the call under way is not told. */
  destroy(): void {
    this.#call = undefined
    this.#socket.destroy()
  }

  onInterim(head: AnswerHead): void {
    this.#call?.onInterim(head)
  }

  onHead(head: AnswerHead): void {
    this.#head = head
    if (!this.#reader.isUpgraded) this.#call?.onHead(head)
  }

  onData(chunk: Buffer): void {
    this.#call?.onData(chunk)
  }

  onEnd(trailers: Headers): void {
    this.#call?.onEnd(trailers)
  }

  readonly #read = (piece: Buffer): void => {
    const call = this.#call
    // A function that speaks unasked may be answering the next request already: nobody could tell.
    if (call === undefined) this.destroy()
    else {
      try {
        this.#took(call, this.#reader.read(piece))
      } catch (error) {
        this.#fail(error)
      }
    }
  }

  #took(call: FunctionCall, rest: Buffer): void {
    const reader = this.#reader
    // What was read may have made the call give up.
    if (this.#call !== call) return
    if (reader.isUpgraded) this.#upgrade(call, rest)
    else if (reader.isDone) this.#finish(rest.length === 0)
    else call.onPieceEnd()
  }

  #finish(isClean: boolean): void {
    this.#call = undefined
    // An answer before the request's end leaves the function in the middle of a body.
    const reusable = isClean && this.#bodyEnded && this.#head?.keepAlive === true
    const keptMs = reusable && this.#head !== undefined ? this.#keptFor(this.#head) : 0
    if (keptMs <= 0) {
      this.destroy()
      return
    }
    this.#socket.resume()
    this.keptUntilMs = performance.now() + keptMs
    this.#onFree(this)
  }

  #keptFor({headers}: AnswerHead): number {
    for (let at = 0; at < headers.length; at += 2) {
      if (headers[at] !== 'keep-alive') continue
      const text = headers[at + 1]
      if (text === this.#keepAliveText) return this.#keptMs
      const match = KEEP_ALIVE_TIMEOUT.exec(text ?? '')
      this.#keepAliveText = text
      this.#keptMs = match === null ? KEPT_MS : Math.min(KEPT_MS, Number(match[1]) * 1000 - KEPT_MARGIN_MS)
      return this.#keptMs
    }
    return KEPT_MS
  }

  #upgrade(call: FunctionCall, rest: Buffer): void {
    const socket = this.#socket
    const head = this.#head
    this.#call = undefined
    socket.off('data', this.#read).off('end', this.#ended).off('drain', this.#drained)
    socket.pause()
    if (rest.length > 0) socket.unshift(rest)
    if (head !== undefined) call.onUpgrade(head, socket)
  }

  readonly #drained = (): void => {
    this.#call?.onDrain()
  }

  readonly #ended = (): void => {
    try {
      if (this.#call !== undefined) this.#reader.end()
      this.destroy()
    } catch (error) {
      this.#fail(error)
    }
  }

  readonly #broke = (cause: Error): void => {
    this.#fail(badGateway('The line to the function broke off before its answer was complete.', cause))
  }

  readonly #closed = (): void => {
    this.#fail(badGateway('The function broke off before its answer was complete.'))
    this.#onGone(this)
  }

  #fail(error: unknown): void {
    const call = this.#call
    this.destroy()
    call?.onError(isCreoError(error) ? error : new CreoError('internal', 'The gateway failed.', {cause: error}))
  }
}
