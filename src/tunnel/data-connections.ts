import type {Socket} from 'node:net'
import type {Duplex} from 'node:stream'
import {setTimeout as wait} from 'node:timers/promises'
import {BIND_LINE, BIND_LINE_MAX, TUNNEL_DATA_MAX, TUNNEL_IDLE_MAX, TUNNEL_KEEP_ALIVE_MS} from '../core/protocol/tunnel.ts'
import {backoffMs} from './backoff.ts'
import {dialUpgrade, type TunnelDial, type UpgradedSocket} from './dial-upgrade.ts'

/**
 * Takes over a data connection that the gateway has bound to an instance. `head` are bytes of the stream that were read already:
 * they come before everything that `socket` still gives. The socket is paused and the callee's to close.
 */
export type OnBind = (instance: string, socket: Duplex, head: Buffer) => void

/** The miner's data connections to one gateway: a few idle ones, more when asked, each replaced when it is bound. */
export class DataConnections {
  readonly #dial: TunnelDial
  readonly #onBind: OnBind
  readonly #idle = new Set<Duplex>()
  readonly #all = new Set<Socket>()
  #opening = 0
  #bytesOfClosed = 0
  #idleMax = TUNNEL_IDLE_MAX
  #failures = 0

  constructor(dial: TunnelDial, onBind: OnBind) {
    this.#dial = dial
    this.#onBind = onBind
    dial.signal.addEventListener('abort', () => this.#closeIdle(), {once: true})
  }

  /** Idle and bound ones together. */
  get total(): number {
    return this.#all.size
  }

  /** Everything that was ever read from them. */
  get bytesRead(): number {
    let bytes = this.#bytesOfClosed
    for (const socket of this.#all) bytes += socket.bytesRead
    return bytes
  }

  /** Keeps so many idle ones from now on. Those beyond are the gateway's to close: it knows which it is about to bind. */
  keepIdle(count: number): void {
    this.#idleMax = count
    this.refill()
  }

  /** Cuts off everything, also what is bound: the other end is gone. */
  cut(): void {
    for (const socket of this.#all) socket.destroy()
  }

  /** Opens this many more, within the limit of the protocol. */
  open(count: number): void {
    const room = TUNNEL_DATA_MAX - this.#all.size - this.#opening
    for (let left = Math.min(count, room); left > 0; left -= 1) void this.#openOne()
  }

  /** Opens what is missing to the usual number of idle ones. */
  refill(): void {
    this.open(this.#idleMax - this.#idle.size - this.#opening)
  }

  async #openOne(): Promise<void> {
    this.#opening += 1
    try {
      if (this.#failures > 0) await wait(backoffMs(this.#failures, Math.random()), undefined, {signal: this.#dial.signal})
      const opened = await dialUpgrade(this.#dial, {kind: 'data'})
      this.#failures = 0
      this.#opening -= 1
      this.#hold(opened)
    } catch {
      // A refusal or a dead line shows on the control connection as well; here it is only tried again, more slowly.
      this.#opening -= 1
      this.#failures += 1
      if (!this.#dial.signal.aborted) this.refill()
    }
  }

  #hold({socket, head}: UpgradedSocket): void {
    if (this.#dial.signal.aborted) {
      socket.destroy()
      return
    }
    socket.setKeepAlive(true, TUNNEL_KEEP_ALIVE_MS)
    this.#all.add(socket)
    this.#idle.add(socket)
    socket.once('close', () => {
      this.#all.delete(socket)
      this.#bytesOfClosed += socket.bytesRead
      if (this.#idle.delete(socket)) this.refill()
    })
    readBindLine(socket, head, (instance, rest) => {
      this.#idle.delete(socket)
      this.#onBind(instance, socket, rest)
      this.refill()
    })
  }

  #closeIdle(): void {
    const idle = [...this.#idle]
    this.#idle.clear()
    for (const socket of idle) socket.destroy()
  }
}

/** Waits for exactly one BIND line; anything else closes the connection. */
function readBindLine(socket: Duplex, head: Buffer, onBound: (instance: string, rest: Buffer) => void): void {
  let read: Buffer = Buffer.alloc(0)
  const give = (): void => {
    socket.destroy()
  }
  const take = (chunk: Buffer): void => {
    read = read.length === 0 ? chunk : Buffer.concat([read, chunk])
    const end = read.indexOf('\n')
    if (end === -1 && read.length <= BIND_LINE_MAX) return
    const instance = end > BIND_LINE_MAX ? undefined : BIND_LINE.exec(read.toString('latin1', 0, Math.max(0, end)))?.[1]
    if (instance === undefined) {
      give()
      return
    }
    socket.off('data', take).off('end', give)
    socket.pause()
    onBound(instance, read.subarray(end + 1))
  }
  socket.on('end', give).on('error', give).on('data', take)
  if (head.length > 0) socket.unshift(head)
  socket.resume()
}
