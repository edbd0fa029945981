import {lstat} from 'node:fs/promises'
import {Readable} from 'node:stream'
import {setTimeout as delay} from 'node:timers/promises'
import type {InstanceExit, InstanceStats, InstanceTier, RuntimeInstance, RuntimeTools} from 'creo/runtime'
import type {ContainerdService} from './containerd-service.ts'
import {readUsage} from './control-group-files.ts'
import type {Host} from './host.ts'
import type {InstanceFiles} from './instance-files.ts'
import {readLog} from './log-file.ts'

export interface InstanceParts {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  readonly tier: InstanceTier
  readonly tools: RuntimeTools
  readonly host: Host
  readonly service: ContainerdService
  readonly files: InstanceFiles
  readonly controlGroup: string
  /** From `created` to `running`. */
  readonly launch: (signal: AbortSignal) => Promise<void>
  /** Called once it is stopped and removed. */
  readonly onRemoved: () => void
}

const LOG_TAIL_BYTES = 4096
const CLEANUP_TIMEOUT_MS = 30_000
const EXIT_KILLED = 137

/** One container: its name in containerd is its id, so nothing else must be remembered. */
export class ContainerdInstance implements RuntimeInstance {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  readonly socketPath: string
  readonly exited: Promise<InstanceExit>
  readonly #parts: InstanceParts
  readonly #ended = Promise.withResolvers<InstanceExit>()
  #tier: InstanceTier
  #starting: Promise<void> | undefined
  #removing: Promise<void> | undefined
  #settled = false

  constructor(parts: InstanceParts) {
    this.id = parts.id
    this.labels = parts.labels
    this.socketPath = parts.files.socketPath(parts.id)
    this.exited = this.#ended.promise
    this.#parts = parts
    this.#tier = parts.tier
  }

  get tier(): InstanceTier {
    return this.#tier
  }

  get isStarting(): boolean {
    return this.#starting !== undefined
  }

  async ready(signal: AbortSignal): Promise<void> {
    const ended = new AbortController()
    const either = AbortSignal.any([signal, ended.signal])
    const crashed = this.exited.then(async (exit) => {
      if (ended.signal.aborted) return
      const words = `The function ended with exit code ${exit.exitCode} before it listened on its port. ${await this.#logTail()}`
      throw this.#parts.service.failure(words.trim())
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
    if (this.#tier !== 'created') return Promise.resolve()
    this.#starting ??= this.#run(signal).finally(() => {
      this.#starting = undefined
    })
    return this.#starting
  }

  async freeze(signal: AbortSignal): Promise<void> {
    if (this.#tier === 'frozen') return
    await this.#parts.service.run(['tasks', 'pause', this.id], signal)
    this.#tier = 'frozen'
  }

  async thaw(signal: AbortSignal): Promise<void> {
    if (this.#tier !== 'frozen') return
    await this.#parts.service.run(['tasks', 'resume', this.id], signal)
    this.#tier = 'running'
  }

  async stop(options: {readonly graceMs: number}, signal: AbortSignal): Promise<void> {
    await this.#starting?.catch(() => undefined)
    const ended = this.#removing !== undefined || this.#settled
    if (options.graceMs > 0 && !ended && this.#tier !== 'created') await this.#terminate(options.graceMs, signal)
    await this.remove()
  }

  /** Kills what still runs and removes everything. Not to be interrupted: half removed is worse than late. A failed one may be tried again. */
  remove(): Promise<void> {
    this.#removing ??= this.#remove(AbortSignal.timeout(CLEANUP_TIMEOUT_MS)).catch((error: unknown) => {
      this.#removing = undefined
      throw error
    })
    return this.#removing
  }

  async stats(): Promise<InstanceStats> {
    if (this.#tier === 'created') return {cpuMicros: 0, memoryBytes: 0, pids: 0}
    const {host, service, controlGroup} = this.#parts
    const usage = await readUsage(host.controlGroups.version, `${controlGroup}/${this.id}`).catch((cause: unknown) => {
      throw service.failure(`Measuring ${this.id}: it does not run.`, cause)
    })
    return usage
  }

  logs(options: {readonly follow: boolean}, signal: AbortSignal): Readable {
    const {files, tools} = this.#parts
    const reading = {path: files.logPath(this.id), follow: options.follow, ended: this.exited, signal}
    return Readable.from(readLog({...reading, watch: tools.sandbox.watchDirectory}), {objectMode: false})
  }

  /** Told by containerd's events, or by whoever looked. The first word counts. */
  async settle(exitCode: number): Promise<void> {
    if (this.#settled) return
    this.#settled = true
    const {files} = this.#parts
    const exit = (await files.exit(this.id)) ?? {exitCode, oom: exitCode === EXIT_KILLED && (await files.ranOutOfMemory(this.id))}
    // Removal may have come first; then nobody will ask any more.
    await files.writeExit(this.id, exit).catch(() => undefined)
    this.#ended.resolve(exit)
  }

  async #run(signal: AbortSignal): Promise<void> {
    await this.#parts.launch(signal)
    this.#tier = 'running'
  }

  async #terminate(graceMs: number, signal: AbortSignal): Promise<void> {
    if (this.#tier === 'frozen') await this.thaw(signal)
    const answer = await this.#parts.service.call(['tasks', 'kill', '--signal', 'SIGTERM', this.id], signal)
    if (answer.exitCode !== 0) return
    const grace = new AbortController()
    await Promise.race([this.exited, delay(graceMs, undefined, {signal: AbortSignal.any([grace.signal, signal])}).catch(() => undefined)])
    grace.abort()
  }

  async #remove(signal: AbortSignal): Promise<void> {
    const {service, files, onRemoved} = this.#parts
    // A frozen process takes no signal, not even the last one.
    if (this.#tier === 'frozen') await service.runIfThere(['tasks', 'resume', this.id], signal)
    await this.settle((await service.removeTask(this.id, {force: true}, signal)) ?? EXIT_KILLED)
    const container = await service.runIfThere(['containers', 'rm', this.id], signal)
    if (container && container.exitCode !== 0) throw service.failure(`Removing ${this.id}: ${container.stderr.trim()}`)
    await files.release(this.id, signal)
    onRemoved()
  }

  /** Watches first and looks then, so that a socket that appears in between is not missed. */
  async #socketThere(signal: AbortSignal): Promise<void> {
    const {files, tools} = this.#parts
    const changes = tools.sandbox.watchDirectory(files.socketDirectory(this.id))
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

  async #logTail(): Promise<string> {
    let tail = ''
    for await (const chunk of this.logs({follow: false}, AbortSignal.timeout(CLEANUP_TIMEOUT_MS)))
      tail = (tail + String(chunk)).slice(-LOG_TAIL_BYTES)
    return tail.trim() === '' ? '' : `Its last words: ${tail.trim()}`
  }
}
