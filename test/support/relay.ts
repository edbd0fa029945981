import {once} from 'node:events'
import {type AddressInfo, connect, createServer, type Socket} from 'node:net'
import {onTestFinished} from 'vitest'

/** Bytes of one direction of a connection that may be under way, as a TCP window. */
const WINDOW_BYTES = 256 * 1024

export interface LineOptions {
  /** Round trip: half of it for each byte either way, and the whole before the first byte of a connection, as TCP's handshake takes. */
  readonly rttMs?: number
  /** Each way, for all connections together. */
  readonly bitsPerSecond?: number
  /** How many bytes a connection carries before it is reset; asked for each one. */
  readonly resetAfterBytes?: () => number
}

export interface Relay {
  readonly url: string
  /** Connections that were opened so far. */
  readonly opened: number
  /** The same gateway, over this line. */
  to<T extends {readonly id: string}>(gateway: T): {readonly id: string; readonly tunnelUrl: string}
  /** Nothing passes any more, and nobody is told; with `data`, on the first connection alone. */
  silence(options?: {readonly but: 'data'}): void
}

/** A bad line to an HTTP address, in user space. It is gone when the test is over. */
export async function openRelay(url: string, line: LineOptions = {}): Promise<Relay> {
  const {hostname, port, protocol} = new URL(url)
  const sockets = new Set<Socket>()
  let opened = 0
  let silent: 'none' | 'first' | 'all' = 'none'
  const lanes = [new Lane(line), new Lane(line)] as const
  const server = createServer({allowHalfOpen: true}, (near) => {
    const number = opened
    opened += 1
    const far = connect({host: hostname, port: Number(port), allowHalfOpen: true})
    const isSilent = (): boolean => silent === 'all' || (silent === 'first' && number === 0)
    const left = {bytes: line.resetAfterBytes?.() ?? Number.POSITIVE_INFINITY}
    for (const socket of [near, far]) {
      sockets.add(socket.setNoDelay(true))
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    }
    const reset = (): void => {
      near.resetAndDestroy()
      far.resetAndDestroy()
    }
    const pipe = {left, reset, isSilent}
    carry({...pipe, from: near, to: far, lane: lanes[0], firstMs: line.rttMs ?? 0})
    carry({...pipe, from: far, to: near, lane: lanes[1], firstMs: 0})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const own = `${protocol}//127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: own,
    get opened() {
      return opened
    },
    to: ({id}) => ({id, tunnelUrl: own}),
    silence: (options) => {
      silent = options === undefined ? 'all' : 'first'
    }
  }
}

/** One direction of the line: who sends first is served first. */
class Lane {
  readonly #halfMs: number
  readonly #bytesPerMs: number
  #freeAtMs = 0

  constructor({rttMs = 0, bitsPerSecond = Number.POSITIVE_INFINITY}: LineOptions) {
    this.#halfMs = rttMs / 2
    this.#bytesPerMs = bitsPerSecond / 8000
  }

  /** How long these bytes are under way. */
  takes(bytes: number): number {
    const nowMs = performance.now()
    this.#freeAtMs = Math.max(nowMs, this.#freeAtMs) + bytes / this.#bytesPerMs
    return this.#freeAtMs - nowMs + this.#halfMs
  }
}

interface Pipe {
  readonly from: Socket
  readonly to: Socket
  readonly lane: Lane
  /** Added before the first byte. */
  readonly firstMs: number
  readonly left: {bytes: number}
  readonly reset: () => void
  readonly isSilent: () => boolean
}

function carry({from, to, lane, firstMs, left, reset, isSilent}: Pipe): void {
  let underWay = 0
  const opensAtMs = performance.now() + firstMs
  /** In the order that they were sent in, whatever timers do. */
  const queue: {readonly dueMs: number; readonly then: () => void}[] = []
  let timer: NodeJS.Timeout | undefined
  const deliver = (): void => {
    timer = undefined
    for (let next = queue[0]; next !== undefined && next.dueMs <= performance.now(); next = queue[0]) {
      queue.shift()
      if (!isSilent() && !to.destroyed) next.then()
    }
    const [next] = queue
    if (next !== undefined) timer = setTimeout(deliver, Math.max(0, next.dueMs - performance.now()))
  }
  const later = (bytes: number, then: () => void): void => {
    queue.push({dueMs: Math.max(opensAtMs, performance.now()) + lane.takes(bytes), then})
    if (timer === undefined) deliver()
  }
  from.on('data', (chunk: Buffer) => {
    left.bytes -= chunk.length
    if (left.bytes < 0) {
      reset()
      return
    }
    underWay += chunk.length
    if (underWay > WINDOW_BYTES) from.pause()
    later(chunk.length, () => {
      underWay -= chunk.length
      if (underWay <= WINDOW_BYTES) from.resume()
      to.write(chunk)
    })
  })
  from.on('end', () => later(0, () => to.end()))
  from.on('close', () => {
    if (!from.readableEnded) later(0, () => to.destroy())
  })
}
