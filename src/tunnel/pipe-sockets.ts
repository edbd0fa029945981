import type {Duplex} from 'node:stream'
import {writeOnce} from './write-once.ts'

/** After one side has ended, the other may stay silent for this long before both are closed. */
const HALF_OPEN_SILENT_MAX_MS = 300_000

export interface SocketPipe {
  /** Resolves when both sides are closed; never rejects. */
  readonly closed: Promise<void>
  /** Bytes passed so far from `a` to `b`, with the head, and from `b` to `a`. */
  readonly bytesAToB: number
  readonly bytesBToA: number
  /** Cuts both sides off. */
  destroy(): void
}

export interface PipeOptions {
  /** Was read from `a` already and goes to `b` first. */
  readonly head?: Buffer
  readonly silentMaxMs?: number
  /** Told of bytes as they pass, without those of the head: of so many from `a` to `b`, or back. */
  readonly onPassed?: (aToB: number, bToA: number) => void
}

/**
 * Joins two sockets: bytes with backpressure, ends as half-closes, errors by cutting the other side off. Both must allow half-open use.
 */
export function pipeSockets(a: Duplex, b: Duplex, options: PipeOptions = {}): SocketPipe {
  let bytesAToB = 0
  let bytesBToA = 0
  const destroy = (): void => {
    a.destroy()
    b.destroy()
  }
  const head = options.head ?? Buffer.alloc(0)
  if (head.length > 0) {
    bytesAToB += head.length
    b.write(head)
  }
  flow(a, b, (bytes) => {
    bytesAToB += bytes
    options.onPassed?.(bytes, 0)
  })
  flow(b, a, (bytes) => {
    bytesBToA += bytes
    options.onPassed?.(0, bytes)
  })
  const stopWatch = watchHalfOpen(a, b, () => bytesAToB + bytesBToA, options.silentMaxMs ?? HALF_OPEN_SILENT_MAX_MS)
  const closed = Promise.all([closeOf(a, b), closeOf(b, a)]).then(stopWatch)
  return {
    closed,
    destroy,
    get bytesAToB() {
      return bytesAToB
    },
    get bytesBToA() {
      return bytesBToA
    }
  }
}

function flow(from: Duplex, to: Duplex, onBytes: (bytes: number) => void): void {
  from.on('data', (chunk: Buffer) => {
    onBytes(chunk.length)
    if (!writeOnce(to, chunk)) from.pause()
  })
  to.on('drain', () => from.resume())
  from.on('end', () => to.end())
  if (to.writableNeedDrain) from.pause()
  else from.resume()
}

/** Waits for `socket` to close and closes `other` when it did so before its end: what is then under way is lost anyway. */
function closeOf(socket: Duplex, other: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const closed = (): void => {
      if (!socket.readableEnded || !socket.writableFinished) other.destroy()
      resolve()
    }
    socket.on('error', () => other.destroy())
    if (socket.closed) closed()
    else socket.once('close', closed)
  })
}

function watchHalfOpen(a: Duplex, b: Duplex, bytes: () => number, silentMaxMs: number): () => void {
  let timer: NodeJS.Timeout | undefined
  let seen = 0
  const check = (): void => {
    if (bytes() === seen) {
      a.destroy()
      b.destroy()
      return
    }
    seen = bytes()
    timer?.refresh()
  }
  const start = (): void => {
    seen = bytes()
    timer ??= setTimeout(check, silentMaxMs)
  }
  a.once('end', start)
  b.once('end', start)
  return () => clearTimeout(timer)
}
