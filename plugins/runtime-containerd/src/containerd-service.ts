import {access, readFile, realpath, rm, writeFile} from 'node:fs/promises'
import {connect} from 'node:net'
import {basename, join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import type {RuntimeTools, ServiceProcess} from 'creo/runtime'
import type {Host} from './host.ts'
import {makeMountPoints, type Places} from './places.ts'

const START_TIMEOUT_MS = 30_000
const CONNECT_ATTEMPTS = 400
const CONNECT_RETRY_MS = 5
const COMMANDS_AT_ONCE_MAX = 16
const LAST_COMMAND_MS = 5000
const CTR_FAILED = /^ctr: /m
const TASK_EXIT = /exit with non-zero exit code (\d+)/
/** ctr's own objects in containerd: apart from anybody else's even if somebody points a client at our socket. */
export const NAMESPACE = 'creo'

/** What one command line of ctr answered. */
export interface CtrAnswer {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/**
 * A containerd of our own, started when first needed and again when it has died. Containers don't depend on it: each has a
 * monitor process (shim) of its own. One that another process started over the same state is used as long as it answers.
 */
export class ContainerdService {
  readonly #tools: RuntimeTools
  readonly #host: Host
  readonly #places: Places
  #own: ServiceProcess | undefined
  #starting: Promise<void> | undefined
  #busy = 0
  readonly #queue: (() => void)[] = []
  #closed = false

  constructor(tools: RuntimeTools, host: Host, places: Places) {
    this.#tools = tools
    this.#host = host
    this.#places = places
  }

  get closed(): boolean {
    return this.#closed
  }

  /** @throws {CreoError} `failed` with what ctr said. */
  async run(args: readonly string[], signal: AbortSignal): Promise<string> {
    const answer = await this.call(args, signal)
    if (answer.exitCode !== 0)
      throw this.failure(`ctr ${args[0]} ${args[1] ?? ''} failed: ${answer.stderr.trim() || 'it does not say why'}`)
    return answer.stdout
  }

  /** Like `run`, and nothing happens when what it is about is not there. */
  async runIfThere(args: readonly string[], signal: AbortSignal): Promise<CtrAnswer | undefined> {
    const answer = await this.call(args, signal)
    if (/not found|does not exist/.test(answer.stderr)) return undefined
    return answer
  }

  /** Answers how the task ended; undefined when there is none. With `force` it is killed first. */
  async removeTask(id: string, {force}: {readonly force: boolean}, signal: AbortSignal): Promise<number | undefined> {
    const answer = await this.runIfThere(['tasks', 'rm', ...(force ? ['--force'] : []), id], signal)
    if (answer === undefined) return undefined
    // ctr 1.6 tells the task's exit code in a warning, others end with it. What it says of its own failures begins with its name.
    if (CTR_FAILED.test(answer.stderr)) throw this.failure(`Removing ${id}: ${answer.stderr.trim()}`)
    return Number(TASK_EXIT.exec(answer.stderr)?.[1] ?? answer.exitCode)
  }

  /** What runs for a container beside its own processes, by file names. */
  async monitorPrograms(): Promise<readonly string[]> {
    const {runcPath, shimPath} = this.#host
    const real = await Promise.all([runcPath, shimPath, this.#places.logWriterPath].map((path) => realpath(path)))
    return real.map((path) => basename(path))
  }

  /** The shim of that container, or runc that makes it. */
  isMonitorOf(id: string, argv: readonly string[]): boolean {
    return argv.includes(id) && argv.some((argument) => argument.startsWith(`${this.#places.run}/`)) && !argv.includes('--address')
  }

  /** Past containerd. Nothing happens when runc does not know it either. */
  async deleteByRunc(id: string, signal: AbortSignal): Promise<void> {
    const remove = ['--root', join(this.#places.runcState, NAMESPACE), 'delete', '--force', id]
    await this.#tools.execa(this.#host.runcPath, remove, {reject: false, stdin: 'ignore', cancelSignal: signal})
  }

  /** Refusals are answers; only a containerd that can't be started throws. */
  async call(args: readonly string[], signal: AbortSignal): Promise<CtrAnswer> {
    await this.ensure()
    if (this.#busy >= COMMANDS_AT_ONCE_MAX) await new Promise<void>((resolve) => this.#queue.push(resolve))
    this.#busy += 1
    try {
      const result = await this.#tools.execa(this.#host.ctrPath, [...this.ctrArguments, ...args], {
        stdin: 'ignore',
        cwd: this.#places.run,
        reject: false,
        cancelSignal: signal
      })
      if (result.isCanceled) throw this.aborted(signal)
      if (result.exitCode === undefined) throw this.failure(`ctr can't be run: ${result.shortMessage}`)
      return {exitCode: result.exitCode, stdout: String(result.stdout), stderr: String(result.stderr)}
    } finally {
      this.#busy -= 1
      this.#queue.shift()?.()
    }
  }

  get ctrArguments(): readonly string[] {
    return ['--address', this.#places.socketPath, '--namespace', NAMESPACE]
  }

  /** Resolves when containerd answers. */
  async ensure(): Promise<void> {
    if (this.#closed) throw this.failure('The containerd runtime is closed.')
    this.#starting ??= this.#startUnlessThere().finally(() => {
      this.#starting = undefined
    })
    await this.#starting
  }

  failure(message: string, cause?: unknown): Error {
    return new this.#tools.CreoError('failed', message, {hint: 'creo doctor looks at the container runtime.', cause})
  }

  aborted(signal: AbortSignal): Error {
    return new this.#tools.CreoError('interrupted', 'It was called off.', {cause: signal.reason})
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#starting?.catch(() => undefined)
    await this.#own?.end()
  }

  async #startUnlessThere(): Promise<void> {
    await this.#outlast()
    if (await this.#answers()) return
    await this.#own?.end()
    const {socketPath, run, configPath, ownerPath} = this.#places
    await makeMountPoints(this.#places)
    // One that was killed left its socket behind.
    await rm(socketPath, {force: true})
    const PATH = this.#tools.env.PATH ?? ''
    try {
      const own = await this.#tools.sandbox.startService({
        command: [this.#host.containerdPath, '--config', configPath],
        env: {PATH: `${PATH}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`},
        workingDirectory: run,
        socketPath,
        signal: AbortSignal.timeout(START_TIMEOUT_MS)
      })
      this.#own = own
      await writeFile(ownerPath, String(process.pid))
      await this.#untilAnswering()
      own.ended.then((words) => this.#tools.log(this.#closed ? 'debug' : 'warn', 'containerd ended', {words}))
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new this.#tools.CreoError('runtime_missing', `containerd does not start: ${why}`, {
        hint: `Run containerd --config ${configPath} and mend what it reports.`,
        cause
      })
    }
  }

  /** A process that was killed leaves a containerd that is about to end: it is not asked any more. */
  async #outlast(): Promise<void> {
    const {ownerPath, configPath} = this.#places
    const owner = await readFile(ownerPath, 'utf8').catch(() => '')
    if (owner === '' || (await isThere(`/proc/${owner}`))) return
    const programs = ['containerd', basename(await realpath(this.#host.containerdPath))]
    const options = {programs, graceMs: LAST_COMMAND_MS, signal: AbortSignal.timeout(START_TIMEOUT_MS)}
    await this.#tools.sandbox.killProcesses((argv) => argv.includes(configPath), options)
    await rm(ownerPath, {force: true})
  }

  /** Its socket is there a moment before it listens, and ctr doesn't try twice. */
  async #untilAnswering(): Promise<void> {
    for (let attempt = 0; attempt < CONNECT_ATTEMPTS; attempt++) {
      if (await this.#answers()) return
      await delay(CONNECT_RETRY_MS)
    }
    throw new Error('it does not answer')
  }

  #answers(): Promise<boolean> {
    const {promise, resolve} = Promise.withResolvers<boolean>()
    const socket = connect(this.#places.socketPath)
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    return promise.finally(() => socket.destroy())
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false
  )
}
