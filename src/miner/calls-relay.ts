import {chmod, rm} from 'node:fs/promises'
import {createServer, type Server, type Socket} from 'node:net'
import {CreoError, ERROR_CODES, isCreoError} from '../core/errors.ts'
import {TUNNEL_CALLS_MAX} from '../core/protocol/tunnel.ts'
import type {UpgradedSocket} from '../tunnel/dial-upgrade.ts'
import {pipeSockets, type SocketPipe} from '../tunnel/pipe-sockets.ts'

/** Connections that one instance may have open, with those that have not said anything yet. */
const CONNECTIONS_MAX = 128
/** Calls of one instance that are under way at a time, on a node where few call. */
const CALLS_MAX = 48
/** An instance may have at most this part of what the others leave. */
const SHARE_OF_LEFT = 1 / 8
/** A connection that has not said anything for this long is closed. */
const SILENT_MAX_MS = 120_000
const RETRY_AFTER_S = 2

export interface CallsRelayOptions {
  readonly socketPath: string
  /** Opens a connection to a gateway that takes what this instance calls. */
  readonly dial: (signal: AbortSignal) => Promise<UpgradedSocket>
  readonly underWay: CallsUnderWay
}

/** Calls under way of all instances of a node: one object that their relays share. */
export interface CallsUnderWay {
  count: number
}

/**
 * Whether an instance with `own` calls under way may make another one, of `all` on its node. Whatever others take, they leave something for one that begins
 * to call, and each may call once at a time; what is too much for a gateway all the same it refuses itself.
 */
export function mayCall(own: number, all: number): boolean {
  return own < Math.min(CALLS_MAX, Math.max(1, (TUNNEL_CALLS_MAX - all) * SHARE_OF_LEFT))
}

export interface CallsRelay {
  /** Passed so far, both directions together. */
  readonly bytes: number
  /** Ends the connections that are there; the function may open new ones. */
  cut(): void
  close(): Promise<void>
}

/**
 * The way from one instance to other functions of its app: each connection to the socket becomes one to a gateway, which reads what is
 * asked and decides. Nothing is parsed here; a gateway is dialled only when the function has said something.
 */
export async function openCallsRelay(options: CallsRelayOptions): Promise<CallsRelay> {
  const relay = new RelayServer(options)
  await relay.listen()
  return relay
}

class RelayServer implements CallsRelay {
  readonly #options: CallsRelayOptions
  readonly #server: Server
  readonly #closing = new AbortController()
  readonly #sockets = new Set<Socket>()
  readonly #pipes = new Set<SocketPipe>()
  #underWay = 0
  #endedBytes = 0

  constructor(options: CallsRelayOptions) {
    this.#options = options
    this.#server = createServer({allowHalfOpen: true, pauseOnConnect: true}, (socket) => void this.#serve(socket))
    this.#server.maxConnections = CONNECTIONS_MAX
  }

  get bytes(): number {
    return [...this.#pipes].reduce((sum, pipe) => sum + bytesOf(pipe), this.#endedBytes)
  }

  async listen(): Promise<void> {
    const {socketPath} = this.#options
    await rm(socketPath, {force: true})
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(socketPath, resolve)
    })
    await chmod(socketPath, 0o666)
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
    for (const pipe of this.#pipes) pipe.destroy()
  }

  async close(): Promise<void> {
    this.#closing.abort(new CreoError('interrupted', 'The function has ended.'))
    this.cut()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
    await rm(this.#options.socketPath, {force: true})
  }

  async #serve(socket: Socket): Promise<void> {
    this.#sockets.add(socket)
    socket.on('error', () => socket.destroy()).once('close', () => this.#sockets.delete(socket))
    const gone = new AbortController()
    socket.once('close', () => gone.abort())
    try {
      const head = await firstBytes(socket)
      if (head === undefined) return void socket.destroy()
      await this.#counted(() => this.#call(socket, head, AbortSignal.any([gone.signal, this.#closing.signal])))
    } catch (error) {
      if (!socket.destroyed) refuse(socket, isCreoError(error) ? error : new CreoError('internal', 'The call failed.'))
    }
  }

  /** @throws {CreoError} `overloaded` when this instance has its share of the node's calls. */
  async #counted(call: () => Promise<void>): Promise<void> {
    const {underWay} = this.#options
    if (!mayCall(this.#underWay, underWay.count)) {
      throw new CreoError('overloaded', `This instance has ${this.#underWay} calls under way, and others on its node want to call too.`, {
        hint: 'Make fewer calls at a time, or try again in a moment.'
      })
    }
    this.#underWay += 1
    underWay.count += 1
    try {
      await call()
    } finally {
      this.#underWay -= 1
      underWay.count -= 1
    }
  }

  async #call(socket: Socket, head: Buffer, signal: AbortSignal): Promise<void> {
    const dialled = await this.#options.dial(signal)
    if (socket.destroyed) return void dialled.socket.destroy()
    if (dialled.head.length > 0) dialled.socket.unshift(dialled.head)
    const pipe = pipeSockets(socket, dialled.socket, {head})
    this.#pipes.add(pipe)
    await pipe.closed
    this.#pipes.delete(pipe)
    this.#endedBytes += bytesOf(pipe)
  }
}

function bytesOf({bytesAToB, bytesBToA}: SocketPipe): number {
  return bytesAToB + bytesBToA
}

/** Leaves the socket paused. Undefined when it ends without having said anything, or says nothing for too long. */
function firstBytes(socket: Socket): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const settle = (bytes: Buffer | undefined): void => {
      socket.off('data', settle).off('end', nothing).off('close', nothing).off('timeout', nothing).pause()
      socket.setTimeout(0)
      resolve(bytes)
    }
    const nothing = (): void => settle(undefined)
    socket.setTimeout(SILENT_MAX_MS)
    socket.once('data', settle).once('end', nothing).once('close', nothing).once('timeout', nothing)
    socket.resume()
  })
}

/** In the form that a gateway's own errors have, since to the function this is its answer. */
function refuse(socket: Socket, error: CreoError): void {
  const body = JSON.stringify({error})
  const head = [
    `HTTP/1.1 ${ERROR_CODES[error.code].http} Refused`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    `creo-error: ${error.code}`,
    `retry-after: ${RETRY_AFTER_S}`,
    'connection: close'
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroySoon())
  socket.resume()
}
