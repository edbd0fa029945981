import {lstat} from 'node:fs/promises'
import {Readable} from 'node:stream'
import {setTimeout as delay} from 'node:timers/promises'
import type {InstanceExit, InstanceStats, InstanceTier, RuntimeInstance, RuntimeTools} from 'creo/runtime'
import {containerName} from './container-spec.ts'
import {readLog} from './log-file.ts'
import type {PodmanService} from './podman-service.ts'
import type {SocketDirectories} from './socket-directory.ts'

export interface InstanceParts {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  readonly tier: InstanceTier
  readonly tools: RuntimeTools
  readonly service: PodmanService
  readonly directories: SocketDirectories
  /** Called once it is stopped and removed. */
  readonly onRemoved: () => void
}

const LOG_TAIL_BYTES = 4096
/** How often podman's service looks whether a container has ended. */
const WAIT_INTERVAL = '100ms'
/** The service may die under a wait and is started again; between two attempts it gets this long. */
const WAIT_RETRY_MS = 200
const WAIT_RETRIES_MAX = 100_000
const REMOVE_ATTEMPTS = 40
const REMOVE_RETRY_MS = 50
const CLEANUP_TIMEOUT_MS = 30_000
/** What is told of a container that was removed before anyone could ask how it ended. */
const EXIT_UNKNOWN: InstanceExit = {exitCode: 137, oom: false}
const EXIT_KILLED = 137

/** One container: its podman name follows from its id, so nothing else must be remembered. */
export class PodmanInstance implements RuntimeInstance {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  readonly socketPath: string
  readonly exited: Promise<InstanceExit>
  readonly #parts: InstanceParts
  readonly #ended = Promise.withResolvers<InstanceExit>()
  #starting: Promise<void> | undefined
  #tier: InstanceTier
  #removed = false

  constructor(parts: InstanceParts) {
    this.id = parts.id
    this.labels = parts.labels
    this.socketPath = parts.directories.socketPath(parts.id)
    this.#parts = parts
    this.#tier = parts.tier
    this.exited = this.#ended.promise
    if (!this.#isWaiting) this.#awaitExit()
  }

  get tier(): InstanceTier {
    return this.#tier
  }

  async ready(signal: AbortSignal): Promise<void> {
    const ended = new AbortController()
    const either = AbortSignal.any([signal, ended.signal])
    const crashed = this.exited.then(async (exit) => {
      if (ended.signal.aborted) return
      const tail = await this.#logTail()
      throw this.#parts.service.failure(`The function ended with exit code ${exit.exitCode} before it listened on its port. ${tail}`.trim())
    })
    try {
      await Promise.race([this.#socketThere(either), crashed])
    } catch (error) {
      if (!signal.aborted) throw error
      throw new this.#parts.tools.CreoError('timeout', 'The function does not listen on its port.', {
        hint: 'It must listen on $PORT.',
        cause: signal.reason
      })
    } finally {
      ended.abort()
      crashed.catch(() => undefined)
    }
  }

  run(signal: AbortSignal): Promise<void> {
    if (!this.#isWaiting) return Promise.resolve()
    this.#starting ??= this.#run(signal).finally(() => {
      this.#starting = undefined
    })
    return this.#starting
  }

  async freeze(signal: AbortSignal): Promise<void> {
    if (this.#tier === 'frozen') return
    await this.#post('pause', signal, 'Freezing')
    this.#tier = 'frozen'
  }

  async thaw(signal: AbortSignal): Promise<void> {
    if (this.#tier !== 'frozen') return
    await this.#post('unpause', signal, 'Thawing')
    this.#tier = 'running'
  }

  async stop(options: {readonly graceMs: number}, signal: AbortSignal): Promise<void> {
    if (this.#removed) return
    await this.#starting?.catch(() => undefined)
    if (options.graceMs > 0 && !this.#isWaiting) await this.#terminate(options.graceMs, signal)
    await this.remove()
  }

  /** Kills what still runs and removes everything. Not to be interrupted: half removed is worse than late. */
  async remove(): Promise<void> {
    const signal = AbortSignal.timeout(CLEANUP_TIMEOUT_MS)
    const {service, directories, onRemoved} = this.#parts
    // A paused process takes no signal, not even the last one.
    if (this.#tier === 'frozen') await service.call({method: 'POST', path: `${this.#path}/unpause`, signal})
    await this.#delete(signal)
    await directories.release(this.id, signal)
    this.#removed = true
    if (this.#isWaiting) this.#ended.resolve(EXIT_UNKNOWN)
    onRemoved()
  }

  async stats(signal: AbortSignal): Promise<InstanceStats> {
    if (this.#tier === 'created') return {cpuMicros: 0, memoryBytes: 0, pids: 0}
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

  logs(options: {readonly follow: boolean}, signal: AbortSignal): Readable {
    const path = this.#parts.directories.logPath(this.id)
    return Readable.from(
      readLog({path, follow: options.follow, ended: this.exited, watch: this.#parts.tools.sandbox.watchDirectory, signal}),
      {objectMode: false}
    )
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

  get #isWaiting(): boolean {
    return this.#tier === 'created' || this.#tier === 'initialised'
  }

  async #run(signal: AbortSignal): Promise<void> {
    await this.#post('start', signal, 'Starting')
    this.#tier = 'running'
    this.#awaitExit()
  }

  #awaitExit(): void {
    this.#untilExit().then(this.#ended.resolve, this.#ended.reject)
  }

  get #path(): string {
    return `/containers/${containerName(this.id)}`
  }

  async #post(action: string, signal: AbortSignal, what: string): Promise<void> {
    await this.#parts.service.expect({method: 'POST', path: `${this.#path}/${action}`, signal}, `${what} ${this.id}`)
  }

  async #terminate(graceMs: number, signal: AbortSignal): Promise<void> {
    const {service} = this.#parts
    if (this.#tier === 'frozen') await this.thaw(signal)
    const answer = await service.call({method: 'POST', path: `${this.#path}/kill?signal=SIGTERM`, signal})
    if (answer.status >= 300) return
    const grace = new AbortController()
    await Promise.race([this.exited, delay(graceMs, undefined, {signal: AbortSignal.any([grace.signal, signal])}).catch(() => undefined)])
    grace.abort()
  }

  /** Watches first and looks then, so that a socket that appears in between is not missed. */
  async #socketThere(signal: AbortSignal): Promise<void> {
    const changes = this.#parts.tools.sandbox.watchDirectory(this.#parts.directories.path(this.id))
    try {
      while (!(await this.#look())) await changes.next(signal)
    } finally {
      changes.close()
    }
  }

  /** The function owns the directory: a link or a file in the socket's place is an attack. */
  async #look(): Promise<boolean> {
    const status = await lstat(this.socketPath).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw this.#parts.service.failure(`The socket of ${this.id} can't be looked at.`, error)
    })
    if (status && !status.isSocket()) throw this.#parts.service.failure(`${this.id} put something else in the place of its socket.`)
    return status !== undefined
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
    const {Status: status, ExitCode: exitCode} = (answer.body as {State: {Status: string; ExitCode: number}}).State
    if (status !== 'exited' && status !== 'stopped') return undefined
    return {exitCode, oom: exitCode === EXIT_KILLED && (await this.#parts.directories.ranOutOfMemory(this.id))}
  }

  async #logTail(): Promise<string> {
    let tail = ''
    try {
      for await (const chunk of this.logs({follow: false}, AbortSignal.timeout(CLEANUP_TIMEOUT_MS)))
        tail = (tail + String(chunk)).slice(-LOG_TAIL_BYTES)
    } catch {
      return ''
    }
    return tail.trim() === '' ? '' : `Its last words: ${tail.trim()}`
  }
}
