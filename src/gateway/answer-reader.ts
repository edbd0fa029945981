import type {CreoError} from '../core/errors.ts'
import {badGateway} from './answer-error.ts'

export const ANSWER_HEAD_BYTES_MAX = 64 * 1024
const CHUNK_LINE_BYTES_MAX = 1024
const TRAILER_BYTES_MAX = 16 * 1024
/** Interim answers (1xx) before the real one. */
const INTERIM_MAX = 16

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
const VALUE_REFUSED = /[^\t\x20-\x7e\x80-\xff]/
const LENGTH = /^\d{1,15}$/
const CHUNK_LINE = /^([0-9a-fA-F]{1,12})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/
const CRLF = '\r\n'
const HEAD_END = '\r\n\r\n'
const NO_CONTENT = 204
const NOT_MODIFIED = 304
const SWITCHING = 101

export interface AnswerHead {
  readonly status: number
  /** Lower-case name, value, name, value, … as the function sent them. */
  readonly headers: readonly string[]
  /** False when the function will close the connection after this answer. */
  readonly keepAlive: boolean
}

/** Told of the parts of an answer, in their order and as they are read. */
export interface AnswerParts {
  onInterim(status: number): void
  onHead(head: AnswerHead): void
  onData(chunk: Buffer): void
  onEnd(): void
}

/** Where the end of the body is. */
type Framing = {readonly kind: 'length'; readonly bytes: number} | {readonly kind: 'chunked' | 'until_close' | 'upgraded'}

type State = 'head' | 'length' | 'chunk_line' | 'chunk' | 'chunk_end' | 'trailers' | 'until_close' | 'upgraded' | 'done'

/**
 * Reads one HTTP/1.1 answer from the pieces in which it arrives, and nothing that two readers could read in two ways: one framing of the
 * body, lines that end in CR LF, names that are tokens.
 */
export class AnswerReader {
  readonly #parts: AnswerParts
  readonly #toHead: boolean
  readonly #mayUpgrade: boolean
  #state: State = 'head'
  #held: Buffer | undefined
  /** Bytes of the body, or of the chunk, that are still to come. */
  #left = 0
  #interim = 0

  constructor(parts: AnswerParts, asked: {readonly toHead: boolean; readonly mayUpgrade: boolean}) {
    this.#parts = parts
    this.#toHead = asked.toHead
    this.#mayUpgrade = asked.mayUpgrade
  }

  get isDone(): boolean {
    return this.#state === 'done'
  }

  get isUpgraded(): boolean {
    return this.#state === 'upgraded'
  }

  /** @returns what comes behind the answer's end. @throws {CreoError} `bad_gateway` for what is no plain HTTP/1.1. */
  read(piece: Buffer): Buffer {
    let rest = this.#held === undefined ? piece : Buffer.concat([this.#held, piece])
    this.#held = undefined
    while (rest.length > 0 && this.#state !== 'done' && this.#state !== 'upgraded') {
      const used = this.#step(rest)
      if (used === 0) {
        this.#held = rest
        return rest.subarray(rest.length)
      }
      rest = rest.subarray(used)
    }
    return rest
  }

  /** The function has ended its side. @throws {CreoError} `bad_gateway` unless that is the end of the answer. */
  end(): void {
    if (this.#state !== 'until_close') throw badGateway('The function broke off before its answer was complete.')
    this.#finish()
  }

  /** @returns the bytes that it used; 0 to be asked again with more. */
  #step(bytes: Buffer): number {
    if (this.#state === 'head') return this.#readHead(bytes)
    if (this.#state === 'length' || this.#state === 'chunk') return this.#readBody(bytes)
    if (this.#state === 'chunk_line') return this.#readChunkLine(bytes)
    if (this.#state === 'chunk_end') return this.#readChunkEnd(bytes)
    if (this.#state === 'trailers') return this.#readTrailers(bytes)
    this.#parts.onData(bytes)
    return bytes.length
  }

  #readHead(bytes: Buffer): number {
    const end = bytes.indexOf(HEAD_END, 0, 'latin1')
    if ((end === -1 ? bytes.length : end) > ANSWER_HEAD_BYTES_MAX) throw malformed('The headers are too large.')
    if (end === -1) return 0
    const {head, framing} = parseHead(bytes.toString('latin1', 0, end), this.#toHead)
    if (framing.kind === 'upgraded' && !this.#mayUpgrade) throw malformed('It changed a protocol that nobody asked to change.')
    if (head.status < 200 && framing.kind !== 'upgraded') {
      this.#interim += 1
      if (this.#interim > INTERIM_MAX) throw malformed('There are too many interim answers.')
      this.#parts.onInterim(head.status)
    } else {
      this.#state = framing.kind === 'chunked' ? 'chunk_line' : framing.kind
      this.#parts.onHead(head)
      if (framing.kind === 'length') {
        this.#left = framing.bytes
        if (framing.bytes === 0) this.#finish()
      }
    }
    return end + HEAD_END.length
  }

  #readBody(bytes: Buffer): number {
    const used = Math.min(this.#left, bytes.length)
    this.#left -= used
    this.#parts.onData(used === bytes.length ? bytes : bytes.subarray(0, used))
    if (this.#left > 0) return used
    if (this.#state === 'chunk') this.#state = 'chunk_end'
    else this.#finish()
    return used
  }

  #readChunkLine(bytes: Buffer): number {
    const end = bytes.indexOf(CRLF, 0, 'latin1')
    if ((end === -1 ? bytes.length : end) > CHUNK_LINE_BYTES_MAX) throw malformed('A chunk has too long a line.')
    if (end === -1) return 0
    const match = CHUNK_LINE.exec(bytes.toString('latin1', 0, end))
    if (match?.[1] === undefined) throw malformed('A chunk has no size.')
    this.#left = Number.parseInt(match[1], 16)
    this.#state = this.#left === 0 ? 'trailers' : 'chunk'
    return end + CRLF.length
  }

  #readChunkEnd(bytes: Buffer): number {
    if (bytes.length < CRLF.length) return 0
    if (bytes[0] !== 0x0d || bytes[1] !== 0x0a) throw malformed('A chunk is longer than its size.')
    this.#state = 'chunk_line'
    return CRLF.length
  }

  /** Trailers are checked and go no further, as the header `Trailer` that announces them does not. */
  #readTrailers(bytes: Buffer): number {
    const end = bytes.indexOf(CRLF, 0, 'latin1')
    if ((end === -1 ? bytes.length : end) > TRAILER_BYTES_MAX) throw malformed('The trailers are too large.')
    if (end === -1) return 0
    if (end === 0) this.#finish()
    else parseLine(bytes.toString('latin1', 0, end), [])
    this.#left += end
    if (this.#left > TRAILER_BYTES_MAX) throw malformed('The trailers are too large.')
    return end + CRLF.length
  }

  #finish(): void {
    this.#state = 'done'
    this.#parts.onEnd()
  }
}

function parseHead(text: string, toHead: boolean): {readonly head: AnswerHead; readonly framing: Framing} {
  let from = text.indexOf(CRLF)
  const first = STATUS_LINE.exec(from === -1 ? text : text.slice(0, from))
  if (first === null) throw malformed('It does not begin as HTTP/1.1.')
  const isOld = first[1] === '0'
  const status = Number(first[2])
  const headers: string[] = []
  while (from !== -1) {
    const next = text.indexOf(CRLF, from + CRLF.length)
    parseLine(text.slice(from + CRLF.length, next === -1 ? undefined : next), headers)
    from = next
  }
  const {framing, closes} = framingOf(headers, {status, toHead, isOld})
  return {head: {status, headers, keepAlive: !closes && !isOld && framing.kind !== 'until_close'}, framing}
}

function parseLine(line: string, headers: string[]): void {
  const colon = line.indexOf(':')
  const name = line.slice(0, Math.max(0, colon)).toLowerCase()
  const value = withoutBlanks(line, colon + 1)
  if (!NAME.test(name) || VALUE_REFUSED.test(value)) throw malformed('A header line cannot be read.')
  headers.push(name, value)
}

/** The rest of the line without the blanks and tabs around it; `trim` would take away more than those. */
function withoutBlanks(line: string, from: number): string {
  let start = from
  let end = line.length
  while (start < end && isBlank(line.charCodeAt(start))) start += 1
  while (end > start && isBlank(line.charCodeAt(end - 1))) end -= 1
  return line.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

function framingOf(
  headers: readonly string[],
  {status, toHead, isOld}: {readonly status: number; readonly toHead: boolean; readonly isOld: boolean}
): {readonly framing: Framing; readonly closes: boolean} {
  let length: number | undefined
  let chunked = false
  let closes = false
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]
    const value = headers[at + 1] ?? ''
    if (name === 'content-length') {
      if (length !== undefined || !LENGTH.test(value)) throw malformed('The length of the answer is not one number.')
      length = Number(value)
    } else if (name === 'transfer-encoding') {
      if (chunked || isOld || value.toLowerCase() !== 'chunked') throw malformed('The transfer encoding is not plain chunks.')
      chunked = true
    } else if (name === 'connection') closes ||= /(?:^|,)\s*close\s*(?:,|$)/i.test(value)
  }
  if (chunked && length !== undefined) throw malformed('The length of the answer is given twice.')
  if (status === SWITCHING) return {framing: {kind: 'upgraded'}, closes}
  if (toHead || status < 200 || status === NO_CONTENT || status === NOT_MODIFIED) return {framing: {kind: 'length', bytes: 0}, closes}
  if (chunked) return {framing: {kind: 'chunked'}, closes}
  return {framing: length === undefined ? {kind: 'until_close'} : {kind: 'length', bytes: length}, closes}
}

function malformed(message: string): CreoError {
  return badGateway(`The function's answer is not plain HTTP/1.1. ${message}`)
}
