import type {Outcome} from '../core/exchange/outcome.ts'
import type {BatchPlace, CommandType, SignedCommand} from '../core/protocol/commands.ts'
import {ByteReader, ByteWriter} from './bytes.ts'
import type {StateDigest} from './group.ts'
import {type JournaledOutcome, readOutcome, StringTable, writeOutcome} from './packed-outcome.ts'

/** The form of a packed body, which is its first byte. */
export const PACKED_FORM = 2
/** What stands before each command, and after the last one. */
const END = 0
const COMMAND = 1
const BATCHED_COMMAND = 2
const SHA256_BYTES = 32

/** What was applied, and what it came to. */
export interface AppliedCommand {
  readonly seq: number
  readonly atMs: number
  readonly type: CommandType
  readonly command: SignedCommand
  readonly outcome: Outcome | JournaledOutcome
}

/** Packs commands, one after another as they are applied, into the body of one group (docs/PROTOCOL.md, "The journal's groups"). */
export class BodyWriter {
  readonly #bytes: ByteWriter
  readonly #strings = new StringTable()
  #lastAtMs = 0
  #lastNotAfterMs = 0

  /** `capacity`: of bytes that it will probably have; it grows. */
  constructor(atMs: number, network: string, capacity: number) {
    this.#bytes = new ByteWriter(capacity)
    this.#bytes.byte(PACKED_FORM)
    this.#bytes.varint(atMs)
    this.#bytes.string(network)
    this.#lastAtMs = atMs
  }

  get length(): number {
    return this.#bytes.length
  }

  write({seq, atMs, type, command, outcome}: AppliedCommand): void {
    const bytes = this.#bytes
    const strings = this.#strings
    const {batch} = command
    bytes.byte(batch === undefined ? COMMAND : BATCHED_COMMAND)
    bytes.varint(atMs - this.#lastAtMs)
    strings.write(bytes, type)
    strings.write(bytes, command.account)
    strings.write(bytes, command.keyId)
    bytes.string(command.idempotencyKey)
    bytes.signed(command.notAfterMs - this.#lastNotAfterMs)
    bytes.string(command.body)
    if (batch === undefined) bytes.string(command.signature)
    else this.#writeBatch(batch, command.signature)
    writeOutcome(bytes, strings, outcome, seq)
    this.#lastAtMs = atMs
    this.#lastNotAfterMs = command.notAfterMs
  }

  /** Ends the body: nothing is written after this. */
  end(state?: StateDigest): Buffer<ArrayBuffer> {
    this.#bytes.byte(END)
    if (state !== undefined) {
      this.#bytes.varint(state.form)
      this.#bytes.bytes(Buffer.from(state.sha256, 'hex'))
    }
    return this.#bytes.written
  }

  /** Commands of a batch have the signature and most of the hashes in common. */
  #writeBatch({index, size, path}: BatchPlace, signature: string): void {
    this.#strings.write(this.#bytes, signature)
    this.#bytes.varint(index)
    this.#bytes.varint(size)
    this.#bytes.varint(path.length)
    for (const hash of path) this.#strings.write(this.#bytes, hash)
  }
}

/** What is read of a command without what was signed. */
export interface PackedCommand {
  readonly atMs: number
  readonly type: CommandType
  readonly keyId: string
}

/** When the first command of a packed body was applied, by the body's first bytes. */
export function timeOfPacked(start: Uint8Array): number {
  return new ByteReader(start, 1).varint()
}

/**
 * Reads a packed body: `next` (or `nextBrief`) and then `outcome` (or `didSo`), command after command. Only of bodies whose hash has been checked.
 * Each throws a RangeError for bytes that are no such body.
 */
export class PackedReader {
  readonly #bytes: ByteReader
  readonly #strings = new StringTable()
  readonly #network: string
  readonly #firstSeq: number
  #count = 0
  #lastAtMs: number
  #lastNotAfterMs = 0
  #now: ByteWriter | undefined
  #state: StateDigest | undefined

  constructor(body: Uint8Array, firstSeq: number) {
    this.#bytes = new ByteReader(body, 1)
    this.#lastAtMs = this.#bytes.varint()
    this.#network = this.#bytes.string()
    this.#firstSeq = firstSeq
  }

  /** After the last command: what the state was then, if the group says it. */
  get state(): StateDigest | undefined {
    return this.#state
  }

  /** Commands that were read; after the last one, all of the body's. */
  get count(): number {
    return this.#count
  }

  /** Of the command that was read last. */
  get #seq(): number {
    return this.#firstSeq + this.#count - 1
  }

  /** Undefined after the last one. */
  next(): {readonly atMs: number; readonly type: CommandType; readonly command: SignedCommand} | undefined {
    const mark = this.#begin()
    if (mark === END) return undefined
    const bytes = this.#bytes
    const {atMs, type} = this.#timeAndType()
    const account = this.#strings.read(bytes)
    const keyId = this.#strings.read(bytes)
    const idempotencyKey = bytes.string()
    const notAfterMs = this.#notAfter()
    const body = bytes.string()
    const proof = mark === COMMAND ? {signature: bytes.string()} : this.#batch()
    const v = 'creo-command-v1' as const
    return {atMs, type, command: {v, network: this.#network, account, keyId, idempotencyKey, notAfterMs, body, ...proof}}
  }

  /** The same without what was signed, which is not looked at. */
  nextBrief(): PackedCommand | undefined {
    const mark = this.#begin()
    if (mark === END) return undefined
    const bytes = this.#bytes
    const {atMs, type} = this.#timeAndType()
    this.#strings.read(bytes)
    const keyId = this.#strings.read(bytes)
    bytes.skipString()
    this.#notAfter()
    bytes.skipString()
    if (mark === COMMAND) bytes.skipString()
    else this.#batch()
    return {atMs, type, keyId}
  }

  outcome(): JournaledOutcome {
    return readOutcome(this.#bytes, this.#strings, this.#seq)
  }

  /** Whether the journaled outcome means the same as this one. Nearly always its bytes are the same, and nothing is read. */
  didSo(outcome: Outcome): boolean {
    this.#now ??= new ByteWriter()
    this.#now.clear()
    const {size} = this.#strings
    writeOutcome(this.#now, this.#strings, outcome, this.#seq)
    if (this.#bytes.skipIf(this.#now.written)) return true
    this.#strings.shorten(size)
    return meaningOf(this.outcome()) === meaningOf(outcome)
  }

  #begin(): number {
    const mark = this.#bytes.byte()
    if (mark > BATCHED_COMMAND) throw new RangeError('A command begins with an unknown mark.')
    if (mark === END) this.#state = this.#bytes.isAtEnd ? undefined : this.#readState()
    else this.#count += 1
    return mark
  }

  #readState(): StateDigest {
    const form = this.#bytes.varint()
    return {form, sha256: this.#bytes.bytes(SHA256_BYTES).toString('hex')}
  }

  #timeAndType(): {readonly atMs: number; readonly type: CommandType} {
    this.#lastAtMs += this.#bytes.varint()
    return {atMs: this.#lastAtMs, type: this.#strings.read(this.#bytes) as CommandType}
  }

  #notAfter(): number {
    this.#lastNotAfterMs += this.#bytes.signed()
    return this.#lastNotAfterMs
  }

  #batch(): Pick<SignedCommand, 'signature' | 'batch'> {
    const bytes = this.#bytes
    const signature = this.#strings.read(bytes)
    const [index, size] = [bytes.varint(), bytes.varint()]
    const path = Array.from({length: bytes.varint()}, () => this.#strings.read(bytes))
    return {batch: {index, size, path}, signature}
  }
}

/** Everything of an outcome but the words of a rejection and an answer's result. */
function meaningOf({answer, effects, repeats}: Outcome | JournaledOutcome): string {
  return JSON.stringify({status: answer.status, code: answer.status === 'rejected' ? answer.code : null, effects, repeats})
}
