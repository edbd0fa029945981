import type {Duplex} from 'node:stream'
import {CreoError} from '../core/errors.ts'
import {type GatewayMessage, TUNNEL_DATA_MAX, TUNNEL_IDLE_MAX} from '../core/protocol/tunnel.ts'
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
  readonly idleDataSockets: number
  readonly openDataSockets: number
  /** Connections with calls of the miner's functions. */
  readonly openCallsSockets: number
  /** Resolves when the control connection has ended. Connections that are bound live on. */
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
  #open = 0
  #openCalls = 0
  #trim: NodeJS.Timeout | undefined
  #ended = false

  constructor(node: string, session: string, channel: ControlChannel<GatewayMessage>) {
    this.node = node
    this.session = session
    this.#channel = channel
    this.closed = channel.closed.then((reason) => {
      this.#end()
      return reason
    })
  }

  get idleDataSockets(): number {
    return this.#idle.length
  }

  get openCallsSockets(): number {
    return this.#openCalls
  }

  /** Counts a connection with calls; nothing else is done with it here. */
  addCalls(socket: Duplex): void {
    this.#openCalls += 1
    socket.once('close', () => {
      this.#openCalls -= 1
    })
  }

  get openDataSockets(): number {
    return this.#open
  }

  send(message: GatewayMessage): void {
    this.#channel.send(message)
  }

  close(): void {
    this.#channel.close()
  }

  /** Takes in a connection whose hello is verified. */
  add(socket: Duplex): void {
    this.#open += 1
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
      this.#open -= 1
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
    if (this.#idle.length > TUNNEL_IDLE_MAX) this.#trim ??= setTimeout(() => this.#closeSurplus(), SURPLUS_KEPT_MS)
  }

  #askForMore(): void {
    const count = Math.min(this.#waiters.size - this.#expected, TUNNEL_DATA_MAX - this.#open - this.#expected)
    if (count < 1) return
    this.#expected += count
    this.send({type: 'dial', count})
  }

  #closeSurplus(): void {
    this.#trim = undefined
    for (const {socket} of this.#idle.splice(0, Math.max(0, this.#idle.length - TUNNEL_IDLE_MAX))) socket.destroy()
  }

  #end(): void {
    this.#ended = true
    clearTimeout(this.#trim)
    for (const waiter of [...this.#waiters]) waiter.fail(gone())
    for (const {socket} of this.#idle.splice(0)) socket.destroy()
  }
}

function gone(): CreoError {
  return new CreoError('unavailable', 'The miner has gone.')
}
