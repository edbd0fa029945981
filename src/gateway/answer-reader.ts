import type {CreoError} from '../core/errors.ts'
import {badGateway} from './answer-error.ts'
import {type BodyEnd, BodyReader} from './http/body-reader.ts'
import {HEAD_END_BYTES, type Headers, headText, readHeaderLines, tokensOf} from './http/header-lines.ts'

export const ANSWER_HEAD_BYTES_MAX = 64 * 1024
/** Interim answers (1xx) before the real one. */
const INTERIM_MAX = 16

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/
const LENGTH = /^\d{1,15}$/
const CRLF = '\r\n'
const NO_CONTENT = 204
const NOT_MODIFIED = 304
const SWITCHING = 101

export interface AnswerHead {
  readonly status: number
  /** Lower-case name, value, name, value, … as the function sent them. */
  readonly headers: Headers
  /** False when the function will close the connection after this answer. */
  readonly keepAlive: boolean
}

/** Told of the parts of an answer, in their order and as they are read. */
export interface AnswerParts {
  /** An answer before the answer: 1xx, without 101. */
  onInterim(head: AnswerHead): void
  onHead(head: AnswerHead): void
  onData(chunk: Buffer): void
  onEnd(trailers: Headers): void
}

/** How the answer goes on behind its head. */
type Framing = BodyEnd | {readonly kind: 'upgraded'}

type State = 'head' | 'body' | 'upgraded' | 'done'

/**
 * Reads HTTP/1.1 answers from the pieces in which they arrive, one after each `expect`, and nothing that two readers could read in two
 * ways: one framing of the body, lines that end in CR LF, names that are tokens.
 */
export class AnswerReader {
  readonly #parts: AnswerParts
  readonly #body: BodyReader
  #toHead = false
  #mayUpgrade = false
  #state: State = 'done'
  #held: Buffer | undefined
  #interim = 0

  constructor(parts: AnswerParts) {
    this.#parts = parts
    this.#body = new BodyReader(
      {
        onBody: (chunk) => parts.onData(chunk),
        onBodyEnd: (trailers) => {
          this.#state = 'done'
          parts.onEnd(trailers)
        }
      },
      malformed
    )
  }

  /** The answer to one more request is to be read. */
  expect(asked: {readonly toHead: boolean; readonly mayUpgrade: boolean}): void {
    this.#toHead = asked.toHead
    this.#mayUpgrade = asked.mayUpgrade
    this.#state = 'head'
    this.#held = undefined
    this.#interim = 0
  }

  get isDone(): boolean {
    return this.#state === 'done'
  }

  /** The function speaks another protocol from here on. */
  get isUpgraded(): boolean {
    return this.#state === 'upgraded'
  }

  /** @returns what comes behind the answer's end. @throws {CreoError} `bad_gateway` for what is no plain HTTP/1.1. */
  read(piece: Buffer): Buffer {
    let rest = this.#held === undefined ? piece : Buffer.concat([this.#held, piece])
    this.#held = undefined
    while (rest.length > 0 && this.#state !== 'done' && this.#state !== 'upgraded') {
      const used = this.#state === 'head' ? this.#readHead(rest) : this.#body.read(rest)
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
    if (this.#state !== 'body' || !this.#body.isUntilClose) throw badGateway('The function broke off before its answer was complete.')
    this.#body.close()
  }

  #readHead(bytes: Buffer): number {
    const text = headText(bytes, 0, 0)
    if ((text ?? bytes).length > ANSWER_HEAD_BYTES_MAX) throw malformed('The headers are too large.')
    if (text === undefined) return 0
    const {head, framing} = parseHead(text, this.#toHead)
    if (framing.kind === 'upgraded') {
      if (!this.#mayUpgrade) throw malformed('It changed a protocol that nobody asked to change.')
      this.#state = 'upgraded'
      this.#parts.onHead(head)
    } else if (head.status < 200) {
      this.#interim += 1
      if (this.#interim > INTERIM_MAX) throw malformed('There are too many interim answers.')
      this.#parts.onInterim(head)
    } else {
      this.#state = 'body'
      this.#parts.onHead(head)
      this.#body.begin(framing)
    }
    return text.length + HEAD_END_BYTES
  }
}

function parseHead(text: string, toHead: boolean): {readonly head: AnswerHead; readonly framing: Framing} {
  const lineEnd = text.indexOf(CRLF)
  const first = STATUS_LINE.exec(lineEnd === -1 ? text : text.slice(0, lineEnd))
  if (first === null) throw malformed('It does not begin as HTTP/1.1.')
  const isOld = first[1] === '0'
  const status = Number(first[2])
  const headers = readHeaderLines(text, lineEnd)
  if (headers === undefined) throw malformed('A header line cannot be read.')
  const {framing, closes} = framingOf(headers, {status, toHead, isOld})
  return {head: {status, headers, keepAlive: !closes && !isOld && framing.kind !== 'until_close'}, framing}
}

function framingOf(
  headers: Headers,
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
    } else if (name === 'connection') closes ||= tokensOf(value).includes('close')
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
