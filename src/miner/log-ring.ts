import type {Readable} from 'node:stream'
import type {Heartbeat} from '../core/protocol/api.ts'
import {LineCutter} from './line-cutter.ts'

export type ShippedLine = Heartbeat['logs'][number]

const LINES_MAX = 2000
/** One heartbeat carries at most this much of the functions' output. */
const BATCH_LINES_MAX = 500
const BATCH_CHARS_MAX = 256 * 1024
const LINE_CHARS_MAX = 4096
/** A character takes at most four bytes. */
const LINE_BYTES_MAX = 4 * LINE_CHARS_MAX
/** What one instance may have waiting, so that one that prints without end does not drive out what the others said. */
const INSTANCE_CHARS_MAX = 256 * 1024

/** What functions print, until a heartbeat has taken it along. When it can't leave, the oldest lines are dropped. */
export class LogRing {
  #lines: ShippedLine[] = []
  /** Characters that wait, by instance. */
  readonly #chars = new Map<string, number>()
  #droppedLines = 0
  /** Where in the output of its container a line ended. */
  readonly #places = new WeakMap<ShippedLine, {readonly container: string; readonly endBytes: number}>()
  readonly #onPassed: (container: string, endBytes: number) => void

  /** `onPassed` is told how much of a container's output has arrived. */
  constructor(onPassed: (container: string, endBytes: number) => void = () => undefined) {
    this.#onPassed = onPassed
  }

  get droppedLines(): number {
    return this.#droppedLines
  }

  add(line: ShippedLine, place?: {readonly container: string; readonly endBytes: number}): void {
    const added = {...line, line: line.line.slice(0, LINE_CHARS_MAX)}
    if (place !== undefined) this.#places.set(added, place)
    this.#lines.push(added)
    this.#count(added, added.line.length)
    while (this.#charsOf(line.instance) > INSTANCE_CHARS_MAX) this.#drop(this.#lines.findIndex(({instance}) => instance === line.instance))
    if (this.#lines.length > LINES_MAX) this.#drop(0)
  }

  /** Follows a container's output and resolves once that has ended; which instance it is may change meanwhile. */
  follow(
    output: Readable,
    origin: {
      readonly revision: string
      readonly instance: () => string
      readonly now: () => number
      readonly container: string
      /** So much of the container's output lies before this one. */
      readonly fromBytes?: number
    }
  ): Promise<void> {
    const {revision, instance, now, container, fromBytes = 0} = origin
    const cutter = new LineCutter(LINE_BYTES_MAX)
    const addAll = (lines: readonly string[]): void => {
      for (const [index, line] of lines.entries()) {
        const place = {container, endBytes: fromBytes + (cutter.ends[index] ?? 0)}
        this.add({revision, instance: instance(), atMs: now(), line}, place)
      }
    }
    output.on('data', (bytes: Buffer) => addAll(cutter.push(bytes)))
    // An output that breaks off has ended, and nobody waits for more lines.
    output.on('error', () => undefined)
    return new Promise((resolve) => {
      output.on('close', () => {
        addAll(cutter.end())
        resolve()
      })
    })
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
    const passed = new Map<string, number>()
    for (const line of batch) {
      const place = this.#places.get(line)
      if (place !== undefined) passed.set(place.container, place.endBytes)
    }
    for (const [container, endBytes] of passed) this.#onPassed(container, endBytes)
    this.#lines = this.#lines.filter((line) => !arrived.has(line))
    this.#chars.clear()
    for (const line of this.#lines) this.#count(line, line.line.length)
  }

  #drop(at: number): void {
    for (const line of this.#lines.splice(at, 1)) this.#count(line, -line.line.length)
    this.#droppedLines += 1
  }

  #charsOf(instance: string): number {
    return this.#chars.get(instance) ?? 0
  }

  #count({instance}: ShippedLine, chars: number): void {
    const waiting = this.#charsOf(instance) + chars
    if (waiting > 0) this.#chars.set(instance, waiting)
    else this.#chars.delete(instance)
  }
}
