import type {Socket} from 'node:net'
import {Pool} from 'undici'
import {CreoError} from '../core/errors.ts'
import {instanceMibMs} from '../core/metering.ts'
import type {LeaseEntry, RevisionEntry} from '../core/protocol/tables.ts'
import {bindLine} from '../core/protocol/tunnel.ts'
import type {MinerLink} from '../tunnel/miner-link.ts'

/** Connections to one instance; requests beyond them wait for one of them. */
const CONNECTIONS_MAX = 256
/** An unused connection to an instance is given back after this long: each takes a place in a home router's table. */
const KEEP_ALIVE_MS = 10_000
export const RESPONSE_HEADERS_MAX = 64 * 1024

/** One container that this gateway asked for, or found running. */
export class Instance {
  readonly id: string
  readonly revision: RevisionEntry
  readonly lease: LeaseEntry
  readonly link: MinerLink
  /** Speaks HTTP to the function through the tunnel, one request at a time on each connection. */
  readonly dispatcher: Pool
  inFlight = 0
  /** Gets no new requests and is stopped when the last one ends. */
  draining = false
  readonly #gone = new AbortController()
  #countedUntilMs: number

  constructor(options: {
    readonly id: string
    readonly revision: RevisionEntry
    readonly lease: LeaseEntry
    readonly link: MinerLink
    readonly monotonicMs: number
  }) {
    this.id = options.id
    this.revision = options.revision
    this.lease = options.lease
    this.link = options.link
    this.#countedUntilMs = Math.floor(options.monotonicMs)
    this.dispatcher = new Pool('http://instance.internal', {
      connections: Math.min(CONNECTIONS_MAX, options.revision.spec.concurrency),
      pipelining: 1,
      // Requests have a timeout of their own that covers all of it.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: RESPONSE_HEADERS_MAX,
      connect: (_options, callback) => {
        this.#bind().then(
          (socket) => callback(null, socket),
          (error: Error) => callback(error, null)
        )
      }
    })
    // Without a listener a refused connection would end the process; each request hears of it by itself.
    this.dispatcher.on('connectionError', () => undefined)
  }

  get node(): string {
    return this.link.node
  }

  get hasRoom(): boolean {
    return !this.draining && this.inFlight < this.revision.spec.concurrency
  }

  /** MiB·ms since it was last asked. */
  takeMibMs(monotonicMs: number): number {
    const untilMs = Math.floor(monotonicMs)
    const mibMs = instanceMibMs(this.revision.spec.memoryBytes, untilMs - this.#countedUntilMs)
    this.#countedUntilMs = untilMs
    return mibMs
  }

  /** Lets what runs come to its end and takes nothing new. */
  async leave(): Promise<void> {
    this.draining = true
    await this.dispatcher.close()
  }

  /** Ends everything at once: the container is gone. */
  async cut(): Promise<void> {
    this.draining = true
    const reason = new CreoError('bad_gateway', 'The instance has ended.')
    this.#gone.abort(reason)
    await this.dispatcher.destroy(reason)
  }

  async #bind(): Promise<Socket> {
    const socket = (await this.link.takeDataSocket(this.#gone.signal)) as Socket
    socket.write(bindLine(this.id))
    return socket
  }
}
