import {CreoError} from '../../core/errors.ts'
import {type BodyParts, BodyReader} from './body-reader.ts'
import {HEAD_END_BYTES, headText} from './header-lines.ts'
import {type RequestHead, readRequestHead, refused} from './request-head.ts'

export const HEADERS_BYTES_MAX = 16 * 1024
/** Bytes that are kept while nobody wants them; then no more is to be read from the client. */
const HELD_BYTES_MAX = 16 * 1024
const CR = 0x0d
const LF = 0x0a
const NOTHING: Buffer = Buffer.alloc(0)

/** Told of a connection's requests, in their order and as they are read. */
export interface RequestParts extends BodyParts {
  /** The body follows from `takeBody` on; when there is none the request is complete. */
  onHead(head: RequestHead): void
}

/** The headers were more than anybody needs, which has a status of its own. */
export class HeadersTooLarge extends CreoError {
  constructor() {
    super('invalid_input', 'The headers are too large.', {hint: 'Send fewer or shorter ones.'})
  }
}

type State = 'head' | 'body' | 'complete' | 'ended'

/** Reads one request after another from the pieces in which they arrive: the next one only when it is asked for. */
export class RequestReader {
  readonly #parts: RequestParts
  readonly #body: BodyReader
  #state: State = 'head'
  #held: Buffer = NOTHING
  /** As far as no end of the headers was found in what is held. */
  #searched = 0
  #wantsBody = false
  #isReading = false

  constructor(parts: RequestParts) {
    this.#parts = parts
    this.#body = new BodyReader(
      {
        onBody: (chunk) => parts.onBody(chunk),
        onBodyEnd: (trailers) => {
          this.#state = 'complete'
          parts.onBodyEnd(trailers)
        }
      },
      refused
    )
  }

  /** Nothing has come of a next request. */
  get isIdle(): boolean {
    return this.#state === 'head' && this.#held.length === 0
  }

  /** A head has begun, and nothing else. */
  get isInHead(): boolean {
    return this.#state === 'head' && this.#held.length > 0
  }

  /** The whole request was read; further ones may be held. */
  get isComplete(): boolean {
    return this.#state === 'complete'
  }

  /** Nothing came that was not read. */
  get isEmpty(): boolean {
    return this.#held.length === 0
  }

  /** Holds so much that the client should be read from no further. */
  get isFull(): boolean {
    return this.#held.length >= HELD_BYTES_MAX && this.#state !== 'head' && !(this.#state === 'body' && this.#wantsBody)
  }

  /** @throws {CreoError} `invalid_input` for what is no request; nothing is read from then on. */
  read(piece: Buffer): void {
    if (this.#state === 'ended') return
    this.#held = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece])
    this.#go()
  }

  /** The body is wanted from now on, also what came of it already. @throws {CreoError} as `read`. */
  takeBody(): void {
    this.#wantsBody = true
    this.#go()
  }

  /** The body is to wait. */
  holdBody(): void {
    this.#wantsBody = false
  }

  /** The request has its answer: the next one may be read. @throws {CreoError} as `read`. */
  next(): void {
    this.#state = 'head'
    this.#searched = 0
    this.#wantsBody = false
    this.#go()
  }

  /** Reads no more. @returns what it held. */
  end(): Buffer {
    const held = this.#held
    this.#held = NOTHING
    this.#state = 'ended'
    return held
  }

  /** What is told may ask for more meanwhile: then the loop goes on by itself. */
  #go(): void {
    if (this.#isReading) return
    this.#isReading = true
    try {
      while (this.#held.length > 0) {
        const held = this.#held
        if (this.#state === 'head') {
          if (!this.#readHead(held)) return
        } else if (this.#state === 'body' && this.#wantsBody) {
          const used = this.#body.read(held)
          // Whoever was told may have ended it all.
          if (used === 0 || this.#held !== held) return
          this.#held = used === held.length ? NOTHING : held.subarray(used)
        } else return
      }
    } catch (error) {
      this.end()
      throw error
    } finally {
      this.#isReading = false
    }
  }

  #readHead(held: Buffer): boolean {
    const start = held[0] === CR && held[1] === LF ? 2 : 0
    const text = headText(held, start, Math.max(start, this.#searched))
    if ((text?.length ?? held.length - start) > HEADERS_BYTES_MAX) throw new HeadersTooLarge()
    if (text === undefined) {
      checkBeginning(held, this.#searched)
      this.#searched = Math.max(0, held.length - HEAD_END_BYTES + 1)
      return false
    }
    const head = readRequestHead(text)
    const used = start + text.length + HEAD_END_BYTES
    this.#held = used === held.length ? NOTHING : held.subarray(used)
    this.#searched = 0
    this.#state = head.body === 'none' ? 'complete' : 'body'
    if (head.body === 'length') this.#body.begin({kind: 'length', bytes: head.bodyBytes})
    else if (head.body === 'chunked') this.#body.begin({kind: 'chunked'})
    this.#parts.onHead(head)
    return true
  }
}

/** Refuses early what can't become a request, so that nobody waits for its end: lines without a carriage return, and other protocols. */
function checkBeginning(held: Buffer, from: number): void {
  const [first = 0] = held
  if (first !== CR && (first < 0x41 || first > 0x5a)) throw refused('This is not an HTTP/1.1 request.')
  for (let at = held.indexOf(LF, from); at !== -1; at = held.indexOf(LF, at + 1)) {
    if (held[at - 1] !== CR) throw refused('A line ends in a line feed alone.')
  }
}
