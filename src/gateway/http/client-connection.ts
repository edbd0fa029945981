import type {Duplex} from 'node:stream'
import {CreoError, ERROR_CODES, isCreoError} from '../../core/errors.ts'
import {TickCork} from '../../tunnel/tick-cork.ts'
import {refusal} from '../answer-error.ts'
import {type CallLine, type Client, ClientCall, type Detached, KEEP_ALIVE_S} from './client-call.ts'
import type {Headers} from './header-lines.ts'
import type {RequestHead} from './request-head.ts'
import {HeadersTooLarge, RequestReader} from './request-reader.ts'

/** A client gets this long to send its headers. */
const HEADERS_MAX_MS = 30_000
const KEEP_ALIVE_MS = KEEP_ALIVE_S * 1000
/** How long a client may go on sending what nobody wants after its answer: cut off at once, it would not get to see the answer. */
const UNREAD_MAX_MS = 5000
const REQUESTS_MAX = 100_000
const HEADERS_TOO_LARGE = 431
const REQUEST_TIMEOUT = 408

/** What a connection needs of the server that it belongs to. */
export interface ConnectionOwner {
  /** Not exact: the server looks at deadlines about once a second. */
  readonly nowMs: number
  /** What it speaks besides HTTP, in lower case. */
  readonly otherProtocol: string
  /** Set `owner` of the call, and answer it. */
  onCall(call: ClientCall): void
  /** What came was no request; the client was told so, and loses its connection. */
  onRefused(client: Client, error: CreoError, status: number): void
  onClosed(connection: ClientConnection): void
}

/** One client's connection: HTTP/1.1 requests, one after the other, on any two-way stream. */
export class ClientConnection implements CallLine {
  readonly socket: Duplex
  readonly cork: TickCork
  readonly client: Client
  readonly otherProtocol: string
  /** When it is cut off unless something happens before, on the owner's clock. */
  deadlineMs: number
  readonly #owner: ConnectionOwner
  readonly #reader: RequestReader
  #call: ClientCall | undefined
  #requests = 0
  #isPaused = false
  /** No further request is taken. */
  #isClosing = false
  #isDetached = false

  constructor(socket: Duplex, client: Client, owner: ConnectionOwner) {
    this.socket = socket
    this.cork = new TickCork(socket)
    this.client = client
    this.otherProtocol = owner.otherProtocol
    this.#owner = owner
    this.deadlineMs = owner.nowMs + HEADERS_MAX_MS
    this.#reader = new RequestReader(this)
    socket.on('data', this.#read).on('end', this.#ended).on('drain', this.#drained).on('error', this.#broke).on('close', this.#closed)
  }

  get mayGoOn(): boolean {
    return !this.#isClosing && this.#requests < REQUESTS_MAX
  }

  /** Takes no further request: closes now, or after the answer that is under way. */
  finish(): void {
    this.#isClosing = true
    if (this.#call !== undefined || this.#isDetached || this.#reader.isInHead) return
    this.#endSocket(this.#reader.isIdle || this.#reader.isComplete)
  }

  /** Its deadline has come. */
  expire(): void {
    const isLate = this.#call === undefined && !this.#isClosing && this.#reader.isInHead
    if (isLate) this.#refuse(new CreoError('timeout', 'The request did not arrive in time.', {hint: 'Send it again.'}), REQUEST_TIMEOUT)
    else this.socket.destroy()
  }

  takeBody(): void {
    try {
      this.#reader.takeBody()
    } catch (error) {
      this.#misread(error)
    }
    this.#flow()
  }

  holdBody(): void {
    this.#reader.holdBody()
  }

  detach(): Detached {
    const {socket} = this
    this.#isDetached = true
    this.#call = undefined
    this.deadlineMs = Number.POSITIVE_INFINITY
    socket.off('data', this.#read).off('end', this.#ended).off('drain', this.#drained)
    socket.pause()
    return {socket, head: this.#reader.end()}
  }

  answered(goesOn: boolean): void {
    const reader = this.#reader
    if (this.#call?.upgrades === true) {
      // What follows was meant for the other protocol.
      this.#isClosing = true
      this.#call = undefined
      this.#endSocket(reader.end().length === 0)
    } else if (reader.isComplete) this.#next(goesOn)
    else {
      this.#isClosing ||= !goesOn
      this.#call = undefined
      if (this.#isClosing) this.#endSocket(false)
      else this.deadlineMs = this.#owner.nowMs + UNREAD_MAX_MS
      this.takeBody()
    }
  }

  onHead(head: RequestHead): void {
    this.#requests += 1
    this.deadlineMs = Number.POSITIVE_INFINITY
    const call = new ClientCall(head, this)
    this.#call = call
    this.#owner.onCall(call)
  }

  onBody(chunk: Buffer): void {
    this.#call?.owner?.onBody(chunk)
  }

  onBodyEnd(trailers: Headers): void {
    if (this.#call === undefined) this.#next(!this.#isClosing)
    else this.#call.owner?.onBodyEnd(trailers)
  }

  /** Both the request and its answer are through. */
  #next(goesOn: boolean): void {
    this.#call = undefined
    if (!goesOn || this.#isClosing) {
      this.#isClosing = true
      this.#endSocket(this.#reader.isEmpty)
    } else if (this.socket.writableNeedDrain) {
      // A client that does not read its answers gets no further ones.
      this.deadlineMs = this.#owner.nowMs + KEEP_ALIVE_MS
    } else this.#readNext()
  }

  #readNext(): void {
    this.deadlineMs = this.#owner.nowMs + KEEP_ALIVE_MS
    try {
      this.#reader.next()
    } catch (error) {
      this.#misread(error)
    }
    this.#headBegins()
    this.#flow()
  }

  /** The headers' time runs from their first byte. */
  #headBegins(): void {
    if (this.#call === undefined && this.#reader.isInHead) {
      this.deadlineMs = Math.min(this.deadlineMs, this.#owner.nowMs + HEADERS_MAX_MS)
    }
  }

  readonly #read = (piece: Buffer): void => {
    if (this.#isClosing && this.#call === undefined && this.#reader.isComplete) return
    try {
      this.#reader.read(piece)
    } catch (error) {
      this.#misread(error)
    }
    this.#headBegins()
    this.#flow()
  }

  readonly #drained = (): void => {
    const call = this.#call
    if (call !== undefined) call.owner?.onClientDrain()
    else if (this.#reader.isComplete && !this.#isClosing) this.#readNext()
  }

  /** A client that ends its side has gone; what it was told already still leaves. */
  readonly #ended = (): void => {
    if (this.#call === undefined) this.#endSocket(true)
    else this.socket.destroy()
  }

  readonly #broke = (): void => {
    this.socket.destroy()
  }

  readonly #closed = (): void => {
    const call = this.#call
    this.#call = undefined
    this.#reader.end()
    this.#owner.onClosed(this)
    if (call === undefined) return
    call.isGone = true
    call.owner?.onClientGone()
  }

  /** Reads on unless there is no more room for what nobody wants yet. */
  #flow(): void {
    if (this.#isPaused === this.#reader.isFull || this.#isDetached) return
    this.#isPaused = !this.#isPaused
    if (this.#isPaused) this.socket.pause()
    else this.socket.resume()
  }

  #misread(error: unknown): void {
    if (!isCreoError(error)) throw error
    this.#refuse(error, error instanceof HeadersTooLarge ? HEADERS_TOO_LARGE : ERROR_CODES[error.code].http)
  }

  /** What follows could be a part of what was refused: nothing more is read. */
  #refuse(error: CreoError, status: number): void {
    const call = this.#call
    const mayAnswer = call === undefined || !call.hasBegun
    this.#call = undefined
    this.#isClosing = true
    this.#reader.end()
    if (call !== undefined) {
      call.isGone = true
      call.status = mayAnswer ? status : call.status
      call.owner?.onClientGone()
    }
    if (this.socket.destroyed) return
    // Nothing is written into the middle of an answer.
    if (!mayAnswer) this.socket.destroy()
    else {
      this.socket.write(refusal(error, status), 'utf8')
      this.#endSocket(false)
    }
    if (call === undefined) this.#owner.onRefused(this.client, error, status)
  }

  /** Whoever may still be sending is read from for a while, or it would lose its answer with the connection. */
  #endSocket(isQuiet: boolean): void {
    const {socket} = this
    // A slow client gets what is written as long as it would have kept the connection.
    this.deadlineMs = this.#owner.nowMs + KEEP_ALIVE_MS
    socket.end(() => {
      if (isQuiet) socket.destroy()
      else this.deadlineMs = this.#owner.nowMs + UNREAD_MAX_MS
    })
  }
}
