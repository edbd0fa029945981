/** Seven bits of a number in each byte, the lowest first; the eighth says that more follow (as in LEB128). */
const MORE_BITS = 7
const MORE = 0x80
const LOW = 0x7f
/** Sizes that the first byte of a signed number holds. */
const SIGNED_FIRST = 64
/** Below it a number is split with the operators of 32-bit integers. */
const SMALL = 2 ** 31
const FIRST_BYTES = 256
/** Of a varint of a safe integer. */
const VARINT_BYTES_MAX = 8
/** Letters beyond which it is cheaper to have a string written by the runtime than letter by letter. */
const SHORT = 24
const NOT_THERE = 'The bytes end before what they should hold.'

/** Bytes that grow as they are written. */
export class ByteWriter {
  #buffer: Buffer<ArrayBuffer>
  #length = 0

  constructor(capacity = FIRST_BYTES) {
    this.#buffer = Buffer.from(new ArrayBuffer(capacity))
  }

  get length(): number {
    return this.#length
  }

  /** What was written, until something else is. */
  get written(): Buffer<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#length)
  }

  copy(): Buffer {
    return Buffer.from(this.written)
  }

  clear(): void {
    this.#length = 0
  }

  byte(value: number): void {
    this.#makeRoom(1)
    this.#buffer[this.#length++] = value
  }

  /** @throws {RangeError} for anything but a safe integer of 0 or more: what can't be read back is not written. */
  varint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is no number that can be written.`)
    this.#makeRoom(VARINT_BYTES_MAX)
    let left = value
    for (; left >= SMALL; left = Math.floor(left / MORE)) this.#buffer[this.#length++] = (left % MORE) | MORE
    for (; left > LOW; left >>>= MORE_BITS) this.#buffer[this.#length++] = (left & LOW) | MORE
    this.#buffer[this.#length++] = left
  }

  /** A safe integer: the lowest bit of the first byte is its sign, so that this has six bits of the number itself. */
  signed(value: number): void {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no number that can be written.`)
    const size = Math.abs(value)
    const first = (size % SIGNED_FIRST) * 2 + (value < 0 ? 1 : 0)
    if (size < SIGNED_FIRST) this.varint(first)
    else {
      this.byte(first | MORE)
      this.varint(Math.floor(size / SIGNED_FIRST))
    }
  }

  /** As UTF-8 behind twice its bytes; what is not well-formed UTF-16 as its JSON, behind one more than that. */
  string(value: string): void {
    if (!value.isWellFormed()) this.#text(JSON.stringify(value), 1)
    else if (!this.#short(value)) this.#text(value, 0)
  }

  bytes(bytes: Uint8Array): void {
    this.#makeRoom(bytes.length)
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** False, with nothing written, for a string that is long or has other letters than ASCII's. */
  #short(value: string): boolean {
    if (value.length > SHORT) return false
    this.#makeRoom(1 + SHORT)
    const start = this.#length + 1
    for (let at = 0; at < value.length; at += 1) {
      const letter = value.charCodeAt(at)
      if (letter > LOW) return false
      this.#buffer[start + at] = letter
    }
    this.#buffer[start - 1] = value.length * 2
    this.#length = start + value.length
    return true
  }

  #text(text: string, mark: 0 | 1): void {
    const length = Buffer.byteLength(text)
    this.varint(length * 2 + mark)
    this.#makeRoom(length)
    this.#length += this.#buffer.write(text, this.#length)
  }

  #makeRoom(count: number): void {
    if (this.#length + count <= this.#buffer.length) return
    const grown = Buffer.from(new ArrayBuffer(2 * (this.#buffer.length + count)))
    grown.set(this.written)
    this.#buffer = grown
  }
}

/** Reads what a `ByteWriter` wrote. Each method throws a RangeError where the bytes end too early or a number is too large. */
export class ByteReader {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#at = at
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw new RangeError(NOT_THERE)
    return byte
  }

  varint(): number {
    let byte = this.byte()
    let value = byte & LOW
    for (let factor = MORE; byte >= MORE; factor *= MORE) {
      if (factor > Number.MAX_SAFE_INTEGER) throw new RangeError(NOT_THERE)
      byte = this.byte()
      value += (byte & LOW) * factor
    }
    return value
  }

  signed(): number {
    const byte = this.byte()
    const first = (byte & LOW) >> 1
    const size = byte < MORE ? first : first + this.varint() * SIGNED_FIRST
    return (byte & 1) === 0 ? size : -size
  }

  string(): string {
    const mark = this.varint()
    const bytes = this.bytes(Math.floor(mark / 2))
    const text = bytes.toString()
    return mark % 2 === 0 ? text : (JSON.parse(text) as string)
  }

  skipString(): void {
    this.bytes(Math.floor(this.varint() / 2))
  }

  bytes(count: number): Buffer {
    const from = this.#at
    this.#at += count
    if (this.#at > this.#bytes.length) throw new RangeError(NOT_THERE)
    return this.#bytes.subarray(from, this.#at)
  }

  /** Goes beyond these bytes if they are what comes next. */
  skipIf(expected: Uint8Array): boolean {
    const end = this.#at + expected.length
    if (end > this.#bytes.length || this.#bytes.compare(expected, 0, expected.length, this.#at, end) !== 0) return false
    this.#at = end
    return true
  }
}
