import type {Duplex} from 'node:stream'
import {TUNNEL_REACH_LINE_MAX} from '../core/protocol/tunnel.ts'

/** The way from a gateway's public address to this machine, as the gateway tested it. Times are the wall's. */
export interface Reach {
  /** When the last test went well, and how long the whole way took. */
  readonly reachedAtMs: number | null
  readonly reachedInMs: number | null
  /** Since when it does not; null while it does, and before the first test. */
  readonly unreachedSinceMs: number | null
}

export const NEVER_TESTED: Reach = {reachedAtMs: null, reachedInMs: null, unreachedSinceMs: null}

/** `ms` is null when the public address did not lead here. */
export function reachAfter(before: Reach, ms: number | null, nowMs: number): Reach {
  if (ms === null) return {...before, unreachedSinceMs: before.unreachedSinceMs ?? nowMs}
  return {reachedAtMs: nowMs, reachedInMs: ms, unreachedSinceMs: null}
}

/** Says one short line back, and ends. A gateway that sends none only holds one connection of its own. */
export function echoLine(socket: Duplex, head: Buffer): void {
  let line = head
  const read = (chunk: Buffer): void => {
    line = Buffer.concat([line, chunk])
    const end = line.indexOf('\n')
    if (end !== -1 && end <= TUNNEL_REACH_LINE_MAX) {
      socket.off('data', read).resume()
      socket.end(line.subarray(0, end + 1))
    } else if (line.length > TUNNEL_REACH_LINE_MAX) socket.destroy()
  }
  socket
    .on('error', () => socket.destroy())
    .on('end', () => socket.end())
    .on('data', read)
  read(Buffer.alloc(0))
  socket.resume()
}
