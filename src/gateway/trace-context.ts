import {randomFillSync} from 'node:crypto'

/** W3C Trace Context, version 00: trace id, parent id, flags. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/
const ID_BYTES = 24
const TRACE_CHARACTERS = 32
const TRACE_FROM = 3

/** Random bytes for many requests at once. */
const pool = Buffer.alloc(ID_BYTES * 256)
let used = pool.length

export function isTraceparent(value: string): boolean {
  return TRACEPARENT.test(value)
}

/** Begins a trace for a request that came without one; nobody is asked to record it. */
export function newTraceparent(): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const hex = pool.toString('hex', used, used + ID_BYTES)
  used += ID_BYTES
  const traceparent = `00-${hex.slice(0, TRACE_CHARACTERS)}-${hex.slice(TRACE_CHARACTERS)}-00`
  return isTraceparent(traceparent) ? traceparent : newTraceparent()
}

export function traceIdOf(traceparent: string): string {
  return traceparent.slice(TRACE_FROM, TRACE_FROM + TRACE_CHARACTERS)
}
