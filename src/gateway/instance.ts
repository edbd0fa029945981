import type {Duplex} from 'node:stream'
import {instanceMibMs} from '../core/metering.ts'
import type {LeaseEntry, RevisionEntry} from '../core/protocol/tables.ts'
import {bindLine} from '../core/protocol/tunnel.ts'
import type {MinerLink} from '../tunnel/miner-link.ts'
import {badGateway} from './answer-error.ts'
import {CallDepths} from './call-depth.ts'
import type {PlaceConduct} from './conduct.ts'
import type {FunctionCall} from './function-connection.ts'
import {FunctionConnections} from './function-connections.ts'
import type {WorkOf} from './meter.ts'

/** One container that this gateway asked for, or found running. */
export class Instance {
  readonly id: string
  readonly revision: RevisionEntry
  readonly lease: LeaseEntry
  readonly link: MinerLink
  /** Speaks HTTP to the function through the tunnel, one request at a time on each connection. */
  readonly connections: FunctionConnections
  /** Of the requests that it serves, where its function may call others. */
  readonly depths: CallDepths | undefined
  /** What its work is counted under. */
  readonly work: WorkOf
  inFlight = 0
  /** Where its requests are counted for or against its node. */
  place: PlaceConduct | undefined
  /** Gets no new requests and is stopped when the last one ends. */
  draining = false
  /** Once it is stopped its container may wait for the next start: load alone ended it. */
  mayRest = false
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
    this.depths = options.revision.spec.calls === undefined ? undefined : new CallDepths()
    this.#countedUntilMs = Math.floor(options.monotonicMs)
    this.work = {node: options.link.node, revision: options.revision.id, lease: options.lease.id}
    this.connections = new FunctionConnections({concurrency: options.revision.spec.concurrency, open: (signal) => this.#bind(signal)})
  }

  get node(): string {
    return this.link.node
  }

  get hasRoom(): boolean {
    return !this.draining && this.inFlight < this.revision.spec.concurrency
  }

  send(call: FunctionCall): void {
    this.link.expectAnswer()
    this.connections.send(call)
  }

  /**
   * Opens a connection to it and gives that up unused: no request, so that it counts nowhere as load.
   * @throws {CreoError} as `takeDataSocket` does
   */
  async reach(signal: AbortSignal): Promise<void> {
    const socket = await this.#bind(signal)
    socket.destroy()
  }

  /** MiB·ms since it was last asked. */
  takeMibMs(monotonicMs: number): number {
    const untilMs = Math.floor(monotonicMs)
    const mibMs = instanceMibMs(this.revision.spec.memoryBytes, untilMs - this.#countedUntilMs)
    this.#countedUntilMs = untilMs
    return mibMs
  }

  /** Lets what runs come to its end and takes nothing new. */
  leave(): void {
    this.draining = true
    this.connections.close()
  }

  /** Ends everything at once: the container is gone. */
  cut(): void {
    this.draining = true
    this.connections.destroy(badGateway('The instance of the function has ended.'))
  }

  async #bind(signal: AbortSignal): Promise<Duplex> {
    const socket = await this.link.takeDataSocket(signal)
    socket.write(bindLine(this.id))
    return socket
  }
}
