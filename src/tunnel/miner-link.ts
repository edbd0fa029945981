import {Socket} from 'node:net'
import type {Duplex} from 'node:stream'
import {CreoError} from '../core/errors.ts'
import {type GatewayMessage, TUNNEL_DATA_MAX, TUNNEL_IDLE_MAX, TUNNEL_PROBE_MS} from '../core/protocol/tunnel.ts'
import type {ControlChannel} from './control-channel.ts'

/** How long a request waits for a data connection: two round trips of a bad line and the handshake. */
const DATA_SOCKET_WAIT_MAX_MS = 15_000
/** Idle connections beyond the usual few are closed after this long. */
const SURPLUS_KEPT_MS = 10_000

/** The gateway's end of one miner's session. */
export interface MinerLink {
  readonly node: string
  readonly session: string
  send(message: GatewayMessage): void
  /**
   * A data connection that nothing was written to yet: write the BIND line first. Asks the miner for more when too few are open.
   * @throws {CreoError} `unavailable` when the session ends; `timeout`; `interrupted` by the signal.
   */
  takeDataSocket(signal: AbortSignal): Promise<Duplex>
  /** A request is sent to this miner: when nothing at all is heard of it for a while, it is asked whether it is there. */
  expectAnswer(): void
  readonly idleDataSockets: number
  readonly openDataSockets: number
  /** Resolves when the control connection has ended. Connections that are bound live on, unless the miner was silent for too long (`timeout`). */
  readonly closed: Promise<CreoError>
  close(): void
}

interface Waiter {
  readonly give: (socket: Duplex) => void
  readonly fail: (error: CreoError) => void
}

interface IdleSocket {
  readonly socket: Duplex
  /** Stops watching over it and hands it over, paused. */
  release(): Duplex
}

export class AcceptedLink implements MinerLink {
  readonly node: string
  readonly session: string
  readonly closed: Promise<CreoError>
  readonly #channel: ControlChannel<GatewayMessage>
  readonly #idle: IdleSocket[] = []
  readonly #waiters = new Set<Waiter>()
  /** Connections that the miner was asked for and that have not come yet. */
  #expected = 0
  readonly #sockets = new Set<Duplex>()
  readonly #calls = new Set<Duplex>()
  #bytesOfClosed = 0
  #idleMax = TUNNEL_IDLE_MAX
  #probe: NodeJS.Timeout | undefined
  #trim: NodeJS.Timeout | undefined
  #ended = false

  constructor(node: string, session: string, channel: ControlChannel<GatewayMessage>) {
    this.node = node
    this.session = session
    this.#channel = channel
    this.closed = channel.closed.then((reason) => {
      this.#end()
      // Whatever waits for its answer hears now that none will come, and may be tried elsewhere.
      if (reason.code === 'timeout') for (const socket of [...this.#sockets, ...this.#calls]) socket.destroy()
      return reason
    })
  }

  get idleDataSockets(): number {
    return this.#idle.length
  }

  /** Watches over a connection with calls; what it carries is not this link's. */
  addCalls(socket: Duplex): void {
    this.#calls.add(socket)
    socket.once('close', () => {
      this.#calls.delete(socket)
      this.#bytesOfClosed += bytesOf(socket)
    })
  }

  get openDataSockets(): number {
    return this.#sockets.size
  }

  /** Everything that was ever read from its data and calls connections. */
  get bytesRead(): number {
    let bytes = this.#bytesOfClosed
    for (const socket of this.#sockets) bytes += bytesOf(socket)
    for (const socket of this.#calls) bytes += bytesOf(socket)
    return bytes
  }

  /** Closes what is idle beyond so many from now on. */
  keepIdle(count: number): void {
    this.#idleMax = count
    this.#closeSurplus()
  }

  expectAnswer(): void {
    if (this.#probe === undefined) this.#setProbe()
  }

  #setProbe(): void {
    const before = this.bytesRead
    this.#probe = setTimeout(() => {
      this.#probe = undefined
      // As long as something comes, what is heard next may be the last.
      if (this.bytesRead === before) this.#channel.ping()
      else this.#setProbe()
    }, TUNNEL_PROBE_MS)
  }

  send(message: GatewayMessage): void {
    this.#channel.send(message)
  }

  close(): void {
    this.#channel.close()
  }

  /** Takes in a connection whose hello is verified. */
  add(socket: Duplex): void {
    this.#sockets.add(socket)
    this.#expected = Math.max(0, this.#expected - 1)
    const lost = (): void => {
      const at = this.#idle.indexOf(idle)
      if (at !== -1) this.#idle.splice(at, 1)
      socket.destroy()
    }
    const release = (): Duplex => socket.off('end', lost).off('data', lost).pause()
    const idle: IdleSocket = {socket, release}
    // A miner that speaks before it is bound breaks the protocol; one that ends has gone.
    socket.on('error', lost).on('end', lost).on('data', lost)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#bytesOfClosed += bytesOf(socket)
      lost()
    })
    if (this.#ended) {
      socket.destroy()
      return
    }
    this.#idle.push(idle)
    this.#serve()
  }

  takeDataSocket(signal: AbortSignal): Promise<Duplex> {
    if (this.#ended) return Promise.reject(gone())
    const socket = this.#idle.pop()?.release()
    if (socket !== undefined) {
      this.#askForMore()
      return Promise.resolve(socket)
    }
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', aborted)
        this.#waiters.delete(waiter)
        if (this.#waiters.size === 0) this.#expected = 0
      }
      const fail = (error: CreoError): void => {
        settle()
        reject(error)
      }
      const aborted = (): void => fail(new CreoError('interrupted', 'Nobody waits for the connection any more.'))
      const timer = setTimeout(() => fail(new CreoError('timeout', 'The miner opened no connection in time.')), DATA_SOCKET_WAIT_MAX_MS)
      const give = (taken: Duplex): void => {
        settle()
        resolve(taken)
      }
      const waiter: Waiter = {give, fail}
      this.#waiters.add(waiter)
      signal.addEventListener('abort', aborted, {once: true})
      if (signal.aborted) aborted()
      else this.#askForMore()
    })
  }

  #serve(): void {
    for (const waiter of this.#waiters) {
      const socket = this.#idle.pop()?.release()
      if (socket === undefined) break
      waiter.give(socket)
    }
    if (this.#idle.length > this.#idleMax) this.#trim ??= setTimeout(() => this.#closeSurplus(), SURPLUS_KEPT_MS)
  }

  #askForMore(): void {
    const count = Math.min(this.#waiters.size - this.#expected, TUNNEL_DATA_MAX - this.#sockets.size - this.#expected)
    if (count < 1) return
    this.#expected += count
    this.send({type: 'dial', count})
  }

  #closeSurplus(): void {
    this.#trim = undefined
    for (const {socket} of this.#idle.splice(0, Math.max(0, this.#idle.length - this.#idleMax))) socket.destroy()
  }

  #end(): void {
    this.#ended = true
    clearTimeout(this.#trim)
    clearTimeout(this.#probe)
    for (const waiter of [...this.#waiters]) waiter.fail(gone())
    for (const {socket} of this.#idle.splice(0)) socket.destroy()
  }
}

function bytesOf(socket: Duplex): number {
  return socket instanceof Socket ? socket.bytesRead : 0
}

function gone(): CreoError {
  return new CreoError('unavailable', 'The miner has gone.')
}
