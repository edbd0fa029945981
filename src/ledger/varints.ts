/** Seven bits of a number in each byte, the lowest first; the eighth says that more follow (as in LEB128). */
const BITS = 7
const MORE = 0x80
const LOW = 0x7f
/** Sizes that the first byte of a signed number holds. */
const SIGNED_FIRST = 64
/** Below it a number is split with the operators of 32-bit integers. */
const SMALL = 2 ** 31
const FIRST_BYTES = 256
/** Of a varint of a safe integer. */
const VARINT_BYTES_MAX = 8
const NO_NUMBER = 'The bytes hold no number here.'

/** Bytes that grow as they are written. */
export class ByteWriter {
  #buffer: Uint8Array
  #length = 0

  constructor(capacity = FIRST_BYTES) {
    this.#buffer = new Uint8Array(capacity)
  }

  get length(): number {
    return this.#length
  }

  copy(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#length))
  }

  /** A safe integer of 0 or more. */
  varint(value: number): void {
    this.#makeRoom(VARINT_BYTES_MAX)
    let left = value
    for (; left >= SMALL; left = Math.floor(left / MORE)) this.#buffer[this.#length++] = (left % MORE) | MORE
    for (; left > LOW; left >>>= BITS) this.#buffer[this.#length++] = (left & LOW) | MORE
    this.#buffer[this.#length++] = left
  }

  /** A safe integer: the lowest bit of the first byte is its sign, so that this has six bits of the number itself. */
  signed(value: number): void {
    const size = Math.abs(value)
    const first = (size % SIGNED_FIRST) * 2 + (value < 0 ? 1 : 0)
    if (size < SIGNED_FIRST) this.varint(first)
    else {
      this.#makeRoom(1)
      this.#buffer[this.#length++] = first | MORE
      this.varint(Math.floor(size / SIGNED_FIRST))
    }
  }

  bytes(bytes: Uint8Array): void {
    this.#makeRoom(bytes.length)
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
  }

  #makeRoom(count: number): void {
    if (this.#length + count <= this.#buffer.length) return
    const grown = new Uint8Array(2 * (this.#buffer.length + count))
    grown.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = grown
  }
}

/** Reads what a `ByteWriter` wrote. Each method throws a RangeError where the bytes end too early or a number is too large. */
export class ByteReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  varint(): number {
    let [value, factor] = [0, 1]
    for (let count = 0; count < VARINT_BYTES_MAX; count += 1) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) break
      value += (byte & LOW) * factor
      if (byte < MORE) return value
      factor *= MORE
    }
    throw new RangeError(NO_NUMBER)
  }

  signed(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw new RangeError(NO_NUMBER)
    const first = (byte & LOW) >> 1
    const size = byte < MORE ? first : first + this.varint() * SIGNED_FIRST
    return (byte & 1) === 0 ? size : -size
  }
}
