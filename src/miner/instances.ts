import {createHash} from 'node:crypto'
import {join} from 'node:path'
import type {Duplex} from 'node:stream'
import {capExceeded} from '../core/availability.ts'
import {CreoError, isCreoError} from '../core/errors.ts'
import type {RevisionEntry} from '../core/protocol/tables.ts'
import type {ContainerRuntime, InstanceExit, InstanceSpec, RuntimeInstance} from '../runtime/port.ts'
import type {Log} from '../telemetry/log.ts'
import {type BoundConnection, bindConnection} from './bound-connection.ts'
import type {EgressProxy} from './egress-proxy.ts'
import {connectInstance} from './instance-socket.ts'
import type {LogRing} from './log-ring.ts'
import type {WorkMeter} from './work-meter.ts'

const INSTANCES_MAX = 1000
const START_TIMEOUT_MS = 60_000
const ADOPT_TIMEOUT_MS = 5000
const STOP_TIMEOUT_MS = 60_000
const PIDS_MAX = 256
const SCRATCH_BYTES = 64 * 2 ** 20
const LOG_BYTES = 2 ** 20
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

export interface InstancesOptions {
  readonly runtime: ContainerRuntime
  readonly meter: WorkMeter
  readonly logs: LogRing
  /** May change while instances run. */
  readonly limits: () => InstanceLimitsOfHost
  readonly openEgress: (socketPath: string, allowedHosts: readonly string[]) => Promise<EgressProxy>
  /** Short, since a unix socket's path has 107 bytes at most. */
  readonly egressDirectory: string
  readonly now: () => number
  readonly log: Log
  /** An instance ended, and its gateway did not ask for that. */
  readonly onEnded: (origin: InstanceOrigin, exit: InstanceExit) => void
  /** Bytes that passed between a gateway and an instance. */
  readonly onBytes: (bytes: number) => void
  readonly signal: AbortSignal
}

export type StartOutcome = {readonly status: 'started'} | {readonly status: 'failed'; readonly code: string; readonly message: string}

interface Held extends HeldInstance {
  runtime: RuntimeInstance | undefined
  egress: EgressProxy | undefined
  isReady: boolean
  exit: InstanceExit | undefined
  stopping: boolean
  /** Settles when the runtime's start has, however it went: only then is it known whether there is something to stop. */
  starting: Promise<void>
  /** Calls the runtime's start off. */
  readonly calledOff: AbortController
  /** The removal under way; a removal that failed is tried again by `sweep`. */
  removal: Promise<void> | undefined
  readonly connections: Set<BoundConnection>
  readonly logs: AbortController
}

/** The instances that run on this node, with what they cost, from `start` or adoption until they are gone. */
export class Instances {
  readonly #options: InstancesOptions
  readonly #held = new Map<string, Held>()
  #bytesMoved = 0
  #endedEgressBytes = 0

  constructor(options: InstancesOptions) {
    this.#options = options
  }

  /** Those that are started and not asked to stop. */
  get all(): readonly HeldInstance[] {
    return [...this.#held.values()].filter((held) => held.isReady && !held.stopping)
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

  /** Bytes that instances sent and received by their way out since the start. */
  get egressBytes(): number {
    return [...this.#held.values()].reduce((sum, {egress}) => sum + egressBytesOf(egress), this.#endedEgressBytes)
  }

  /** CPU time that running instances have used, in microseconds; what can't be asked counts nothing. */
  async cpuMicros(signal: AbortSignal): Promise<number> {
    const asked = [...this.#held.values()].map(({runtime}) => runtime?.stats(signal).catch(() => undefined))
    return (await Promise.all(asked)).reduce((sum, stats) => sum + (stats?.cpuMicros ?? 0), 0)
  }

  /** Cuts every connection between gateways and instances. */
  cutConnections(): void {
    for (const held of this.#held.values()) for (const connection of held.connections) connection.cut()
  }

  /** Starts one instance of a prepared image and waits until it accepts connections. */
  async start(origin: InstanceOrigin, revision: RevisionEntry, manifestDigest: string): Promise<StartOutcome> {
    const timely = AbortSignal.any([this.#options.signal, AbortSignal.timeout(START_TIMEOUT_MS)])
    let held: Held | undefined
    try {
      held = this.#claim(origin, revision)
      const signal = AbortSignal.any([timely, held.calledOff.signal])
      const launched = this.#launch(held, revision, manifestDigest, signal)
      held.starting = launched.then(ignore, ignore)
      const runtime = await launched
      if (held.stopping) return await this.#stoppedWhileStarting(held)
      this.#watch(held, runtime)
      await runtime.ready(timely)
      if (held.stopping) return await this.#stoppedWhileStarting(held)
      held.isReady = true
      return {status: 'started'}
    } catch (error) {
      if (held?.stopping && held.exit === undefined) return await this.#stoppedWhileStarting(held)
      if (held !== undefined) await this.#remove(held, 0)
      return startFailure(error, held?.exit, timely)
    }
  }

  async #launch(held: Held, revision: RevisionEntry, manifestDigest: string, signal: AbortSignal): Promise<RuntimeInstance> {
    const spec = await this.#spec(held, revision, manifestDigest)
    held.runtime = await this.#options.runtime.start(spec, signal)
    return held.runtime
  }

  async #stoppedWhileStarting(held: Held): Promise<StartOutcome> {
    await this.#remove(held, 0)
    return {status: 'failed', code: 'stopped', message: 'The instance was stopped while it started.'}
  }

  /** Takes over an instance of an earlier process, without a way out. One that does not answer any more is removed. */
  async adopt(runtime: RuntimeInstance, origin: InstanceOrigin, revision: RevisionEntry): Promise<'adopted' | 'removed'> {
    let held: Held | undefined
    try {
      held = this.#claim(origin, revision)
      held.runtime = runtime
      this.#watch(held, runtime)
      await runtime.ready(AbortSignal.any([this.#options.signal, AbortSignal.timeout(ADOPT_TIMEOUT_MS)]))
      held.isReady = true
      return 'adopted'
    } catch (error) {
      this.#options.log.info({instance: origin.instance, error: String(error)}, 'an instance of an earlier process is not taken over')
      await (held === undefined ? this.discard(runtime) : this.#remove(held, 0))
      return 'removed'
    }
  }

  /** Removes an instance of an earlier process; what can't be removed is tried again by `sweep`, like any other. */
  async discard(runtime: RuntimeInstance): Promise<void> {
    const {gateway = '', lease = '', revision = ''} = runtime.labels
    const held: Held = {instance: runtime.id, gateway, lease, revision, memoryBytes: 0, cpuMillis: 0, ...unstarted(), runtime}
    this.#held.set(runtime.id, held)
    await this.#remove(held, 0)
  }

  /** Ends one instance for a reason of this node's own. */
  async end(instance: string, graceMs: number): Promise<void> {
    const held = this.#held.get(instance)
    if (held === undefined || held.stopping) return
    const wasReady = held.isReady
    await this.#remove(held, graceMs)
    // A start that is under way answers for itself.
    if (wasReady) this.#options.onEnded(held, held.exit ?? EXIT_TERMINATED)
  }

  /** Ends all, those included that are starting or being stopped already, and resolves when nothing is left. */
  async endAll(graceMs: number): Promise<void> {
    const held = [...this.#held.values()]
    await Promise.all(held.map((one) => (one.stopping ? this.#remove(one, graceMs) : this.end(one.instance, graceMs))))
  }

  /** Stops one instance because its gateway says so; stopping what is gone does nothing. */
  async stop(instance: string, graceMs: number): Promise<void> {
    const held = this.#held.get(instance)
    if (held !== undefined) await this.#remove(held, graceMs)
  }

  get(instance: string): HeldInstance | undefined {
    return this.#held.get(instance)
  }

  /** Joins a gateway's connection to an instance, both ways, and counts what passes. */
  async bind(instance: string, socket: Duplex, head: Buffer): Promise<void> {
    const held = this.#held.get(instance)
    if (held?.runtime === undefined || held.stopping) return void socket.destroy()
    socket.on('error', () => socket.destroy())
    try {
      const inside = await connectInstance(held.runtime.socketPath)
      if (held.stopping || socket.destroyed) {
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
    const held: Held = {...origin, memoryBytes, cpuMillis, ...unstarted()}
    this.#held.set(origin.instance, held)
    return held
  }

  async #spec(held: Held, revision: RevisionEntry, imageDigest: string): Promise<InstanceSpec> {
    const {spec} = revision
    if (spec.egress.length > 0) held.egress = await this.#options.openEgress(this.#egressPath(held.instance), spec.egress)
    const {instance, gateway, lease, memoryBytes, cpuMillis} = held
    return {
      id: instance,
      imageDigest,
      argv: spec.command,
      env: spec.env,
      port: spec.port,
      limits: {memoryBytes, cpuMillis, pidsMax: PIDS_MAX, scratchBytes: SCRATCH_BYTES, logBytes: LOG_BYTES},
      ...(held.egress === undefined ? {} : {egressSocketPath: this.#egressPath(instance)}),
      labels: {gateway, lease, revision: revision.id}
    }
  }

  /** A directory for each instance, so that the directory can be mounted and a later process can put a new socket in it. */
  #egressPath(instance: string): string {
    const short = createHash('sha256').update(instance).digest('hex').slice(0, 12)
    return join(this.#options.egressDirectory, short, 'proxy')
  }

  #watch(held: Held, runtime: RuntimeInstance): void {
    const {instance, gateway, revision, memoryBytes} = held
    const {meter, logs, now, log, onEnded} = this.#options
    meter.instanceStarted({instance, gateway, revision, memoryBytes})
    logs.follow(runtime.logs({follow: true}, held.logs.signal), {revision, instance, now})
    const gone = async (exit: InstanceExit): Promise<void> => {
      if (held.stopping) return
      held.exit = exit
      const wasReady = held.isReady
      log.info({instance, ...exit}, 'an instance ended by itself')
      await this.#remove(held, 0)
      if (wasReady) onEnded(held, exit)
    }
    void runtime.exited
      .then(gone)
      .catch((error: unknown) => log.warn({instance, error: String(error)}, 'the end of an instance was missed'))
  }

  /** Tries again to remove what could not be removed. */
  async sweep(): Promise<void> {
    for (const held of this.#held.values()) if (held.stopping && held.removal === undefined) await this.#remove(held, 0)
  }

  async #remove(held: Held, graceMs: number): Promise<void> {
    held.stopping = true
    held.removal ??= this.#removeOnce(held, graceMs).catch((error: unknown) => {
      held.removal = undefined
      this.#options.log.warn({instance: held.instance, error: String(error)}, 'an instance could not be removed; it is tried again')
    })
    await held.removal
  }

  async #removeOnce(held: Held, graceMs: number): Promise<void> {
    held.calledOff.abort(new CreoError('interrupted', 'The start was called off.'))
    await held.starting
    await held.runtime?.stop({graceMs}, AbortSignal.timeout(STOP_TIMEOUT_MS + graceMs))
    this.#options.meter.instanceEnded(held.instance)
    for (const connection of held.connections) connection.cut()
    held.logs.abort()
    await held.egress?.close()
    this.#endedEgressBytes += egressBytesOf(held.egress)
    this.#held.delete(held.instance)
  }
}

function egressBytesOf(egress: EgressProxy | undefined): number {
  return egress === undefined ? 0 : egress.bytesIn + egress.bytesOut
}

function unstarted(): Omit<Held, keyof HeldInstance> {
  return {
    runtime: undefined,
    egress: undefined,
    isReady: false,
    exit: undefined,
    stopping: false,
    starting: Promise.resolve(),
    calledOff: new AbortController(),
    removal: undefined,
    connections: new Set(),
    logs: new AbortController()
  }
}

function ignore(): void {}

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
