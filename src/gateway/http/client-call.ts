import {Socket} from 'node:net'
import type {Duplex} from 'node:stream'
import type {Caller} from '../../core/protocol/tunnel.ts'
import type {TickCork} from '../../tunnel/tick-cork.ts'
import {writeOnce} from '../../tunnel/write-once.ts'
import {allowedTrailers, type Headers, linesOf, statusLine} from './header-lines.ts'
import {httpDate} from './http-date.ts'
import type {RequestHead} from './request-head.ts'

/** A body's first bytes up to so many leave as one text with the head: half the system time of two writes. */
const JOINED_BYTES_MAX = 8192
/** When nothing came for so long, the system asks whether the other side is still there: one that vanished without a word is noticed within minutes. */
const KEEP_ALIVE_PROBE_MS = 30_000
/** After the change to another protocol nothing may pass for so long, either way; who has nothing to say for longer sends pings. */
export const UPGRADED_SILENT_MAX_MS = 3_600_000
const NO_CONTENT = 204
const NOT_MODIFIED = 304
export const KEEP_ALIVE_S = 65
const KEPT = `connection: keep-alive\r\nkeep-alive: timeout=${KEEP_ALIVE_S}\r\n\r\n`
const CLOSED = 'connection: close\r\n\r\n'
const NONE: Headers = []

/** Who asks. */
export interface Client {
  readonly address: string
  /** It came over TLS. */
  readonly secure: boolean
  /** An instance that calls another function; its `address` is then its id. */
  readonly caller?: Caller
  /** The gateway itself asks, for a call that was posted before by whom `address` says; empty when nobody did. */
  readonly delivery?: Delivery
  /** Told of each node whose instance a request is sent to, before it is: also of one that never answers. */
  readonly onTried?: (node: string) => void
}

/** One attempt of a call that is answered later. */
export interface Delivery {
  readonly id: string
  /** From 1. */
  readonly attempt: number
  /** When a schedule meant it to be. */
  readonly scheduledAtMs?: number
}

/** Who takes care of a call, and is told of what the client does meanwhile. */
export interface CallOwner {
  onBody(chunk: Buffer): void
  onBodyEnd(trailers: Headers): void
  /** Room for more of the answer. */
  onClientDrain(): void
  /** The client left before it had its answer. Nothing is told afterwards. */
  onClientGone(): void
}

/** What a call needs of the connection that it came on. */
export interface CallLine {
  readonly socket: Duplex
  readonly cork: TickCork
  readonly client: Client
  /** What the server speaks besides HTTP, in lower case. */
  readonly otherProtocol: string
  /** False when the connection ends after this answer. */
  readonly mayGoOn: boolean
  takeBody(): void
  holdBody(): void
  /** The answer is written; `goesOn` as the client was told. */
  answered(goesOn: boolean): void
  detach(): Detached
}

/** A socket that was given away, paused, with what was read of it already. */
export interface Detached {
  readonly socket: Duplex
  readonly head: Buffer
}

type AnswerBody = 'none' | 'length' | 'chunked' | 'until_close'

/** One request of a client and the answer to it. The answer's parts are written in their order, each at once. */
export class ClientCall {
  readonly head: RequestHead
  readonly client: Client
  /** The client wants to speak the other protocol that the server has. */
  readonly upgrades: boolean
  owner: CallOwner | undefined
  /** The answer's; 0 before it has begun. */
  status = 0
  /** The client has left or was cut off. */
  isGone = false
  readonly #line: CallLine
  #headText: string | undefined
  #body: AnswerBody = 'none'
  #goesOn = false
  #mayRead: boolean
  #isEnded = false

  constructor(head: RequestHead, line: CallLine) {
    this.head = head
    this.client = line.client
    this.upgrades = head.upgrade !== undefined && head.upgrade === line.otherProtocol && head.method === 'GET'
    this.#line = line
    // Whoever was not told to go on may send its body or may not.
    this.#mayRead = !head.expectsContinue || head.body === 'none'
  }

  /** Some of the answer may have reached the client. */
  get hasBegun(): boolean {
    return this.status !== 0
  }

  /** The body is wanted, from its beginning or from where `holdBody` stopped it. */
  takeBody(): void {
    if (!this.#isEnded) this.#line.takeBody()
  }

  holdBody(): void {
    if (!this.#isEnded) this.#line.holdBody()
  }

  /** An answer before the answer (1xx but 101). Left out for who cannot know of them. */
  interim(status: number, headers: Headers): void {
    if (this.head.isHttp10 || this.hasBegun) return
    if (status === 100) {
      if (this.#mayRead) return
      this.#mayRead = true
    }
    this.#line.socket.write(`${statusLine(status)}${linesOf(headers)}\r\n`, 'latin1')
  }

  /** The answer's head. It leaves with the first of its body, or by `flush`. */
  begin(status: number, headers: Headers): void {
    const {head} = this
    this.status = status
    let text = statusLine(status)
    let hasLength = false
    let hasDate = false
    const isBodiless = status === NO_CONTENT || status === NOT_MODIFIED
    for (let at = 0; at < headers.length; at += 2) {
      const name = headers[at]
      if (name === 'content-length') {
        if (status === NO_CONTENT) continue
        hasLength = true
      } else if (name === 'date') hasDate = true
      text += `${name}: ${headers[at + 1]}\r\n`
    }
    if (!hasDate) text += `date: ${httpDate()}\r\n`
    if (isBodiless || head.method === 'HEAD') this.#body = 'none'
    else if (hasLength) this.#body = 'length'
    else if (head.isHttp10) this.#body = 'until_close'
    else {
      this.#body = 'chunked'
      text += 'transfer-encoding: chunked\r\n'
    }
    this.#goesOn = head.keepAlive && !this.upgrades && this.#mayRead && this.#body !== 'until_close' && this.#line.mayGoOn
    this.#headText = text + (this.#goesOn ? KEPT : CLOSED)
  }

  /** Sends the head when it waits. */
  flush(): void {
    const text = this.#headText
    this.#headText = undefined
    if (text !== undefined) this.#line.socket.write(text, 'latin1')
  }

  /** @returns false when the next should wait for `onClientDrain`. */
  write(chunk: Buffer): boolean {
    const {socket} = this.#line
    if (this.#body === 'none') return true
    const isChunked = this.#body === 'chunked'
    const before = `${this.#takeHeadText()}${isChunked ? `${chunk.length.toString(16)}\r\n` : ''}`
    const after = isChunked ? '\r\n' : ''
    if (isChunked) this.#line.cork.gather()
    if (chunk.length <= JOINED_BYTES_MAX && (before !== '' || after !== '')) {
      return socket.write(`${before}${chunk.toString('latin1')}${after}`, 'latin1')
    }
    if (before === '') return writeOnce(socket, chunk)
    socket.cork()
    socket.write(before, 'latin1')
    let hasRoom = writeOnce(socket, chunk)
    if (isChunked) hasRoom = socket.write(after, 'latin1')
    socket.uncork()
    return hasRoom
  }

  /** The answer's end, with the last of its body. */
  end(last?: Buffer, trailers: Headers = NONE): void {
    const {socket} = this.#line
    this.#isEnded = true
    const chunk = last === undefined || last.length === 0 || this.#body === 'none' ? undefined : last
    const isChunked = this.#body === 'chunked'
    if (chunk !== undefined && chunk.length > JOINED_BYTES_MAX) this.write(chunk)
    let text = this.#takeHeadText()
    if (chunk !== undefined && chunk.length <= JOINED_BYTES_MAX) {
      const part = chunk.toString('latin1')
      text += isChunked ? `${chunk.length.toString(16)}\r\n${part}\r\n` : part
    }
    if (isChunked) text += `0\r\n${trailers.length === 0 ? '' : linesOf(allowedTrailers(trailers))}\r\n`
    if (text !== '') socket.write(text, 'latin1')
    this.#line.answered(this.#goesOn)
  }

  /** Cuts the client off: it must not take half an answer for the whole. */
  cut(): void {
    this.#line.socket.destroy()
  }

  /** Goes over to the protocol that the client asked for; it is told these headers. Whoever calls has the socket from then on. */
  upgrade(headers: Headers): Detached {
    const detached = this.detach()
    watchSilence(detached.socket)
    detached.socket.write(
      `${statusLine(101)}connection: Upgrade\r\nupgrade: ${this.head.upgrade ?? ''}\r\n${linesOf(headers)}\r\n`,
      'latin1'
    )
    return detached
  }

  /** The same without an answer: whoever calls answers by itself. */
  detach(): Detached {
    this.status = 101
    this.#isEnded = true
    return this.#line.detach()
  }

  #takeHeadText(): string {
    const text = this.#headText ?? ''
    this.#headText = undefined
    return text
  }
}

function watchSilence(socket: Duplex): void {
  if (!(socket instanceof Socket)) return
  socket.setKeepAlive(true, KEEP_ALIVE_PROBE_MS)
  socket.setTimeout(UPGRADED_SILENT_MAX_MS, () => socket.destroy())
}
