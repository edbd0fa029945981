import type {CreoError} from '../../core/errors.ts'
import {type Headers, readHeaderLines} from './header-lines.ts'

const CHUNK_LINE_BYTES_MAX = 1024
/** What the extensions of all chunks of one body may have: nobody reads them, and each costs its share of work. */
const CHUNK_EXTENSIONS_BYTES_MAX = 16 * 1024
const TRAILER_BYTES_MAX = 16 * 1024
const CHUNK_LINE = /^([0-9a-fA-F]{1,12})([ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?)$/
const CRLF = '\r\n'
const CR = 0x0d
const LF = 0x0a

/** Told of a body's parts as they are read. */
export interface BodyParts {
  onBody(chunk: Buffer): void
  onBodyEnd(trailers: Headers): void
}

export type BodyEnd = {readonly kind: 'length'; readonly bytes: number} | {readonly kind: 'chunked' | 'until_close'}

type State = 'none' | 'length' | 'chunk_line' | 'chunk' | 'chunk_end' | 'trailers' | 'until_close'

const NO_TRAILERS: Headers = []

/** Reads one body after another, each to its end and no byte further, and only chunks that nobody could read in two ways. */
export class BodyReader {
  readonly #parts: BodyParts
  readonly #malformed: (message: string) => CreoError
  #state: State = 'none'
  /** Bytes of the body, or of the chunk, that are still to come. */
  #left = 0
  #extensionBytes = 0
  #trailerBytes = 0
  #trailers: string[] | undefined

  constructor(parts: BodyParts, malformed: (message: string) => CreoError) {
    this.#parts = parts
    this.#malformed = malformed
  }

  /** The body goes on until `close` is called. */
  get isUntilClose(): boolean {
    return this.#state === 'until_close'
  }

  begin(end: BodyEnd): void {
    this.#trailers = undefined
    this.#extensionBytes = 0
    this.#trailerBytes = 0
    if (end.kind === 'length') {
      this.#state = 'length'
      this.#left = end.bytes
      if (end.bytes === 0) this.#finish()
    } else this.#state = end.kind === 'chunked' ? 'chunk_line' : 'until_close'
  }

  /** @returns how many of the bytes it used; 0 to be asked again with more. @throws {CreoError} what `malformed` makes of it. */
  read(bytes: Buffer): number {
    if (this.#state === 'length' || this.#state === 'chunk') return this.#readData(bytes)
    if (this.#state === 'chunk_line') return this.#readChunkLine(bytes)
    if (this.#state === 'chunk_end') return this.#readChunkEnd(bytes)
    if (this.#state === 'trailers') return this.#readTrailer(bytes)
    this.#parts.onBody(bytes)
    return bytes.length
  }

  /** The connection has ended; only a body that goes on until then is whole. */
  close(): void {
    if (this.#state !== 'until_close') throw this.#malformed('The body breaks off.')
    this.#finish()
  }

  #readData(bytes: Buffer): number {
    const used = Math.min(this.#left, bytes.length)
    this.#left -= used
    const isLast = this.#left === 0
    this.#parts.onBody(used === bytes.length ? bytes : bytes.subarray(0, used))
    if (isLast && this.#state === 'chunk') this.#state = 'chunk_end'
    else if (isLast) this.#finish()
    return used
  }

  #readChunkLine(bytes: Buffer): number {
    const end = this.#lineEnd(bytes, CHUNK_LINE_BYTES_MAX)
    if (end === -1) return 0
    const match = CHUNK_LINE.exec(bytes.toString('latin1', 0, end))
    if (match?.[1] === undefined) throw this.#malformed('A chunk has no size.')
    this.#extensionBytes += match[2]?.length ?? 0
    if (this.#extensionBytes > CHUNK_EXTENSIONS_BYTES_MAX) throw this.#malformed('The chunks have too many extensions.')
    this.#left = Number.parseInt(match[1], 16)
    this.#state = this.#left === 0 ? 'trailers' : 'chunk'
    return end + CRLF.length
  }

  #readChunkEnd(bytes: Buffer): number {
    if (bytes[0] !== CR || (bytes.length > 1 && bytes[1] !== LF)) throw this.#malformed('A chunk is longer than its size.')
    if (bytes.length < CRLF.length) return 0
    this.#state = 'chunk_line'
    return CRLF.length
  }

  #readTrailer(bytes: Buffer): number {
    const end = this.#lineEnd(bytes, TRAILER_BYTES_MAX)
    if (end === -1) return 0
    this.#trailerBytes += end + CRLF.length
    if (this.#trailerBytes > TRAILER_BYTES_MAX) throw this.#malformed('The trailers are too large.')
    if (end === 0) {
      this.#finish()
      return CRLF.length
    }
    const line = readHeaderLines(`${CRLF}${bytes.toString('latin1', 0, end)}`, 0)
    if (line === undefined) throw this.#malformed('A trailer cannot be read.')
    this.#trailers ??= []
    this.#trailers.push(...line)
    return end + CRLF.length
  }

  /** Where the first line ends, or -1 when more must come. */
  #lineEnd(bytes: Buffer, bytesMax: number): number {
    const end = bytes.indexOf(CRLF, 0, 'latin1')
    if ((end === -1 ? bytes.length : end) > bytesMax) throw this.#malformed('A line within the body is too long.')
    return end
  }

  #finish(): void {
    this.#state = 'none'
    this.#parts.onBodyEnd(this.#trailers ?? NO_TRAILERS)
  }
}
