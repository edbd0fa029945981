import {setTimeout as delay} from 'node:timers/promises'
import type {ContainerDriver, ControlGroup, InstanceExit, InstanceStats, RuntimeTools} from 'creo/runtime'
import {containerName} from './container-spec.ts'
import {unwrapLines} from './log-lines.ts'
import type {Podman} from './podman.ts'
import type {ContainerAction} from './podman-api.ts'
import type {SocketDirectories} from './socket-directory.ts'

export interface ContainerParts {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  /** Its process is started, or was. */
  readonly hasRun: boolean
  /** Somebody was killed while removing it, so that podman never says how it ended. */
  readonly isHalfRemoved: boolean
  /** Made by this process, to its end: podman knows all that there is of it. */
  readonly isWhole: boolean
  readonly tools: RuntimeTools
  readonly podman: Podman
  readonly directories: SocketDirectories
  /** Called once it is stopped and removed. */
  readonly onRemoved: () => void
}

/** The service may die under a wait and is started again; between two attempts it gets this long. */
const WAIT_RETRY_MS = 200
const WAIT_RETRIES_MAX = 100_000
const REMOVE_ATTEMPTS = 40
const REMOVE_RETRY_MS = 50
/** What is told of a container that was removed before anyone could ask how it ended. */
const EXIT_UNKNOWN: InstanceExit = {exitCode: 137, oom: false}
const EXIT_KILLED = 137

/** One container: its podman name follows from its id, so nothing else must be remembered. */
export class PodmanContainer implements ContainerDriver {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  readonly socketPath: string
  readonly log: ContainerDriver['log']
  readonly exited: Promise<InstanceExit>
  readonly #parts: ContainerParts
  readonly #ended = Promise.withResolvers<InstanceExit>()
  #isWatched = false
  #isWhole: boolean
  #removed = false

  constructor(parts: ContainerParts) {
    this.id = parts.id
    this.labels = parts.labels
    this.socketPath = parts.directories.socketPath(parts.id)
    this.log = {path: parts.directories.logPath(parts.id), unwrap: unwrapLines}
    this.exited = this.#ended.promise
    this.#parts = parts
    this.#isWhole = parts.isWhole
    if (parts.isHalfRemoved) this.#ended.resolve(EXIT_UNKNOWN)
    else if (parts.hasRun) this.#watch()
  }

  async start(signal: AbortSignal): Promise<void> {
    const {isWhole} = this.#parts
    this.#isWhole = false
    await this.#act('start', signal)
    this.#isWhole = isWhole
    this.#watch()
  }

  async controlGroup(signal: AbortSignal): Promise<ControlGroup | undefined> {
    const {podman, tools} = this.#parts
    const found = await podman.ask((api) => api.inspect(this.#name, signal))
    return found && tools.sandbox.findControlGroup({pid: found.State.Pid, name: controlGroupName(found.Id)})
  }

  pause(signal: AbortSignal): Promise<void> {
    return this.#act('pause', signal)
  }

  unpause(signal: AbortSignal): Promise<void> {
    return this.#act('unpause', signal)
  }

  terminate(signal: AbortSignal): Promise<boolean> {
    return this.#parts.podman.ask((api) => api.terminate(this.#name, signal))
  }

  async remove(signal: AbortSignal): Promise<void> {
    const {directories, onRemoved} = this.#parts
    await this.#delete(signal)
    if (!this.#isWhole) await this.#parts.podman.commands.sweep(this.#name, signal)
    await directories.release(this.id, signal)
    this.#removed = true
    if (!this.#isWatched) this.#ended.resolve(EXIT_UNKNOWN)
    onRemoved()
  }

  async stats(signal: AbortSignal): Promise<InstanceStats> {
    const {cpuNanos, memoryBytes, pids} = await this.#parts.podman.ask((api) => api.stats(this.#name, signal))
    return {cpuMicros: Math.floor(cpuNanos / 1000), memoryBytes, pids}
  }

  /** podman's own clean-up after an exit and this removal may meet at a mount; the one that comes second then finds it busy. */
  async #delete(signal: AbortSignal): Promise<void> {
    const remove = () => this.#parts.podman.ask((api) => api.remove(this.#name, signal))
    for (let attempt = 1; attempt < REMOVE_ATTEMPTS; attempt++) {
      const isGone = await remove().then(
        () => true,
        (error: {code?: string}) => {
          if (error.code === 'failed' || error.code === 'conflict') return false
          throw error
        }
      )
      if (isGone) return
      await delay(REMOVE_RETRY_MS, undefined, {signal})
    }
    await remove()
  }

  get #name(): string {
    return containerName(this.id)
  }

  #act(action: ContainerAction, signal: AbortSignal): Promise<void> {
    return this.#parts.podman.ask((api) => api.act(action, this.#name, signal))
  }

  #watch(): void {
    this.#isWatched = true
    this.#untilExit().then(this.#ended.resolve, this.#ended.reject)
  }

  async #untilExit(): Promise<InstanceExit> {
    const {podman, tools} = this.#parts
    const signal = new AbortController().signal
    for (let attempt = 0; attempt < WAIT_RETRIES_MAX && !this.#removed && !podman.closed; attempt++) {
      try {
        await podman.ask((api) => api.wait(this.#name, signal))
        const exit = await this.#exit(signal)
        if (exit) return exit
      } catch (error) {
        if (podman.closed) break
        tools.log('debug', 'waiting for an instance was interrupted', {instance: this.id, error: String(error)})
      }
      await delay(WAIT_RETRY_MS, undefined, {ref: false})
    }
    if (this.#removed) return EXIT_UNKNOWN
    // Nobody will hear of it here any more: the instance outlives this runtime, and another one adopts it.
    return new Promise(() => undefined)
  }

  /** How it ended; undefined while it runs. */
  async #exit(signal: AbortSignal): Promise<InstanceExit | undefined> {
    const found = await this.#parts.podman.ask((api) => api.inspect(this.#name, signal))
    if (!found) return EXIT_UNKNOWN
    const {Status: status, ExitCode: exitCode} = found.State
    if (status !== 'exited' && status !== 'stopped') return undefined
    return {exitCode, oom: exitCode === EXIT_KILLED && (await this.#parts.directories.ranOutOfMemory(this.id))}
  }
}

/** What podman calls the control group of a container. */
export function controlGroupName(podmanId: string): string {
  return `libpod-${podmanId}`
}
