import {mkdir} from 'node:fs/promises'
import type {
  ContainerInstance,
  ContainerRuntime,
  ImageLayout,
  InstanceSpec,
  InstanceTier,
  ProcessLimits,
  RuntimeInstance,
  RuntimeProbe,
  RuntimeTools,
  WaitingTier
} from 'creo/runtime'
import {containerName, containerSpec, ID_LABEL, LABELS_LABEL} from './container-spec.ts'
import {detectHost, type Host, heldTiers} from './host.ts'
import {ImageStore, type PreparedImage} from './image-store.ts'
import {clearAway, layOut, type Places} from './places.ts'
import {Podman} from './podman.ts'
import type {ListedContainer} from './podman-api.ts'
import {controlGroupName, PodmanContainer} from './podman-container.ts'
import {SocketDirectories} from './socket-directory.ts'

const MAJOR_MIN = 4
/** podman's words for a container that it was told to stop or remove. */
const HALF_REMOVED = ['stopping', 'removing']
/** A create or start that was begun is waited for, so that it can be undone. */
const COMMAND_TIMEOUT_MS = 60_000

/** What is known of an instance when it is first met. */
interface Adopted {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  readonly tier: InstanceTier
  readonly isPaused?: boolean
  readonly isHalfRemoved?: boolean
  readonly isWhole?: boolean
}

/** What making an instance needs once its id is claimed. */
interface Claimed {
  readonly spec: InstanceSpec
  readonly tier: WaitingTier | 'running'
  readonly image: PreparedImage
  readonly limits: ProcessLimits
  readonly signal: AbortSignal
}

/** @throws {CreoError} `runtime_missing` when podman or what it needs is not installed. */
export async function createPodmanRuntime(tools: RuntimeTools): Promise<ContainerRuntime> {
  await mkdir(tools.stateDirectory, {recursive: true, mode: 0o711})
  const host = await detectHost(tools)
  return new PodmanRuntime(tools, host, await layOut(tools, host))
}

/** Containers by podman: its REST API carries everything but the import of images, and its command line where the API can't. */
class PodmanRuntime implements ContainerRuntime {
  readonly name = 'podman'
  readonly #tools: RuntimeTools
  readonly #host: Host
  readonly #places: Places
  readonly #podman: Podman
  readonly #images: ImageStore
  readonly #directories: SocketDirectories
  readonly #instances = new Map<string, ContainerInstance>()
  /** Ids between their claim and their first moment in `#instances`: not leftovers. */
  readonly #starting = new Set<string>()

  constructor(tools: RuntimeTools, host: Host, places: Places) {
    this.#tools = tools
    this.#host = host
    this.#places = places
    this.#podman = new Podman(tools, host, places)
    this.#images = new ImageStore(tools, places, this.#podman, host)
    this.#directories = new SocketDirectories(tools, host, places, this.#podman.commands)
  }

  async probe(signal: AbortSignal): Promise<RuntimeProbe> {
    const version = await this.#podman.ask((api) => api.version(signal))
    const tooOld = Number(version.split('.')[0]) < MAJOR_MIN ? [`podman ${version} is too old: install version ${MAJOR_MIN} or later.`] : []
    return {
      name: this.name,
      version,
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      enforcesLimits: this.#host.enforcesLimits && tooOld.length === 0,
      problems: [...this.#host.problems, ...tooOld, ...this.#podman.problems],
      tiers: heldTiers(this.#host)
    }
  }

  prepare(image: ImageLayout, signal: AbortSignal): Promise<void> {
    return this.#images.prepare(image, signal)
  }

  prune(keep: readonly string[], signal: AbortSignal): Promise<void> {
    return this.#images.prune(keep, signal)
  }

  start(spec: InstanceSpec, signal: AbortSignal): Promise<RuntimeInstance> {
    return this.#make(spec, 'running', signal)
  }

  create(spec: InstanceSpec, tier: WaitingTier, signal: AbortSignal): Promise<RuntimeInstance> {
    return this.#make(spec, tier, signal)
  }

  async #make(spec: InstanceSpec, tier: WaitingTier | 'running', signal: AbortSignal): Promise<RuntimeInstance> {
    this.#check(spec)
    const image = await this.#images.find(spec.imageDigest)
    const limits = await this.#podman.limits()
    if (signal.aborted) throw this.#podman.commands.aborted(signal)
    if (this.#starting.has(spec.id)) throw this.#directories.taken(spec.id)
    // Before anything of it is there, so that a list meanwhile does not take it for a leftover.
    this.#starting.add(spec.id)
    try {
      await this.#directories.claim(spec.id)
      return await this.#makeClaimed({spec, tier, image, limits, signal})
    } finally {
      this.#starting.delete(spec.id)
    }
  }

  async #makeClaimed({spec, tier, image, limits, signal}: Claimed): Promise<RuntimeInstance> {
    try {
      await this.#bring(
        spec.id,
        tier,
        containerSpec({
          spec,
          plan: this.#tools.sandbox.plan(spec),
          image,
          host: this.#host,
          limits,
          initPath: this.#places.initPath,
          socketDirectory: this.#directories.path(spec.id),
          logPath: this.#directories.logPath(spec.id),
          sandbox: this.#tools.sandbox
        }),
        signal
      )
      return this.#adopt({id: spec.id, labels: spec.labels, tier, isWhole: true})
    } catch (error) {
      const half = this.#adopt({id: spec.id, labels: spec.labels, tier: 'running'})
      const isClosed = () => this.#podman.closed
      const {sandbox, log} = this.#tools
      await half.remove().catch((failure: unknown) => sandbox.removeLater({instance: half, failure, isClosed, log}))
      throw error
    }
  }

  async list(signal: AbortSignal): Promise<readonly RuntimeInstance[]> {
    const found = new Map<string, RuntimeInstance>()
    for (const container of await this.#podman.ask((api) => api.list(signal))) {
      const id = container.Labels?.[ID_LABEL]
      if (id === undefined || this.#starting.has(id)) continue
      const labels = JSON.parse(container.Labels?.[LABELS_LABEL] ?? '{}') as Record<string, string>
      const tier = tierOf(container.State)
      const [isPaused, isHalfRemoved] = [tier === 'frozen', HALF_REMOVED.includes(container.State)]
      found.set(id, this.#adopt({id, labels, tier: (await this.#isFrozen(container)) ? 'frozen' : tier, isPaused, isHalfRemoved}))
    }
    for (const id of await this.#directories.ids()) {
      if (!found.has(id) && !this.#starting.has(id)) found.set(id, this.#adopt({id, labels: {}, tier: 'running'}))
    }
    return [...found.values()]
  }

  /** podman does not know of those that were frozen by the kernel's own file. */
  async #isFrozen({Id, Pid, State}: ListedContainer): Promise<boolean> {
    if (State !== 'running') return false
    const {sandbox} = this.#tools
    const group = await sandbox.findControlGroup({pid: Pid, name: controlGroupName(Id)})
    return group !== undefined && sandbox.isFrozen(group)
  }

  async close(): Promise<void> {
    await this.#podman.close()
    await clearAway(this.#tools, this.#places)
  }

  /** Both halves are waited for also when one fails or the caller gives up: what was made can then be undone for certain. */
  async #bring(id: string, tier: WaitingTier | 'running', body: Record<string, unknown>, signal: AbortSignal): Promise<void> {
    const patience = AbortSignal.timeout(COMMAND_TIMEOUT_MS)
    const outcomes = await Promise.allSettled([
      this.#podman.ask((api) => api.create(body, patience)),
      this.#directories.mount(id, patience)
    ])
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    if (signal.aborted) throw this.#podman.commands.aborted(signal)
    if (tier === 'created') return
    const action = tier === 'running' ? 'start' : 'init'
    await this.#podman.ask((api) => api.act(action, containerName(id), patience))
    if (signal.aborted) throw this.#podman.commands.aborted(signal)
  }

  #adopt({id, labels, tier, isPaused = false, isHalfRemoved = false, isWhole = false}: Adopted): ContainerInstance {
    const known = this.#instances.get(id)
    if (known) return known
    const hasRun = tier === 'running' || tier === 'frozen'
    const parts = {id, labels, hasRun, isHalfRemoved, isWhole, tools: this.#tools, podman: this.#podman, directories: this.#directories}
    const container = new PodmanContainer({...parts, onRemoved: () => this.#instances.delete(id)})
    const instance = this.#tools.sandbox.instance(container, {tier, isPaused})
    this.#instances.set(id, instance)
    return instance
  }

  #check(spec: InstanceSpec): void {
    this.#tools.sandbox.checkSpec(spec)
    if (this.#host.rootful && !this.#host.idRange)
      throw new this.#tools.CreoError('invalid_input', 'This machine has no ids free for containers.', {hint: this.#host.problems[0] ?? ''})
  }
}

/** podman's word for a container. One that has ended waits for nothing. */
function tierOf(state: string): InstanceTier {
  if (state === 'paused') return 'frozen'
  if (state === 'initialized') return 'initialised'
  return state === 'created' || state === 'configured' ? 'created' : 'running'
}
