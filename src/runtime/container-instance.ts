import {lstat} from 'node:fs/promises'
import {dirname} from 'node:path'
import {Readable} from 'node:stream'
import {setTimeout as delay} from 'node:timers/promises'
import {CreoError, isCreoError} from '../core/errors.ts'
import {DirectoryChanges} from './directory-changes.ts'
import {type Freezer, openFreezer} from './freezer.ts'
import {readLog} from './log-file.ts'
import type {InstanceExit, InstanceStats, InstanceTier} from './port.ts'
import type {ContainerDriver, ContainerInstance} from './sandbox.ts'

const LOG_TAIL_BYTES = 4096
const CLEANUP_TIMEOUT_MS = 30_000
const HINT = 'creo doctor looks at the container runtime.'
const NOTHING_USED: InstanceStats = {cpuMicros: 0, memoryBytes: 0, pids: 0}

/** What an instance is under every container runtime; the driver says what this one does for it. */
export class DrivenInstance implements ContainerInstance {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  readonly socketPath: string
  readonly exited: Promise<InstanceExit>
  readonly #driver: ContainerDriver
  #tier: InstanceTier
  #hasEnded = false
  /** The last of the changes of tier, which happen one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  #isStarting = false
  #freezer: Promise<Freezer | undefined> | undefined
  #isPaused: boolean
  #removing: Promise<void> | undefined

  constructor(driver: ContainerDriver, found: {readonly tier: InstanceTier; readonly isPaused: boolean}) {
    this.id = driver.id
    this.labels = driver.labels
    this.socketPath = driver.socketPath
    this.exited = driver.exited
    this.#driver = driver
    this.#tier = found.tier
    this.#isPaused = found.isPaused
    const ended = () => {
      this.#hasEnded = true
    }
    this.exited.then(ended, ended)
  }

  get tier(): InstanceTier {
    return this.#tier
  }

  get isStarting(): boolean {
    return this.#isStarting
  }

  get #isWaiting(): boolean {
    return this.#tier === 'created' || this.#tier === 'initialised'
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#isWaiting) return
      this.#isStarting = true
      try {
        await this.#driver.start(signal)
        this.#tier = 'running'
      } finally {
        this.#isStarting = false
      }
    })
  }

  freeze(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#tier === 'frozen') return
      if (this.#isWaiting) throw new CreoError('conflict', `${this.id} does not run, so it can't be frozen.`, {hint: 'Run it first.'})
      const freezer = await this.#openFreezer(signal)
      await this.#changing('frozen', freezer ? freezer.freeze(signal) : this.#driver.pause(signal))
      this.#isPaused = freezer === undefined
      this.#tier = 'frozen'
    })
  }

  thaw(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#tier !== 'frozen') return
      const freezer = this.#isPaused ? undefined : await this.#openFreezer(signal)
      await this.#changing('thawed', freezer ? freezer.thaw() : this.#driver.unpause(signal))
      this.#tier = 'running'
    })
  }

  async ready(signal: AbortSignal): Promise<void> {
    const ended = new AbortController()
    const either = AbortSignal.any([signal, ended.signal])
    const crashed = this.exited.then(async (exit) => {
      if (ended.signal.aborted) return
      const words = `The function ended with exit code ${exit.exitCode} before it listened on its port. ${await this.#logTail()}`
      throw new CreoError('failed', words.trim(), {hint: HINT})
    })
    try {
      await Promise.race([this.#socketThere(either), crashed])
    } catch (error) {
      if (!signal.aborted) throw error
      throw new CreoError('timeout', 'The function does not listen on its port.', {hint: 'It must listen on $PORT.', cause: signal.reason})
    } finally {
      ended.abort()
      crashed.catch(() => undefined)
    }
  }

  async stop(options: {readonly graceMs: number}, signal: AbortSignal): Promise<void> {
    await this.#turn
    if (options.graceMs > 0 && this.#removing === undefined && !this.#hasEnded && !this.#isWaiting)
      await this.#terminate(options.graceMs, signal)
    await this.remove()
  }

  /** Not to be interrupted: half removed is worse than late. */
  remove(): Promise<void> {
    this.#removing ??= this.#remove(AbortSignal.timeout(CLEANUP_TIMEOUT_MS)).catch((error: unknown) => {
      this.#removing = undefined
      throw error
    })
    return this.#removing
  }

  async stats(signal: AbortSignal): Promise<InstanceStats> {
    return this.#tier === 'created' ? NOTHING_USED : await this.#driver.stats(signal)
  }

  logs(options: {readonly follow: boolean}, signal: AbortSignal): Readable {
    const {log, exited} = this.#driver
    return Readable.from(readLog({...log, follow: options.follow, ended: exited, signal}), {objectMode: false})
  }

  #inTurn(change: () => Promise<void>): Promise<void> {
    const changed = this.#turn.then(change)
    this.#turn = changed.catch(() => undefined)
    return changed
  }

  /** Looked up once, when it is first wanted: finding a process's group costs more than freezing it. */
  async #openFreezer(signal: AbortSignal): Promise<Freezer | undefined> {
    const find = async () => {
      const group = await this.#driver.controlGroup(signal)
      return group && (await openFreezer(group))
    }
    this.#freezer ??= find()
    try {
      return await this.#freezer
    } catch (error) {
      this.#freezer = undefined
      throw error
    }
  }

  async #changing(word: string, change: Promise<void>): Promise<void> {
    await change.catch((cause: unknown) => {
      throw isCreoError(cause) ? cause : new CreoError('failed', `${this.id} can't be ${word}.`, {hint: HINT, cause})
    })
  }

  async #terminate(graceMs: number, signal: AbortSignal): Promise<void> {
    await this.thaw(signal)
    if (!(await this.#driver.terminate(signal))) return
    const grace = new AbortController()
    await Promise.race([this.exited, delay(graceMs, undefined, {signal: AbortSignal.any([grace.signal, signal])}).catch(() => undefined)])
    grace.abort()
  }

  async #remove(signal: AbortSignal): Promise<void> {
    await this.#turn
    // A frozen process takes no signal, not even the last one; what can't be thawed may have ended.
    await this.thaw(signal).catch(() => undefined)
    await this.#driver.remove(signal)
  }

  /** Watches first and looks then, so that a socket that appears in between is not missed. */
  async #socketThere(signal: AbortSignal): Promise<void> {
    const changes = new DirectoryChanges(dirname(this.socketPath))
    try {
      while (!(await this.#look())) await changes.next(signal)
    } finally {
      changes.close()
    }
  }

  /** The function owns the directory: a link or a file in the socket's place is an attack. */
  async #look(): Promise<boolean> {
    const status = await lstat(this.socketPath).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') return undefined
      throw new CreoError('failed', `The socket of ${this.id} can't be looked at.`, {hint: HINT, cause})
    })
    if (status && !status.isSocket())
      throw new CreoError('failed', `${this.id} put something else in the place of its socket.`, {hint: HINT})
    return status !== undefined
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
