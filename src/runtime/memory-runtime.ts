import {mkdir, rm} from 'node:fs/promises'
import {createServer, type RequestListener, type Server} from 'node:http'
import {connect} from 'node:net'
import {join} from 'node:path'
import {PassThrough, type Readable} from 'node:stream'
import {setTimeout as delay} from 'node:timers/promises'
import {CreoError} from '../core/errors.ts'
import type {
  ContainerRuntime,
  ImageLayout,
  InstanceExit,
  InstanceSpec,
  InstanceStats,
  InstanceTier,
  RuntimeInstance,
  RuntimeProbe,
  WaitingTier,
  WaysOut
} from './port.ts'
import {SECRETS_SOCKET, secretsOf} from './ways-out.ts'

/** What a function of this runtime is given in place of a process of its own. */
export interface MemoryProcess {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** As the starter gave it: a function of this runtime connects to the sockets themselves. */
  readonly waysOut: WaysOut | undefined
  log(text: string): void
  exit(exitCode: number): void
  /** Called on `stop`; by default the function exits with 143 at once, as a process without a handler does. */
  onTerminate(handler: () => void): void
}

/** The body of an image: starts, and answers HTTP. Throwing is crashing with exit code 1. */
export type MemoryFunction = (process: MemoryProcess) => RequestListener

const EXIT_CRASHED = 1
const EXIT_KILLED = 137
const EXIT_TERMINATED = 143

/**
 * Runs functions of this very process behind real unix sockets: for tests of what stands above the port. It isolates nothing and
 * limits nothing, and `probe` says so. `images` are the functions by manifest digest; sockets lie in `directory`, whose path must be short.
 */
export function createMemoryRuntime(options: {
  readonly directory: string
  readonly images: ReadonlyMap<string, MemoryFunction>
}): ContainerRuntime {
  return new MemoryRuntime(options.directory, options.images)
}

class MemoryRuntime implements ContainerRuntime {
  readonly name = 'memory'
  readonly #directory: string
  readonly #images: ReadonlyMap<string, MemoryFunction>
  readonly #instances = new Map<string, MemoryInstance>()
  #prepared = new Set<string>()

  constructor(directory: string, images: ReadonlyMap<string, MemoryFunction>) {
    this.#directory = directory
    this.#images = images
  }

  async probe(): Promise<RuntimeProbe> {
    return {
      name: this.name,
      version: process.versions.node,
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      enforcesLimits: false,
      problems: ['The memory runtime isolates and limits nothing: use it in tests alone.'],
      tiers: [
        {tier: 'frozen', heldBytes: 0},
        {tier: 'initialised', heldBytes: 0},
        {tier: 'created', heldBytes: 0}
      ]
    }
  }

  async prepare(image: ImageLayout): Promise<void> {
    if (!this.#images.has(image.manifestDigest)) throw missingImage(image.manifestDigest)
    this.#prepared.add(image.manifestDigest)
  }

  async start(spec: InstanceSpec, signal: AbortSignal): Promise<RuntimeInstance> {
    const instance = await this.create(spec, 'created', signal)
    await instance.run(signal)
    return instance
  }

  async create(spec: InstanceSpec, tier: WaitingTier, signal: AbortSignal): Promise<RuntimeInstance> {
    const body = this.#prepared.has(spec.imageDigest) ? this.#images.get(spec.imageDigest) : undefined
    if (!body) throw missingImage(spec.imageDigest)
    if (signal.aborted) throw new CreoError('interrupted', 'The start was called off.', {cause: signal.reason})
    if (this.#instances.has(spec.id)) {
      throw new CreoError('conflict', `An instance "${spec.id}" is already there.`, {hint: 'Stop it, or choose another id.'})
    }
    const socketPath = join(this.#directory, `${spec.id}.sock`)
    const instance = new MemoryInstance({spec, body, tier, socketPath, onRemoved: () => this.#instances.delete(spec.id)})
    this.#instances.set(spec.id, instance)
    await mkdir(this.#directory, {recursive: true})
    return instance
  }

  async list(): Promise<readonly RuntimeInstance[]> {
    return [...this.#instances.values()]
  }

  async prune(keep: readonly string[]): Promise<void> {
    const used = [...this.#instances.values()].map((instance) => instance.imageDigest)
    this.#prepared = this.#prepared.intersection(new Set([...keep, ...used]))
  }

  async close(): Promise<void> {}
}

interface MemoryParts {
  readonly spec: InstanceSpec
  readonly body: MemoryFunction
  readonly tier: WaitingTier
  readonly socketPath: string
  readonly onRemoved: () => void
}

class MemoryInstance implements RuntimeInstance {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  readonly socketPath: string
  readonly imageDigest: string
  readonly exited: Promise<InstanceExit>
  readonly #spec: InstanceSpec
  readonly #body: MemoryFunction
  readonly #onRemoved: () => void
  #waiting: WaitingTier | undefined
  #startedMs = 0
  readonly #listening = Promise.withResolvers<void>()
  readonly #ended = Promise.withResolvers<InstanceExit>()
  readonly #followers = new Set<PassThrough>()
  #log = Buffer.alloc(0)
  #server: Server | undefined
  #thawed: PromiseWithResolvers<void> | undefined
  #terminate = () => this.#exit(EXIT_TERMINATED)
  #outcome: InstanceExit | undefined

  constructor({spec, body, tier, socketPath, onRemoved}: MemoryParts) {
    this.id = spec.id
    this.labels = spec.labels
    this.imageDigest = spec.imageDigest
    this.socketPath = socketPath
    this.exited = this.#ended.promise
    this.#spec = spec
    this.#body = body
    this.#waiting = tier
    this.#onRemoved = onRemoved
    this.#listening.promise.catch(() => undefined)
  }

  get tier(): InstanceTier {
    return this.#waiting ?? (this.#thawed ? 'frozen' : 'running')
  }

  async run(): Promise<void> {
    if (this.#waiting === undefined) return
    this.#waiting = undefined
    this.#startedMs = performance.now()
    try {
      const secrets = await readSecrets(this.#spec.waysOut)
      const listener = this.#body({
        argv: this.#spec.argv,
        env: {...this.#spec.env, ...secrets, PORT: String(this.#spec.port)},
        waysOut: this.#spec.waysOut,
        log: (text) => this.#append(`${text}\n`),
        exit: (exitCode) => this.#exit(exitCode),
        onTerminate: (handler) => {
          this.#terminate = handler
        }
      })
      if (this.#outcome) return
      // A frozen function still has connections, and answers none of them.
      const held: RequestListener = (request, response) => {
        const thawed = this.#thawed?.promise ?? Promise.resolve()
        thawed.then(() => this.#outcome ?? listener(request, response)).catch((error: unknown) => this.#crash(error))
      }
      this.#server = createServer(held).listen(this.socketPath, () => this.#listening.resolve())
    } catch (error) {
      this.#crash(error)
    }
  }

  async ready(signal: AbortSignal): Promise<void> {
    const late = Promise.withResolvers<never>()
    const abort = () =>
      late.reject(
        new CreoError('timeout', 'The function does not listen on its port.', {hint: 'It must listen on $PORT.', cause: signal.reason})
      )
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, {once: true})
    await Promise.race([this.#listening.promise, late.promise]).finally(() => signal.removeEventListener('abort', abort))
  }

  async freeze(): Promise<void> {
    if (this.#waiting !== undefined) throw new CreoError('conflict', `${this.id} does not run.`)
    this.#thawed ??= Promise.withResolvers<void>()
  }

  async thaw(): Promise<void> {
    this.#thawed?.resolve()
    this.#thawed = undefined
  }

  async stop(options: {readonly graceMs: number}, signal: AbortSignal): Promise<void> {
    await this.thaw()
    if (options.graceMs > 0 && !this.#outcome && this.#waiting === undefined) {
      this.#terminate()
      const grace = new AbortController()
      const late = delay(options.graceMs, undefined, {signal: AbortSignal.any([grace.signal, signal])}).catch(() => undefined)
      await Promise.race([this.exited, late])
      grace.abort()
    }
    this.#exit(EXIT_KILLED)
    await rm(this.socketPath, {force: true})
    this.#onRemoved()
  }

  async stats(): Promise<InstanceStats> {
    if (this.#waiting !== undefined) return {cpuMicros: 0, memoryBytes: 0, pids: 0}
    const {user, system} = process.cpuUsage()
    const runningMicros = Math.floor((performance.now() - this.#startedMs) * 1000)
    return {cpuMicros: Math.min(user + system, runningMicros), memoryBytes: process.memoryUsage.rss(), pids: 1}
  }

  logs(options: {readonly follow: boolean}, signal: AbortSignal): Readable {
    const out = new PassThrough()
    out.write(this.#log)
    if (!options.follow || this.#outcome) return out.end()
    this.#followers.add(out)
    signal.addEventListener('abort', () => out.end(), {once: true})
    out.once('close', () => this.#followers.delete(out))
    return out
  }

  #append(text: string): void {
    const bytes = Buffer.from(text)
    this.#log = Buffer.concat([this.#log, bytes]).subarray(-this.#spec.limits.logBytes)
    for (const follower of this.#followers) follower.write(bytes)
  }

  #crash(error: unknown): void {
    this.#append(String(error))
    this.#exit(EXIT_CRASHED)
  }

  #exit(exitCode: number): void {
    if (this.#outcome) return
    this.#waiting = undefined
    this.#outcome = {exitCode, oom: false}
    this.#server?.close()
    this.#server?.closeAllConnections()
    const words = `The function ended with exit code ${exitCode} before it listened on its port. Its last words: ${this.#log}`
    this.#listening.reject(new CreoError('failed', words))
    this.#ended.resolve(this.#outcome)
    for (const follower of this.#followers) follower.end()
  }
}

async function readSecrets(waysOut: WaysOut | undefined): Promise<Record<string, string>> {
  if (waysOut?.secrets !== true) return {}
  const chunks: Buffer[] = []
  for await (const chunk of connect(join(waysOut.directory, SECRETS_SOCKET))) chunks.push(chunk)
  return secretsOf(Buffer.concat(chunks))
}

function missingImage(digest: string): CreoError {
  return new CreoError('image_missing', `The image ${digest} was not prepared on this machine.`, {hint: 'Pull it again.'})
}
