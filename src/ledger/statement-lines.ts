import {ByteReader, ByteWriter} from './bytes.ts'

/** What one command changed in one balance of a holder. */
export interface StatementEntry {
  /** Number of the balance. */
  readonly slot: number
  readonly deltaMinor: number
  readonly balanceMinor: number
}

/** What one command changed in a holder's balances. */
export interface StatementLine {
  readonly seq: number
  readonly atMs: number
  /** Number of the command's type. */
  readonly command: number
  readonly entries: readonly StatementEntry[]
}

/**
 * A holder's lines, packed: each is the command's sequence and time (of the first whole, of the others beyond those of the line before), its type, how
 * many entries there are, and of each its balance's number, the change and what it came to. All are varints, signed where they may be negative.
 */
export class LineWriter {
  readonly #bytes = new ByteWriter()
  #lastSeq = 0
  #lastAtMs = 0

  /** Goes on after lines that were written before, of which this is the last. */
  static after(bytes: Uint8Array, last: StatementLine | undefined): LineWriter {
    const writer = new LineWriter()
    writer.#bytes.bytes(bytes)
    writer.#lastSeq = last?.seq ?? 0
    writer.#lastAtMs = last?.atMs ?? 0
    return writer
  }

  get length(): number {
    return this.#bytes.length
  }

  /** A copy. */
  get written(): Buffer {
    return this.#bytes.copy()
  }

  write({seq, atMs, command, entries}: StatementLine): void {
    const bytes = this.#bytes
    bytes.varint(seq - this.#lastSeq)
    bytes.varint(atMs - this.#lastAtMs)
    bytes.varint(command)
    bytes.varint(entries.length)
    for (const {slot, deltaMinor, balanceMinor} of entries) {
      bytes.varint(slot)
      bytes.signed(deltaMinor)
      bytes.signed(balanceMinor)
    }
    this.#lastSeq = seq
    this.#lastAtMs = atMs
  }
}

/** Oldest first. @throws {RangeError} for bytes that are no such lines. */
export function decodeLines(bytes: Uint8Array): StatementLine[] {
  const reader = new ByteReader(bytes)
  const lines: StatementLine[] = []
  let [seq, atMs] = [0, 0]
  while (!reader.isAtEnd) {
    seq += reader.varint()
    atMs += reader.varint()
    const command = reader.varint()
    const entries: StatementEntry[] = []
    for (let left = reader.varint(); left > 0; left -= 1) {
      entries.push({slot: reader.varint(), deltaMinor: reader.signed(), balanceMinor: reader.signed()})
    }
    lines.push({seq, atMs, command, entries})
  }
  return lines
}
