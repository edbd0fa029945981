import type {Duplex} from 'node:stream'
import {capExceeded} from '../core/availability.ts'
import {CreoError} from '../core/errors.ts'
import {failureOf, failureWords} from '../core/instance-failure.ts'
import type {InstanceFailure} from '../core/protocol/api.ts'
import type {RevisionEntry} from '../core/protocol/tables.ts'
import type {RestTier} from '../core/readiness.ts'
import type {InstanceExit, RuntimeInstance} from '../runtime/port.ts'
import {accepting} from './await-health.ts'
import {type ContainerHolder, type ContainerMaking, type ContainerSurroundings, HeldContainer, NOBODY} from './held-container.ts'
import {InstanceConnections, type InstanceConnectionsOptions} from './instance-connections.ts'
import type {InstanceNames} from './instance-names.ts'
import type {Resting} from './resting.ts'
import {noRoom, type StartOutcome, startFailure, stoppedWhileStarting} from './start-failure.ts'

const INSTANCES_MAX = 1000
const START_TIMEOUT_MS = 60_000
/** Its owner is told when an instance does not listen by then. */
const START_USUAL_MS = 10_000
const ADOPT_TIMEOUT_MS = 5000
/** A container that waited and does not run by then is given up, and another one started. */
const WAKE_TIMEOUT_MS = 5000
const STATS_TIMEOUT_MS = 2000
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
  readonly port: number
}

export interface InstanceLimitsOfHost {
  readonly memoryBytes: number
  readonly cpuMillis: number
}

export interface InstancesOptions extends ContainerSurroundings, InstanceConnectionsOptions {
  readonly resting: Resting
  readonly names: InstanceNames
  /** May change while instances run. */
  readonly limits: () => InstanceLimitsOfHost
  /** An instance ended, and its gateway did not ask for that. */
  readonly onEnded: (origin: InstanceOrigin, exit: InstanceExit) => void
  /** An instance did not start, ended by itself, or takes long; `words` are for the function's owner. */
  readonly onFailure: (of: Pick<InstanceOrigin, 'instance' | 'revision'>, failure: InstanceFailure, words: string) => void
  /** How long an instance may take until it listens, and when that is said; a test has its own. */
  readonly startTimes?: {readonly timeoutMs: number; readonly usualMs: number}
  readonly signal: AbortSignal
}

interface Held extends HeldInstance {
  container: HeldContainer
  /** The tier that the container waited at until it was asked for. */
  readonly from: RestTier
  isReady: boolean
}

/** The instances that run on this node, with what they cost, from `start` or adoption until they are gone. */
export class Instances {
  readonly #options: InstancesOptions
  readonly #held = new Map<string, Held>()
  /** By revision: an instance that is about to rest, once it is known whether it does. */
  readonly #leaving = new Map<string, Promise<void>>()
  readonly connections: InstanceConnections
  #endedWaysOutBytes = 0

  constructor(options: InstancesOptions) {
    this.#options = options
    this.connections = new InstanceConnections(options)
  }

  /** Those that are started and not asked to stop. */
  get all(): readonly HeldInstance[] {
    return [...this.#held.values()].filter((held) => held.isReady && !held.container.isStopping)
  }

  /** The same, with those that are starting. */
  get live(): readonly HeldInstance[] {
    return [...this.#held.values()].filter(({container}) => !container.isStopping)
  }

  /** How many run, and of each revision. */
  get described(): {readonly instances: number; readonly running: {readonly revision: string; readonly instances: number}[]} {
    const {all} = this
    const running = [...Map.groupBy(all, (held) => held.revision)].map(([revision, of]) => ({revision, instances: of.length}))
    return {instances: all.length, running}
  }

  /** How many containers there are, in whatever state. */
  get count(): number {
    return this.#held.size + this.#options.resting.count
  }

  /** Memory that all may use that run, start or end. */
  get memoryBytes(): number {
    return [...this.#held.values()].reduce((sum, {memoryBytes}) => sum + memoryBytes, 0)
  }

  /** How many of each revision. */
  get running(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const {revision} of this.#held.values()) counts.set(revision, (counts.get(revision) ?? 0) + 1)
    return counts
  }

  /** Bytes that instances sent and received by their ways out since the start. */
  get waysOutBytes(): number {
    return [...this.#held.values()].reduce(
      (sum, {container}) => sum + container.waysOutBytes,
      this.#endedWaysOutBytes + this.#options.resting.waysOutBytes
    )
  }

  /** CPU time that containers have used, in microseconds; what can't be asked counts nothing. */
  async cpuMicros(signal: AbortSignal): Promise<number> {
    const containers = [...[...this.#held.values()].map(({container}) => container), ...this.#options.resting.containers]
    const asked = containers.map(({runtime}) => runtime?.stats(signal).catch(() => undefined))
    return (await Promise.all(asked)).reduce((sum, stats) => sum + (stats?.cpuMicros ?? 0), 0)
  }

  /** Starts one instance of a prepared image, from the container that waits for it if there is one, and waits until it accepts connections. */
  async start(origin: InstanceOrigin, revision: RevisionEntry, imageDigest: string): Promise<StartOutcome> {
    const {timeoutMs, usualMs} = this.#options.startTimes ?? {timeoutMs: START_TIMEOUT_MS, usualMs: START_USUAL_MS}
    const timely = AbortSignal.any([this.#options.signal, AbortSignal.timeout(timeoutMs)])
    let held: Held | undefined
    const late = setTimeout(() => this.#tellLate(held, revision.spec.health), usualMs)
    try {
      await this.#leaving.get(revision.id)
      const claimed = this.#claim(origin, revision)
      const waiting = this.#options.resting.take(revision.id)
      held = this.#hold(claimed, waiting?.container ?? this.#newContainer(origin.instance), waiting?.tier)
      if (!(await this.#options.resting.fit())) throw noRoom()
      const from = (await this.#wake(held, revision, timely)) ?? (await this.#startAnew(held, revision, {imageDigest, signal: timely}))
      if (held.container.isStopping) return await stoppedWhileStarting(held.container)
      held.isReady = true
      const {gateway, lease, instance} = origin
      if (from !== 'pulled') this.#options.names.set(held.container.id, {instance, gateway, lease})
      return {status: 'started', from}
    } catch (error) {
      const container = held?.container
      if (container?.isStopping && container.exit === undefined) return await stoppedWhileStarting(container)
      const hasRun = container?.runtime !== undefined
      await container?.remove(0)
      const failed = startFailure(error, {exit: container?.exit, timeoutMs, signal: timely})
      const failure = failureOf({...failed, exitCode: container?.exit?.exitCode, hasRun})
      if (failure !== undefined) this.#tell({...origin, port: revision.spec.port}, failure, failed.message)
      return failed
    } finally {
      clearTimeout(late)
    }
  }

  #tellLate(held: Held | undefined, health: string | undefined): void {
    const container = held?.container
    if (held === undefined || held.isReady || container?.runtime === undefined || container.exit !== undefined) return
    this.#tell(held, {reason: health === undefined ? 'not_listening_yet' : 'not_healthy_yet'}, '')
  }

  #tell(of: Pick<HeldInstance, 'instance' | 'revision' | 'port'>, failure: InstanceFailure, message: string): void {
    this.#options.onFailure(of, failure, failureWords(failure, of.port) ?? message)
  }

  /** Answers the tier that it waited at, or undefined when nothing waited that still can run. */
  async #wake(held: Held, entry: RevisionEntry, signal: AbortSignal): Promise<RestTier | undefined> {
    const {container, from, revision, memoryBytes, instance} = held
    if (from === 'pulled') return undefined
    try {
      this.#watch(held, await container.wake(AbortSignal.any([signal, AbortSignal.timeout(WAKE_TIMEOUT_MS)])))
    } catch (error) {
      if (container.isStopping || signal.aborted) throw error
      this.#options.log.info({instance, from, error: String(error)}, 'what waited does not run; another is started')
      held.container = this.#newContainer(instance)
      held.container.hold(this.#holder(held))
      await this.#options.resting.discard(container, {revision, memoryBytes})
      if (!(await this.#options.resting.fit())) throw noRoom()
      return undefined
    }
    const {runtime} = container
    // What was frozen has answered before.
    if (runtime !== undefined) await (from === 'frozen' ? runtime.ready(signal) : accepting(runtime, entry, signal))
    return from
  }

  async #startAnew(held: Held, revision: RevisionEntry, making: Omit<ContainerMaking, 'labels'>): Promise<RestTier> {
    const {container, gateway, lease} = held
    if (container.isStopping) return 'pulled'
    const runtime = await container.start(revision, {...making, labels: {gateway, lease}})
    if (container.isStopping) return 'pulled'
    this.#watch(held, runtime)
    await accepting(runtime, revision, making.signal)
    return 'pulled'
  }

  /** Takes over an instance of an earlier process, with new ways out. One that does not answer any more is removed. */
  async adopt(runtime: RuntimeInstance, origin: InstanceOrigin, revision: RevisionEntry): Promise<'adopted' | 'removed'> {
    let held: Held | undefined
    try {
      held = this.#hold(this.#claim(origin, revision), this.#newContainer(runtime.id))
      held.container.adopt(runtime)
      await held.container.openWaysOut(revision)
      this.#watch(held, runtime)
      await accepting(runtime, revision, AbortSignal.any([this.#options.signal, AbortSignal.timeout(ADOPT_TIMEOUT_MS)]))
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
    const of = {instance: runtime.id, gateway, lease, revision, memoryBytes: 0, cpuMillis: 0, port: 0}
    const {container} = this.#hold(of, this.#newContainer(runtime.id))
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
    const ended = held.map(({container, instance}) => (container.isStopping ? container.remove(graceMs) : this.end(instance, graceMs)))
    await Promise.all([...ended, this.#options.resting.endAll()])
  }

  /** Stops one instance because its gateway says so; stopping what is gone does nothing. */
  async stop(instance: string, graceMs: number): Promise<void> {
    await this.#held.get(instance)?.container.remove(graceMs)
  }

  /** Its gateway needs one instance no more, and may want another one of the revision: the container waits if that is worth its memory, or is stopped. */
  async rest(instance: string, graceMs: number): Promise<void> {
    const held = this.#held.get(instance)
    if (held === undefined) return
    const {container, revision} = held
    const leaving = this.#letRest(held)
    const known = leaving.then(() => undefined)
    this.#leaving.set(revision, known)
    const rests = await leaving
    if (this.#leaving.get(revision) === known) this.#leaving.delete(revision)
    if (rests) await this.#options.resting.freeze(container, graceMs)
    else if (this.#held.get(instance) === held) await container.remove(graceMs)
  }

  async #letRest(held: Held): Promise<boolean> {
    const {container, instance, isReady} = held
    const bytes = isReady ? await container.memoryBytes(AbortSignal.timeout(STATS_TIMEOUT_MS)).catch(() => undefined) : undefined
    // It may have ended, or rest already, meanwhile.
    if (bytes === undefined || this.#held.get(instance) !== held || container.isStopping || container.exit !== undefined) return false
    if (!this.#options.resting.accept(container, held, bytes)) return false
    this.#release(held)
    return true
  }

  get(instance: string): HeldInstance | undefined {
    return this.#held.get(instance)
  }

  /** Joins a gateway's connection to an instance, or cuts it. */
  async bind(instance: string, socket: Duplex, head: Buffer): Promise<void> {
    const held = this.#held.get(instance)
    const socketPath = held?.container.runtime?.socketPath
    const isReachable = (): boolean => held !== undefined && this.#held.get(instance) === held && !held.container.isStopping
    if (socketPath === undefined || !isReachable()) return void socket.destroy()
    await this.connections.join({instance, socketPath, isReachable}, socket, head)
  }

  #claim(origin: InstanceOrigin, revision: RevisionEntry): HeldInstance {
    const {memoryBytes, cpuMillis, port} = revision.spec
    if (this.#held.has(origin.instance)) throw new CreoError('conflict', `The instance ${origin.instance} is there already.`)
    const all = [...this.#held.values(), {memoryBytes, cpuMillis}]
    if (all.length > INSTANCES_MAX || capExceeded(this.#options.limits(), all) !== undefined) throw noRoom()
    return {...origin, memoryBytes, cpuMillis, port}
  }

  #newContainer(id: string): HeldContainer {
    return new HeldContainer(id, this.#options, NOBODY)
  }

  #hold(of: HeldInstance, container: HeldContainer, from: RestTier = 'pulled'): Held {
    const held: Held = {...of, container, from, isReady: false}
    container.hold(this.#holder(held))
    this.#held.set(of.instance, held)
    return held
  }

  #holder(held: Held): ContainerHolder {
    const {instance, gateway, lease} = held
    return {caller: {instance, gateway, lease}, onExit: () => void this.#exited(held), onGone: () => this.#forget(held)}
  }

  #watch(held: Held, runtime: RuntimeInstance): void {
    this.#options.meter.instanceStarted(held)
    held.container.watch(runtime, held.revision)
  }

  async #exited(held: Held): Promise<void> {
    const {isReady, container} = held
    await container.remove(0)
    if (!isReady || container.exit === undefined) return
    const {exit} = container
    this.#tell(held, {reason: exit.oom ? 'out_of_memory' : 'crash', exitCode: exit.exitCode, served: true}, '')
    this.#options.onEnded(held, exit)
  }

  /** Tries again to remove what could not be removed. */
  async sweep(): Promise<void> {
    for (const {container} of this.#held.values()) if (container.isLeftOver) await container.remove(0)
  }

  #forget(held: Held): void {
    this.#endedWaysOutBytes += held.container.waysOutBytes
    this.#release(held)
  }

  /** From here on it is no gateway's: nothing of it is measured or reached. */
  #release(held: Held): void {
    this.#options.meter.instanceEnded(held.instance)
    this.connections.cut(held.instance)
    this.#options.names.forget(held.container.id)
    this.#held.delete(held.instance)
  }
}
