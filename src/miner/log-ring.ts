import {createInterface} from 'node:readline'
import type {Readable} from 'node:stream'
import type {Heartbeat} from '../core/protocol/api.ts'

export type ShippedLine = Heartbeat['logs'][number]

const LINES_MAX = 2000
/** One heartbeat carries at most this much of the functions' output. */
const BATCH_LINES_MAX = 500
const BATCH_CHARS_MAX = 256 * 1024
const LINE_CHARS_MAX = 4096

/** What functions print, until a heartbeat has taken it along. When it can't leave, the oldest lines are dropped. */
export class LogRing {
  #lines: ShippedLine[] = []
  #droppedLines = 0

  get droppedLines(): number {
    return this.#droppedLines
  }

  add(line: ShippedLine): void {
    this.#lines.push({...line, line: line.line.slice(0, LINE_CHARS_MAX)})
    if (this.#lines.length <= LINES_MAX) return
    this.#lines.shift()
    this.#droppedLines += 1
  }

  /** Follows one instance's output until it ends. */
  follow(output: Readable, origin: {readonly revision: string; readonly instance: string; readonly now: () => number}): void {
    const {revision, instance, now} = origin
    const lines = createInterface({input: output, crlfDelay: Number.POSITIVE_INFINITY})
    // An output that breaks off has ended: readline passes its error on, and nobody waits for more lines.
    lines.on('error', () => lines.close())
    lines.on('line', (line) => this.add({revision, instance, atMs: now(), line}))
  }

  /** The oldest lines that fit one heartbeat. They stay until `sent`. */
  batch(): readonly ShippedLine[] {
    let chars = 0
    const fitting = this.#lines.slice(0, BATCH_LINES_MAX).findIndex((line) => {
      chars += line.line.length
      return chars > BATCH_CHARS_MAX
    })
    return this.#lines.slice(0, fitting === -1 ? BATCH_LINES_MAX : fitting)
  }

  /** Drops what has arrived. */
  sent(batch: readonly ShippedLine[]): void {
    const arrived = new Set(batch)
    this.#lines = this.#lines.filter((line) => !arrived.has(line))
  }
}
