import {StringDecoder} from 'node:string_decoder'

const NEWLINE = 0x0a

/** Cuts output into lines. A line that gets too long is shown with its beginning as soon as that is there; its rest is dropped. */
export class LineCutter {
  readonly #lineBytesMax: number
  #kept = Buffer.alloc(0)
  /** The line under way was shown already. */
  #isDropping = false
  #readBytes = 0
  /** Of each line of the last `push` or `end`, where in the whole output it ended. */
  ends: number[] = []

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax
  }

  /** The lines that these bytes complete, or fill. */
  push(bytes: Buffer): string[] {
    const lines: string[] = []
    this.ends = []
    let from = 0
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, from)) {
      this.#keep(bytes.subarray(from, at), lines)
      this.#readBytes += at - from + 1
      if (!this.#isDropping) {
        this.ends.push(this.#readBytes)
        lines.push(this.#take())
      } else if (this.ends.length > 0) this.ends[this.ends.length - 1] = this.#readBytes
      this.#isDropping = false
      from = at + 1
    }
    this.#keep(bytes.subarray(from), lines)
    this.#readBytes += bytes.length - from
    return lines
  }

  /** What came after the last newline. */
  end(): string[] {
    this.ends = [this.#readBytes]
    return this.#kept.length === 0 ? [] : [this.#take()]
  }

  #keep(part: Buffer, lines: string[]): void {
    if (this.#isDropping || part.length === 0) return
    this.#kept = Buffer.concat([this.#kept, part.subarray(0, this.#lineBytesMax - this.#kept.length)])
    if (this.#kept.length < this.#lineBytesMax) return
    this.ends.push(this.#readBytes + part.length)
    lines.push(this.#take())
    this.#isDropping = true
  }

  #take(): string {
    // A decoder leaves out the character that the limit cut in two.
    const line = new StringDecoder('utf8').write(this.#kept)
    this.#kept = Buffer.alloc(0)
    return line.endsWith('\r') ? line.slice(0, -1) : line
  }
}
