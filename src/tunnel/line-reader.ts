import {CreoError} from '../core/errors.ts'

const NEWLINE = 0x0a

/** Cuts a stream of bytes into lines. What is kept between two chunks is bounded by `lineMax`. */
export class LineReader {
  readonly #lineMax: number
  #kept: Buffer[] = []
  #keptBytes = 0

  constructor(lineMax: number) {
    this.#lineMax = lineMax
  }

  /**
   * The lines that this chunk completes, without their newline.
   * @throws {CreoError} `payload_too_large` when a line is longer than the limit.
   */
  push(chunk: Buffer): string[] {
    const lines: string[] = []
    let from = 0
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      this.#keep(chunk.subarray(from, at))
      lines.push(Buffer.concat(this.#kept).toString())
      this.#kept = []
      this.#keptBytes = 0
      from = at + 1
    }
    this.#keep(chunk.subarray(from))
    return lines
  }

  #keep(part: Buffer): void {
    this.#keptBytes += part.length
    if (this.#keptBytes > this.#lineMax)
      throw new CreoError('payload_too_large', `The peer sent a line of more than ${this.#lineMax} bytes.`)
    if (part.length > 0) this.#kept.push(part)
  }
}
