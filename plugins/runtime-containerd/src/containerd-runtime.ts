import {mkdir} from 'node:fs/promises'
import type {
  ContainerInstance,
  ContainerRuntime,
  HeldTier,
  ImageLayout,
  InstanceSpec,
  InstanceTier,
  RuntimeInstance,
  RuntimeProbe,
  RuntimeTools,
  WaitingTier
} from 'creo/runtime'
import {ContainerdContainer} from './containerd-container.ts'
import {ContainerdService} from './containerd-service.ts'
import {removeGroup} from './control-group-files.ts'
import {ExitEvents} from './exit-events.ts'
import {detectHost, type Host} from './host.ts'
import {ImageStore} from './image-store.ts'
import {InstanceFiles, type WaitingRecord} from './instance-files.ts'
import {ociSpec} from './oci-spec.ts'
import {clearAway, layOut, type Places} from './places.ts'

const VERSION_MIN = [1, 6] as const
/** A start that was begun is waited for, so that it can be undone. */
const START_TIMEOUT_MS = 60_000
const EXIT_UNKNOWN = 137
const MIB = 2 ** 20
/** ctr has no word for a container whose process is not started, so nothing is `initialised`. A frozen one keeps its shim, whose PSS that is. */
const HELD_TIERS: readonly HeldTier[] = [
  {tier: 'frozen', heldBytes: 10 * MIB},
  {tier: 'created', heldBytes: MIB / 16}
]

/** One instance, and what containerd does for it. */
interface Known {
  readonly container: ContainerdContainer
  readonly instance: ContainerInstance
}

/** @throws {CreoError} `runtime_missing` when containerd or what it needs is not installed, or this is not root. */
export async function createContainerdRuntime(tools: RuntimeTools): Promise<ContainerRuntime> {
  await mkdir(tools.stateDirectory, {recursive: true, mode: 0o711})
  const host = await detectHost(tools)
  return new ContainerdRuntime(tools, host, await layOut(tools))
}

/** Containers by a containerd of our own, which is told what to do by its command line, ctr. */
class ContainerdRuntime implements ContainerRuntime {
  readonly name = 'containerd'
  readonly #tools: RuntimeTools
  readonly #host: Host
  readonly #places: Places
  readonly #service: ContainerdService
  readonly #images: ImageStore
  readonly #files: InstanceFiles
  readonly #events: ExitEvents
  readonly #instances = new Map<string, Known>()
  /** Ids between their claim and their first moment in `#instances`: not leftovers. */
  readonly #starting = new Set<string>()

  constructor(tools: RuntimeTools, host: Host, places: Places) {
    this.#tools = tools
    this.#host = host
    this.#places = places
    const service = new ContainerdService(tools, host, places)
    this.#service = service
    this.#images = new ImageStore(tools, host, places, service)
    this.#files = new InstanceFiles(tools, host, places, service)
    const listener = {
      onExit: (id: string, exitCode: number) => this.#settle(id, exitCode),
      onReconnected: async () => {
        await this.list(AbortSignal.timeout(START_TIMEOUT_MS))
      }
    }
    this.#events = new ExitEvents({tools, host, service, listener})
  }

  async probe(signal: AbortSignal): Promise<RuntimeProbe> {
    const printed = await this.#service.run(['version'], signal)
    const version = /Server:\s+Version:\s+(\S+)/.exec(printed)?.[1] ?? ''
    const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
    const isOld = major < VERSION_MIN[0] || (major === VERSION_MIN[0] && minor < VERSION_MIN[1])
    const tooOld = isOld ? [`containerd ${version} is too old: install version ${VERSION_MIN.join('.')} or later.`] : []
    const problems = [...this.#host.problems, ...tooOld]
    const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
    return {name: this.name, version, architecture, enforcesLimits: problems.length === 0, problems, tiers: HELD_TIERS}
  }

  prepare(image: ImageLayout, signal: AbortSignal): Promise<void> {
    return this.#images.prepare(image, signal)
  }

  async prune(keep: readonly string[], signal: AbortSignal): Promise<void> {
    const used = new Set<string>()
    for (const id of await this.#files.ids()) {
      const record = await this.#files.record(id)
      if (record) used.add(record.imageDigest)
    }
    await this.#images.prune(keep, used, signal)
  }

  async start(spec: InstanceSpec, signal: AbortSignal): Promise<RuntimeInstance> {
    return this.#make(spec, 'running', signal)
  }

  async create(spec: InstanceSpec, tier: WaitingTier, signal: AbortSignal): Promise<RuntimeInstance> {
    if (tier === 'initialised')
      throw new this.#tools.CreoError('invalid_input', 'containerd holds nothing initialised.', {hint: 'Use the tier created.'})
    return this.#make(spec, tier, signal)
  }

  async #make(spec: InstanceSpec, tier: 'created' | 'running', signal: AbortSignal): Promise<RuntimeInstance> {
    this.#check(spec)
    if (this.#starting.has(spec.id)) throw this.#files.taken(spec.id)
    // Before anything of it is there, so that a list meanwhile does not take it for a leftover.
    this.#starting.add(spec.id)
    try {
      await this.#images.find(spec.imageDigest)
      if (signal.aborted) throw this.#service.aborted(signal)
      await this.#events.open()
      await this.#files.claim(spec)
      return await this.#makeClaimed(spec, tier, signal)
    } finally {
      this.#starting.delete(spec.id)
    }
  }

  async list(signal: AbortSignal): Promise<readonly RuntimeInstance[]> {
    await this.#events.open()
    // What is whole now has a task among those that are asked for next, unless it waits.
    const waiting = new Map<string, boolean>()
    for (const id of await this.#files.ids()) {
      if (!this.#starting.has(id))
        waiting.set(id, this.#instances.get(id)?.instance.isStarting || (await this.#files.waiting(id)) !== undefined)
    }
    const states = await this.#states(signal)
    const found: RuntimeInstance[] = []
    for (const [id, isWaiting] of waiting) {
      const state = states.get(id)
      const record = await this.#files.record(id)
      const known = this.#adopt(id, record?.labels ?? {}, isWaiting ? 'created' : await this.#tierOf(id, state))
      if (!isWaiting && (state === undefined || state === 'STOPPED')) await this.#learnExit(known.container, state, signal)
      found.push(known.instance)
    }
    return found
  }

  async close(): Promise<void> {
    await this.#events.close()
    await this.#service.close()
    if (await clearAway(this.#tools, this.#places)) await removeGroup(this.#host.controlGroups.version, this.#places.controlGroup)
  }

  async #makeClaimed(spec: InstanceSpec, tier: 'created' | 'running', signal: AbortSignal): Promise<RuntimeInstance> {
    // Known from the first moment: it may have ended before ctr has said that it started.
    const {container, instance} = this.#adopt(spec.id, spec.labels, tier)
    try {
      const waiting = await this.#lay(spec)
      if (signal.aborted) throw this.#service.aborted(signal)
      if (tier === 'created') await this.#files.writeWaiting(spec.id, waiting)
      else await this.#launch(spec.id, waiting, signal)
      container.markWhole()
      return instance
    } catch (error) {
      const isClosed = () => this.#service.closed
      const {sandbox, log} = this.#tools
      await instance.remove().catch((failure: unknown) => sandbox.removeLater({instance, failure, isClosed, log}))
      throw error
    }
  }

  /** Everything that containerd is told of when it shall run. Not cut off in the middle, so that what was made can be undone for certain. */
  async #lay(spec: InstanceSpec): Promise<WaitingRecord> {
    const patience = AbortSignal.timeout(START_TIMEOUT_MS)
    const image = await this.#images.find(spec.imageDigest)
    const [rootPath] = await Promise.all([this.#images.mount(image, patience), this.#files.mount(spec.id, patience)])
    const {sandbox} = this.#tools
    const {initPath, controlGroup} = this.#places
    const socketDirectory = this.#files.socketDirectory(spec.id)
    const parts = {spec, plan: sandbox.plan(spec), image, host: this.#host, sandbox, rootPath, initPath, socketDirectory, controlGroup}
    return {specPath: await this.#files.writeSpec(spec.id, await ociSpec(parts)), logBytes: spec.limits.logBytes}
  }

  async #launch(id: string, {specPath, logBytes}: WaitingRecord, signal: AbortSignal): Promise<void> {
    const log = ['--log-uri', this.#files.logUri(id, logBytes)]
    const runc = ['--runc-binary', this.#host.runcPath, '--runc-root', this.#places.runcState]
    await this.#service.run(['run', '--detach', ...runc, '--config', specPath, ...log, id], AbortSignal.timeout(START_TIMEOUT_MS))
    if (signal.aborted) throw this.#service.aborted(signal)
  }

  async #runWaiting(id: string, signal: AbortSignal): Promise<void> {
    const waiting = await this.#files.waiting(id)
    if (waiting === undefined) throw this.#service.failure(`${id} was not made to its end.`)
    await this.#files.dropWaiting(id)
    await this.#launch(id, waiting, signal)
  }

  /** Of one that ended unseen. Asking containerd takes its answer away, so the instance keeps it on disk. */
  async #learnExit(container: ContainerdContainer, state: string | undefined, signal: AbortSignal): Promise<void> {
    const kept = await this.#files.exit(container.id)
    if (kept || state === undefined) return container.settle(kept?.exitCode ?? EXIT_UNKNOWN)
    await container.settle((await this.#service.removeTask(container.id, {force: false}, signal)) ?? EXIT_UNKNOWN)
  }

  /** containerd's word for each task: RUNNING, PAUSED, STOPPED, CREATED. */
  async #states(signal: AbortSignal): Promise<Map<string, string>> {
    const printed = await this.#service.run(['tasks', 'ls'], signal)
    const rows = printed.split('\n').slice(1)
    return new Map(rows.map((row) => row.trim().split(/\s+/)).flatMap(([id, , state]) => (id && state ? [[id, state] as const] : [])))
  }

  #settle(id: string, exitCode: number): void {
    this.#instances
      .get(id)
      ?.container.settle(exitCode)
      .catch((error: unknown) =>
        this.#tools.log('error', 'the end of an instance was not understood', {instance: id, error: String(error)})
      )
  }

  /** containerd does not know of those that were frozen by the kernel's own file. One that has ended, or never was, waits for nothing. */
  async #tierOf(id: string, state: string | undefined): Promise<InstanceTier> {
    const group = {version: this.#host.controlGroups.version, path: `${this.#places.controlGroup}/${id}`}
    return state === 'RUNNING' && (await this.#tools.sandbox.isFrozen(group)) ? 'frozen' : 'running'
  }

  #adopt(id: string, labels: Readonly<Record<string, string>>, tier: InstanceTier): Known {
    const there = this.#instances.get(id)
    if (there) return there
    const {controlGroup} = this.#places
    const parts = {id, labels, tools: this.#tools, host: this.#host, service: this.#service, files: this.#files, controlGroup}
    const launch = (signal: AbortSignal) => this.#runWaiting(id, signal)
    const container = new ContainerdContainer({...parts, launch, onRemoved: () => this.#instances.delete(id)})
    const known = {container, instance: this.#tools.sandbox.instance(container, {tier, isPaused: false})}
    this.#instances.set(id, known)
    return known
  }

  #check(spec: InstanceSpec): void {
    this.#tools.sandbox.checkSpec(spec)
    if (!this.#host.idRange)
      throw new this.#tools.CreoError('invalid_input', 'This machine has no ids free for containers.', {hint: this.#host.problems[0] ?? ''})
  }
}
