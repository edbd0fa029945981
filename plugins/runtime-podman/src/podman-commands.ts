import {createHash} from 'node:crypto'
import {existsSync} from 'node:fs'
import {mkdir, readdir, realpath, rm, symlink} from 'node:fs/promises'
import {basename, join} from 'node:path'
import type {RuntimeTools} from 'creo/runtime'
import type {Host} from './host.ts'
import {COMMAND_NAME_PREFIX, type Places} from './places.ts'

export interface CommandOutcome {
  readonly exitCode: number
  readonly stdout: string
  /** What podman said of a failure. */
  readonly words: string
}

/** Each is a process of some 40 MB for a moment; more wait for their turn. */
const COMMANDS_AT_ONCE = 8
const COMMAND_NAME = new RegExp(`^${COMMAND_NAME_PREFIX}(\\d+)-`)
const NAME_HASH_LETTERS = 8
const MONITOR = 'conmon'
/** As podman names containers. */
const CONTAINER_ID = /^[0-9a-f]{64}$/
const LAST_COMMAND_MS = 5000
const OUTLAST_TIMEOUT_MS = 30_000
/** Stands for one that was killed, or never began. */
const SIGNALLED_EXIT_CODE = 125

/** podman's command line over our own storage: for what its REST API can't do, and for everything where that can't be had. */
export class PodmanCommands {
  readonly #tools: RuntimeTools
  readonly #host: Host
  readonly #places: Places
  readonly #waiting: (() => void)[] = []
  #underWay = 0
  #closed = false
  #outlasted: Promise<void> | undefined

  constructor(tools: RuntimeTools, host: Host, places: Places) {
    this.#tools = tools
    this.#host = host
    this.#places = places
  }

  /** Arguments that every podman command line of ours begins with. */
  get globalArguments(): readonly string[] {
    return ['--root', this.#places.storage, '--runroot', join(this.#places.run, 'run'), '--tmpdir', join(this.#places.run, 'tmp')]
  }

  /**
   * One command line of podman.
   * @throws {CreoError} `failed` with what podman said.
   */
  async run(args: readonly string[], signal: AbortSignal): Promise<string> {
    const {exitCode, stdout, words} = await this.attempt(args, signal)
    if (exitCode !== 0) throw this.failure(`podman ${args[0]} failed: ${words}`)
    return stdout
  }

  /** Like `run`, for whoever reads the exit code. */
  async attempt(args: readonly string[], signal: AbortSignal): Promise<CommandOutcome> {
    if (this.#closed) throw new this.#tools.CreoError('unavailable', 'The container runtime was closed.')
    while (this.#underWay >= COMMANDS_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#underWay += 1
    try {
      if (signal.aborted) throw this.aborted(signal)
      await this.outlast()
      return await this.#execute(args, signal)
    } finally {
      this.#underWay -= 1
      this.#waiting.shift()?.()
    }
  }

  /** A process that was killed leaves a command that still ends: once, before ours, so that what comes of it is seen afterwards. */
  outlast(): Promise<void> {
    this.#outlasted ??= this.#outlast().catch((error: unknown) => {
      this.#outlasted = undefined
      throw error
    })
    return this.#outlasted
  }

  /** Ends those of podman's processes that a process left which is gone; each may end what it is at. */
  async end(isMeant: (argv: readonly string[]) => boolean, signal: AbortSignal): Promise<void> {
    const programs = ['podman', basename(await realpath(this.#host.podmanPath))]
    await this.#tools.sandbox.killProcesses(isMeant, {programs, graceMs: LAST_COMMAND_MS, signal})
  }

  /** Ends what a podman that was killed in the middle of a start had begun and not written down: podman itself can't know of it. */
  async sweep(name: string, signal: AbortSignal): Promise<void> {
    const run = `${this.#places.run}/`
    const isMonitor = (argv: readonly string[]) =>
      basename(argv[0] ?? '') === MONITOR && valueAfter('-n', argv) === name && argv.some((argument) => argument.startsWith(run))
    const {ociRuntime, commandsOciRuntime = ociRuntime} = this.#host
    for (const argv of await this.#tools.sandbox.killProcesses(isMonitor, {programs: [MONITOR], graceMs: 0, signal})) {
      const id = valueAfter('-c', argv) ?? ''
      if (!CONTAINER_ID.test(id)) continue
      const remove = ['delete', '--force', id]
      const program = valueAfter('-r', argv) === commandsOciRuntime ? commandsOciRuntime : ociRuntime
      await this.#tools.execa(program, remove, {reject: false, stdin: 'ignore', cancelSignal: signal})
    }
  }

  failure(message: string, cause?: unknown): Error {
    return new this.#tools.CreoError('failed', message, {hint: 'creo doctor looks at the container runtime.', cause})
  }

  aborted(signal: AbortSignal): Error {
    return new this.#tools.CreoError('interrupted', 'The container runtime was told to stop waiting.', {cause: signal.reason})
  }

  get closed(): boolean {
    return this.#closed
  }

  close(): void {
    this.#closed = true
  }

  async #execute(args: readonly string[], signal: AbortSignal): Promise<CommandOutcome> {
    // Another process over the same state may have cleared it away.
    await mkdir(this.#places.instances, {recursive: true, mode: 0o711})
    const result = await this.#tools.execa(await this.#name(), [...this.globalArguments, ...args], {
      env: this.#places.env,
      extendEnv: false,
      stdin: 'ignore',
      cwd: this.#places.run,
      reject: false,
      cancelSignal: signal
    })
    if (result.isCanceled) throw this.aborted(signal)
    const words = String(result.stderr).trim() || result.shortMessage || ''
    return {exitCode: result.failed ? (result.exitCode ?? SIGNALLED_EXIT_CODE) : 0, stdout: String(result.stdout), words}
  }

  /** Without root podman runs itself again by the name that it was run by, so the name leads to it. */
  async #name(): Promise<string> {
    const path = this.#host.podmanPath
    const which = createHash('sha256').update(path).digest('hex').slice(0, NAME_HASH_LETTERS)
    const name = join(this.#places.run, `${COMMAND_NAME_PREFIX}${process.pid}-${which}`)
    await symlink(path, name).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
    return name
  }

  async #outlast(): Promise<void> {
    const isLeft = (argv: readonly string[]) => isLeftName(basename(argv[0] ?? '')) && argv.includes(this.#places.storage)
    await this.end(isLeft, AbortSignal.timeout(OUTLAST_TIMEOUT_MS))
    const names = await readdir(this.#places.run)
    await Promise.all(names.filter(isLeftName).map((name) => rm(join(this.#places.run, name), {force: true})))
  }
}

/** Of a command line whose process is gone. */
function isLeftName(name: string): boolean {
  const owner = COMMAND_NAME.exec(name)?.[1]
  return owner !== undefined && !existsSync(`/proc/${owner}`)
}

function valueAfter(flag: string, argv: readonly string[]): string | undefined {
  const at = argv.indexOf(flag)
  return at === -1 ? undefined : argv[at + 1]
}
