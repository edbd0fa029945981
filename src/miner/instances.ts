import type {Duplex} from 'node:stream'
import {capExceeded} from '../core/availability.ts'
import {CreoError, isCreoError} from '../core/errors.ts'
import type {RevisionEntry} from '../core/protocol/tables.ts'
import type {InstanceExit, RuntimeInstance} from '../runtime/port.ts'
import {type BoundConnection, bindConnection} from './bound-connection.ts'
import {type ContainerSurroundings, HeldContainer} from './held-container.ts'
import {connectInstance} from './instance-socket.ts'
import type {WorkMeter} from './work-meter.ts'

const INSTANCES_MAX = 1000
const START_TIMEOUT_MS = 60_000
const ADOPT_TIMEOUT_MS = 5000
const EXIT_TERMINATED: InstanceExit = {exitCode: 143, oom: false}

/** Who asked for an instance, and for what; kept with the container, so that a later process knows it again. */
export interface InstanceOrigin {
  readonly instance: string
  readonly gateway: string
  readonly lease: string
  readonly revision: string
}

export interface HeldInstance extends InstanceOrigin {
  readonly memoryBytes: number
  readonly cpuMillis: number
}

export interface InstanceLimitsOfHost {
  readonly memoryBytes: number
  readonly cpuMillis: number
}

export interface InstancesOptions extends ContainerSurroundings {
  readonly meter: WorkMeter
  /** May change while instances run. */
  readonly limits: () => InstanceLimitsOfHost
  /** An instance ended, and its gateway did not ask for that. */
  readonly onEnded: (origin: InstanceOrigin, exit: InstanceExit) => void
  /** Bytes that passed between a gateway and an instance. */
  readonly onBytes: (bytes: number) => void
  readonly signal: AbortSignal
}

export type StartOutcome = {readonly status: 'started'} | {readonly status: 'failed'; readonly code: string; readonly message: string}

interface Held extends HeldInstance {
  readonly container: HeldContainer
  isReady: boolean
  readonly connections: Set<BoundConnection>
}

/** The instances that run on this node, with what they cost, from `start` or adoption until they are gone. */
export class Instances {
  readonly #options: InstancesOptions
  readonly #held = new Map<string, Held>()
  #bytesMoved = 0
  #endedWaysOutBytes = 0

  constructor(options: InstancesOptions) {
    this.#options = options
  }

  /** Those that are started and not asked to stop. */
  get all(): readonly HeldInstance[] {
    return [...this.#held.values()].filter((held) => held.isReady && !held.container.isStopping)
  }

  /** How many there are, in whatever state. */
  get count(): number {
    return this.#held.size
  }

  /** Connections on which a gateway waits for an answer. */
  get waiting(): number {
    let total = 0
    for (const held of this.#held.values()) for (const {isWaiting} of held.connections) total += isWaiting ? 1 : 0
    return total
  }

  /** Bytes that passed between gateways and instances since the start. */
  get bytesMoved(): number {
    return this.#bytesMoved
  }

  /** Bytes that instances sent and received by their ways out since the start. */
  get waysOutBytes(): number {
    return [...this.#held.values()].reduce((sum, {container}) => sum + container.waysOutBytes, this.#endedWaysOutBytes)
  }

  /** CPU time that running instances have used, in microseconds; what can't be asked counts nothing. */
  async cpuMicros(signal: AbortSignal): Promise<number> {
    const asked = [...this.#held.values()].map(({container}) => container.runtime?.stats(signal).catch(() => undefined))
    return (await Promise.all(asked)).reduce((sum, stats) => sum + (stats?.cpuMicros ?? 0), 0)
  }

  /** Cuts every connection between gateways and instances. */
  cutConnections(): void {
    for (const held of this.#held.values()) for (const connection of held.connections) connection.cut()
  }

  /** Starts one instance of a prepared image and waits until it accepts connections. */
  async start(origin: InstanceOrigin, revision: RevisionEntry, imageDigest: string): Promise<StartOutcome> {
    const timely = AbortSignal.any([this.#options.signal, AbortSignal.timeout(START_TIMEOUT_MS)])
    let container: HeldContainer | undefined
    try {
      const held = this.#claim(origin, revision)
      container = held.container
      const labels = {gateway: origin.gateway, lease: origin.lease}
      const runtime = await container.start(revision, {imageDigest, labels, signal: timely})
      if (container.isStopping) return await stoppedWhileStarting(container)
      this.#watch(held, runtime)
      await runtime.ready(timely)
      if (container.isStopping) return await stoppedWhileStarting(container)
      held.isReady = true
      return {status: 'started'}
    } catch (error) {
      if (container?.isStopping && container.exit === undefined) return await stoppedWhileStarting(container)
      await container?.remove(0)
      return startFailure(error, container?.exit, timely)
    }
  }

  /** Takes over an instance of an earlier process, with new ways out. One that does not answer any more is removed. */
  async adopt(runtime: RuntimeInstance, origin: InstanceOrigin, revision: RevisionEntry): Promise<'adopted' | 'removed'> {
    let held: Held | undefined
    try {
      held = this.#claim(origin, revision)
      held.container.adopt(runtime)
      await held.container.openWaysOut(revision)
      this.#watch(held, runtime)
      await runtime.ready(AbortSignal.any([this.#options.signal, AbortSignal.timeout(ADOPT_TIMEOUT_MS)]))
      held.isReady = true
      return 'adopted'
    } catch (error) {
      this.#options.log.info({instance: origin.instance, error: String(error)}, 'an instance of an earlier process is not taken over')
      await (held === undefined ? this.discard(runtime) : held.container.remove(0))
      return 'removed'
    }
  }

  /** Removes an instance of an earlier process; what can't be removed is tried again by `sweep`, like any other. */
  async discard(runtime: RuntimeInstance): Promise<void> {
    const {gateway = '', lease = '', revision = ''} = runtime.labels
    const {container} = this.#hold({instance: runtime.id, gateway, lease, revision, memoryBytes: 0, cpuMillis: 0})
    container.adopt(runtime)
    await container.remove(0)
  }

  /** Ends one instance for a reason of this node's own. */
  async end(instance: string, graceMs: number): Promise<void> {
    const held = this.#held.get(instance)
    if (held === undefined || held.container.isStopping) return
    const {isReady, container} = held
    await container.remove(graceMs)
    // A start that is under way answers for itself.
    if (isReady) this.#options.onEnded(held, container.exit ?? EXIT_TERMINATED)
  }

  /** Ends all, those included that are starting or being stopped already, and resolves when nothing is left. */
  async endAll(graceMs: number): Promise<void> {
    const held = [...this.#held.values()]
    await Promise.all(held.map(({container, instance}) => (container.isStopping ? container.remove(graceMs) : this.end(instance, graceMs))))
  }

  /** Stops one instance because its gateway says so; stopping what is gone does nothing. */
  async stop(instance: string, graceMs: number): Promise<void> {
    await this.#held.get(instance)?.container.remove(graceMs)
  }

  get(instance: string): HeldInstance | undefined {
    return this.#held.get(instance)
  }

  /** Joins a gateway's connection to an instance, both ways, and counts what passes. */
  async bind(instance: string, socket: Duplex, head: Buffer): Promise<void> {
    const held = this.#held.get(instance)
    if (held?.container.runtime === undefined || held.container.isStopping) return void socket.destroy()
    socket.on('error', () => socket.destroy())
    try {
      const inside = await connectInstance(held.container.runtime.socketPath)
      if (held.container.isStopping || socket.destroyed) {
        inside.destroy()
        return void socket.destroy()
      }
      await this.#pipe(held, socket, inside, head)
    } catch (error) {
      this.#options.log.debug({instance, error: String(error)}, 'an instance could not be reached')
      socket.destroy()
    }
  }

  async #pipe(held: Held, socket: Duplex, inside: Duplex, head: Buffer): Promise<void> {
    const connection = bindConnection(socket, inside, {
      head,
      onBytes: (bytes) => {
        this.#bytesMoved += bytes.in + bytes.out
        this.#options.meter.addBytes(held.instance, bytes)
        this.#options.onBytes(bytes.in + bytes.out)
      }
    })
    held.connections.add(connection)
    await connection.closed
    held.connections.delete(connection)
  }

  #claim(origin: InstanceOrigin, revision: RevisionEntry): Held {
    const {memoryBytes, cpuMillis} = revision.spec
    if (this.#held.has(origin.instance)) throw new CreoError('conflict', `The instance ${origin.instance} is there already.`)
    const all = [...this.#held.values(), {memoryBytes, cpuMillis}]
    if (all.length > INSTANCES_MAX || capExceeded(this.#options.limits(), all) !== undefined) {
      throw new CreoError('overloaded', 'This node has no room for another instance.')
    }
    return this.#hold({...origin, memoryBytes, cpuMillis})
  }

  #hold(of: HeldInstance): Held {
    const {instance, gateway, lease} = of
    const holder = {caller: {instance, gateway, lease}, onExit: () => void this.#exited(held), onGone: () => this.#forget(held)}
    const container = new HeldContainer(instance, this.#options, holder)
    const held: Held = {...of, container, isReady: false, connections: new Set()}
    this.#held.set(instance, held)
    return held
  }

  #watch(held: Held, runtime: RuntimeInstance): void {
    this.#options.meter.instanceStarted(held)
    held.container.watch(runtime, held.revision)
  }

  async #exited(held: Held): Promise<void> {
    const {isReady, container} = held
    await container.remove(0)
    if (isReady && container.exit !== undefined) this.#options.onEnded(held, container.exit)
  }

  /** Tries again to remove what could not be removed. */
  async sweep(): Promise<void> {
    for (const {container} of this.#held.values()) if (container.isLeftOver) await container.remove(0)
  }

  #forget(held: Held): void {
    this.#options.meter.instanceEnded(held.instance)
    for (const connection of held.connections) connection.cut()
    this.#endedWaysOutBytes += held.container.waysOutBytes
    this.#held.delete(held.instance)
  }
}

async function stoppedWhileStarting(container: HeldContainer): Promise<StartOutcome> {
  await container.remove(0)
  return {status: 'failed', code: 'stopped', message: 'The instance was stopped while it started.'}
}

/** In words that a gateway and the org's owner understand. */
function startFailure(error: unknown, exit: InstanceExit | undefined, signal: AbortSignal): StartOutcome {
  const message = error instanceof Error ? error.message : String(error)
  if (exit?.oom) return {status: 'failed', code: 'oom', message: `It used more than its memory limit. ${message}`}
  const code = isCreoError(error) ? error.code : 'internal'
  if (exit !== undefined || code === 'failed') return {status: 'failed', code: 'crash', message}
  if (signal.aborted || code === 'timeout') {
    return {status: 'failed', code: 'timeout', message: `It accepted no connection within ${START_TIMEOUT_MS / 1000} s. ${message}`}
  }
  return {status: 'failed', code, message}
}
