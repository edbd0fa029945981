import type {Duplex} from 'node:stream'
import type {Log} from '../telemetry/log.ts'
import {type BoundConnection, bindConnection} from './bound-connection.ts'
import {connectInstance} from './instance-socket.ts'
import type {WorkMeter} from './work-meter.ts'

export interface InstanceConnectionsOptions {
  readonly meter: WorkMeter
  /** Bytes that passed between a gateway and an instance. */
  readonly onBytes: (bytes: number) => void
  readonly log: Log
}

/** The connections between gateways and the instances of this node. */
export class InstanceConnections {
  readonly #options: InstanceConnectionsOptions
  readonly #ofInstance = new Map<string, Set<BoundConnection>>()
  #bytesMoved = 0

  constructor(options: InstanceConnectionsOptions) {
    this.#options = options
  }

  /** Bytes that passed since the start. */
  get bytesMoved(): number {
    return this.#bytesMoved
  }

  /** Connections on which a gateway waits for an answer. */
  get waiting(): number {
    let total = 0
    for (const connections of this.#ofInstance.values()) for (const {isWaiting} of connections) total += isWaiting ? 1 : 0
    return total
  }

  /** Joins a gateway's connection to an instance, both ways, and counts what passes. `isReachable` is asked once the instance has answered. */
  async join(
    to: {readonly instance: string; readonly socketPath: string; readonly isReachable: () => boolean},
    socket: Duplex,
    head: Buffer
  ): Promise<void> {
    socket.on('error', () => socket.destroy())
    try {
      const inside = await connectInstance(to.socketPath)
      if (!to.isReachable() || socket.destroyed) {
        inside.destroy()
        return void socket.destroy()
      }
      await this.#pipe(to.instance, {socket, inside, head})
    } catch (error) {
      this.#options.log.debug({instance: to.instance, error: String(error)}, 'an instance could not be reached')
      socket.destroy()
    }
  }

  cut(instance: string): void {
    for (const connection of this.#ofInstance.get(instance) ?? []) connection.cut()
  }

  cutAll(): void {
    for (const instance of this.#ofInstance.keys()) this.cut(instance)
  }

  async #pipe(instance: string, ends: {readonly socket: Duplex; readonly inside: Duplex; readonly head: Buffer}): Promise<void> {
    const connection = bindConnection(ends.socket, ends.inside, {
      head: ends.head,
      onBytes: (bytes) => {
        this.#bytesMoved += bytes.in + bytes.out
        this.#options.meter.addBytes(instance, bytes)
        this.#options.onBytes(bytes.in + bytes.out)
      }
    })
    const connections = this.#ofInstance.get(instance) ?? new Set()
    this.#ofInstance.set(instance, connections.add(connection))
    await connection.closed
    connections.delete(connection)
    if (connections.size === 0) this.#ofInstance.delete(instance)
  }
}
