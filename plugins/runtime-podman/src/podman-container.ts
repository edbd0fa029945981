import {setTimeout as delay} from 'node:timers/promises'
import type {ContainerDriver, ControlGroup, InstanceExit, InstanceStats, RuntimeTools} from 'creo/runtime'
import {containerName} from './container-spec.ts'
import {unwrapLines} from './log-lines.ts'
import type {PodmanService} from './podman-service.ts'
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
  readonly service: PodmanService
  readonly directories: SocketDirectories
  /** Called once it is stopped and removed. */
  readonly onRemoved: () => void
}

/** How often podman's service looks whether a container has ended. */
const WAIT_INTERVAL = '100ms'
/** The service may die under a wait and is started again; between two attempts it gets this long. */
const WAIT_RETRY_MS = 200
const WAIT_RETRIES_MAX = 100_000
const REMOVE_ATTEMPTS = 40
const REMOVE_RETRY_MS = 50
/** What is told of a container that was removed before anyone could ask how it ended. */
const EXIT_UNKNOWN: InstanceExit = {exitCode: 137, oom: false}
const EXIT_KILLED = 137

/** What podman says of a container when it is asked about that one alone. */
interface Inspected {
  readonly Id: string
  readonly State: {readonly Status: string; readonly ExitCode: number; readonly Pid: number}
}

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
    await this.#post('start', signal, 'Starting')
    this.#isWhole = isWhole
    this.#watch()
  }

  async controlGroup(signal: AbortSignal): Promise<ControlGroup | undefined> {
    const {service, tools} = this.#parts
    const answer = await service.expect({method: 'GET', path: `${this.#path}/json`, signal}, `Looking at ${this.id}`)
    const {Id, State} = answer.body as Inspected
    return tools.sandbox.findControlGroup({pid: State.Pid, name: controlGroupName(Id)})
  }

  pause(signal: AbortSignal): Promise<void> {
    return this.#post('pause', signal, 'Freezing')
  }

  unpause(signal: AbortSignal): Promise<void> {
    return this.#post('unpause', signal, 'Thawing')
  }

  async terminate(signal: AbortSignal): Promise<boolean> {
    const answer = await this.#parts.service.call({method: 'POST', path: `${this.#path}/kill?signal=SIGTERM`, signal})
    return answer.status < 300
  }

  async remove(signal: AbortSignal): Promise<void> {
    const {directories, onRemoved} = this.#parts
    await this.#delete(signal)
    if (!this.#isWhole) await this.#parts.service.sweep(containerName(this.id), signal)
    await directories.release(this.id, signal)
    this.#removed = true
    if (!this.#isWatched) this.#ended.resolve(EXIT_UNKNOWN)
    onRemoved()
  }

  async stats(signal: AbortSignal): Promise<InstanceStats> {
    const path = `/containers/stats?containers=${containerName(this.id)}&stream=false`
    const answer = await this.#parts.service.expect({method: 'GET', path, signal}, `Measuring ${this.id}`)
    const {Stats: list, Error: refused} = answer.body as {
      Stats?: {CPUNano: number; MemUsage: number; PIDs: number}[]
      Error?: {message?: string} | null
    }
    const first = list?.[0]
    if (!first) throw this.#parts.service.failure(`Measuring ${this.id}: ${refused?.message ?? 'it does not run'}`)
    return {cpuMicros: Math.floor(first.CPUNano / 1000), memoryBytes: first.MemUsage, pids: first.PIDs}
  }

  /** podman's own clean-up after an exit and this removal may meet at a mount; the one that comes second then finds it busy. */
  async #delete(signal: AbortSignal): Promise<void> {
    const {service} = this.#parts
    const request = {method: 'DELETE', path: `${this.#path}?force=true&v=true&timeout=0`, signal} as const
    for (let attempt = 1; attempt < REMOVE_ATTEMPTS; attempt++) {
      const {status} = await service.call(request)
      if (status < 300 || status === 404) return
      await delay(REMOVE_RETRY_MS, undefined, {signal})
    }
    await service.expect(request, `Removing ${this.id}`, [404])
  }

  get #path(): string {
    return `/containers/${containerName(this.id)}`
  }

  async #post(action: string, signal: AbortSignal, what: string): Promise<void> {
    await this.#parts.service.expect({method: 'POST', path: `${this.#path}/${action}`, signal}, `${what} ${this.id}`)
  }

  #watch(): void {
    this.#isWatched = true
    this.#untilExit().then(this.#ended.resolve, this.#ended.reject)
  }

  async #untilExit(): Promise<InstanceExit> {
    const {service, tools} = this.#parts
    const signal = new AbortController().signal
    const path = `${this.#path}/wait?condition=stopped&condition=exited&interval=${WAIT_INTERVAL}`
    for (let attempt = 0; attempt < WAIT_RETRIES_MAX && !this.#removed && !service.closed; attempt++) {
      try {
        // podman sometimes knows that a container ended and not how; then this answer is an error, and looking at it helps.
        await service.wait({method: 'POST', path, signal})
        const exit = await this.#exit(signal)
        if (exit) return exit
      } catch (error) {
        if (service.closed) break
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
    const answer = await this.#parts.service.expect({method: 'GET', path: `${this.#path}/json`, signal}, `Looking at ${this.id}`, [404])
    if (answer.status === 404) return EXIT_UNKNOWN
    const {Status: status, ExitCode: exitCode} = (answer.body as Inspected).State
    if (status !== 'exited' && status !== 'stopped') return undefined
    return {exitCode, oom: exitCode === EXIT_KILLED && (await this.#parts.directories.ranOutOfMemory(this.id))}
  }
}

/** What podman calls the control group of a container. */
export function controlGroupName(podmanId: string): string {
  return `libpod-${podmanId}`
}
