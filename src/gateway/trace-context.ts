import {randomFillSync} from 'node:crypto'

/** W3C Trace Context, version 00: trace id, parent id, flags. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/
const ID_BYTES = 24
const ID_CHARACTERS = 2 * ID_BYTES
const TRACE_CHARACTERS = 32
const TRACE_FROM = 3

const NO_TRACE = '0'.repeat(32)
const NO_PARENT = '0'.repeat(16)

/** Random bytes for many requests at once, and the same as text. */
const pool = Buffer.alloc(ID_BYTES * 256)
let ids = ''
let used = 0

export function isTraceparent(value: string): boolean {
  return TRACEPARENT.test(value)
}

/** Begins a trace for a request that came without one; nobody is asked to record it. */
export function newTraceparent(): string {
  if (used === ids.length) {
    ids = randomFillSync(pool).toString('hex')
    used = 0
  }
  const trace = ids.slice(used, used + TRACE_CHARACTERS)
  const parent = ids.slice(used + TRACE_CHARACTERS, used + ID_CHARACTERS)
  used += ID_CHARACTERS
  return trace === NO_TRACE || parent === NO_PARENT ? newTraceparent() : `00-${trace}-${parent}-00`
}

export function traceIdOf(traceparent: string): string {
  return traceparent.slice(TRACE_FROM, TRACE_FROM + TRACE_CHARACTERS)
}
