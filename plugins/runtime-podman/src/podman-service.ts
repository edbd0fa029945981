import {randomBytes} from 'node:crypto'
import {access, mkdir, readdir, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import type {ProcessLimits, RuntimeTools, ServiceProcess} from 'creo/runtime'
import type {Dispatcher, Pool} from 'undici'
import type {Host} from './host.ts'
import {type Places, SERVICE_SOCKET_PREFIX} from './places.ts'
import type {PodmanCommands} from './podman-commands.ts'

export interface ApiAnswer {
  readonly status: number
  readonly body: unknown
}

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Below `/libpod`, with its query. */
  readonly path: string
  readonly body?: unknown
  readonly signal: AbortSignal
}

/** The oldest API that every podman ≥ 4 still answers. */
const API_PREFIX = '/v4.0.0/libpod'
const START_TIMEOUT_MS = 30_000
const CONNECT_ATTEMPTS = 100
const CONNECT_RETRY_MS = 5
const COMMANDS_AT_ONCE = 32
/** One for each instance. */
const WAITS_AT_ONCE = 8192
const SOCKET_NAME_BYTES = 4
/** Named after the process that it serves. */
const SERVICE_SOCKET = new RegExp(`^${SERVICE_SOCKET_PREFIX}(\\d+)-[0-9a-f]+\\.sock$`)
const UNREACHABLE = ['ECONNREFUSED', 'ENOENT']

export interface ServiceParts {
  readonly tools: RuntimeTools
  readonly host: Host
  readonly places: Places
  readonly commands: PodmanCommands
  /** Called with its last words whenever it ends and was not told to. */
  readonly onDeath: (words: string) => void
}

interface Running {
  readonly process: ServiceProcess
  readonly commands: Pool
  readonly waits: Pool
  limits: ProcessLimits | undefined
}

/**
 * One `podman system service` of our own, started when first needed and again when it has died. Containers don't depend on
 * it: each has a monitor process of its own. Two services over one storage root are fine, so none is ever taken over.
 */
export class PodmanService {
  readonly #tools: RuntimeTools
  readonly #host: Host
  readonly #places: Places
  readonly #commands: PodmanCommands
  readonly #onDeath: (words: string) => void
  #running: Promise<Running> | undefined
  #closed = false

  constructor({tools, host, places, commands, onDeath}: ServiceParts) {
    this.#tools = tools
    this.#host = host
    this.#places = places
    this.#commands = commands
    this.#onDeath = onDeath
  }

  /** One request, its answer read as JSON. Refusals are answers; only a service that can't be reached throws. */
  async call(request: ApiRequest): Promise<ApiAnswer> {
    const answer = await this.#send(request, 'commands')
    const text = await answer.body.text()
    return {status: answer.statusCode, body: parseJson(text)}
  }

  /** Like `call`, and throws for any status that isn't 2xx or named in `also`. */
  async expect(request: ApiRequest, what: string, also: readonly number[] = []): Promise<ApiAnswer> {
    const answer = await this.call(request)
    if ((answer.status >= 200 && answer.status < 300) || also.includes(answer.status)) return answer
    const code = answer.status === 404 ? 'not_found' : answer.status === 409 ? 'conflict' : 'failed'
    throw new this.#tools.CreoError(code, `${what}: ${describe(answer)}`, {hint: 'creo doctor looks at the container runtime.'})
  }

  /** A request that may take days, on a connection of its own. */
  async wait(request: ApiRequest): Promise<void> {
    const answer = await this.#send(request, 'waits')
    await answer.body.dump()
  }

  /** What the service, and so a container that it starts, may be given. */
  async limits(): Promise<ProcessLimits> {
    const running = await this.#ensure()
    running.limits ??= await this.#tools.sandbox.limitsBelow(running.process.pid)
    return running.limits
  }

  failure(message: string, cause?: unknown): Error {
    return this.#commands.failure(message, cause)
  }

  /** Ends the service. Containers go on. */
  async close(): Promise<void> {
    this.#closed = true
    const running = await this.#running?.catch(() => undefined)
    if (!running) return
    await Promise.all([running.commands.destroy(), running.waits.destroy()])
    await running.process.end()
  }

  async #send(request: ApiRequest, pool: 'commands' | 'waits'): Promise<Dispatcher.ResponseData> {
    if (this.#closed) throw new this.#tools.CreoError('unavailable', 'The container runtime was closed.')
    const starting = this.#ensure()
    const running = await this.#unlessAborted(starting, request.signal)
    try {
      return await this.#sendTo(running[pool], request)
    } catch (cause) {
      if (request.signal.aborted) throw this.#commands.aborted(request.signal)
      // Nothing was sent to a service that died, or lost its socket, between two requests: a new one gets it.
      if (UNREACHABLE.includes(String((cause as NodeJS.ErrnoException).code)) && !this.#closed) {
        this.#forget(starting)
        await this.#unlessAborted(running.process.end(), request.signal)
        return this.#sendTo((await this.#unlessAborted(this.#ensure(), request.signal))[pool], request)
      }
      throw new this.#tools.CreoError('unavailable', `podman's service did not answer ${request.method} ${request.path}.`, {
        hint: 'Try again.',
        cause
      })
    }
  }

  #sendTo(pool: Pool, request: ApiRequest): Promise<Dispatcher.ResponseData> {
    return pool.request({
      path: API_PREFIX + request.path,
      method: request.method,
      headers: request.body === undefined ? {} : {'content-type': 'application/json'},
      body: request.body === undefined ? null : JSON.stringify(request.body),
      signal: request.signal
    })
  }

  #ensure(): Promise<Running> {
    if (this.#running !== undefined) return this.#running
    const starting = this.#start()
    this.#running = starting
    starting
      .then(({process: service}) => service.ended)
      .then((words) => {
        if (this.#closed) return
        this.#tools.log('warn', "podman's service ended; the next request starts another", {stderr: words})
        this.#onDeath(words)
      })
      .catch((error: unknown) => this.#tools.log('debug', "podman's service did not start", {error: String(error)}))
      .finally(() => this.#forget(starting))
    return starting
  }

  /** Only this one: by the time that an old service is known to be gone, a new one may run. */
  #forget(starting: Promise<Running>): void {
    if (this.#running === starting) this.#running = undefined
  }

  async #unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
    const aborted = Promise.withResolvers<never>()
    const abort = () => aborted.reject(this.#commands.aborted(signal))
    signal.addEventListener('abort', abort, {once: true})
    try {
      if (signal.aborted) abort()
      return await Promise.race([work, aborted.promise])
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  async #start(): Promise<Running> {
    const name = `${process.pid}-${randomBytes(SOCKET_NAME_BYTES).toString('hex')}`
    const socketPath = join(this.#places.run, `${SERVICE_SOCKET_PREFIX}${name}.sock`)
    const signal = AbortSignal.timeout(START_TIMEOUT_MS)
    // Another process over the same state may have cleared it away.
    await mkdir(this.#places.instances, {recursive: true, mode: 0o711})
    await this.#commands.outlast()
    await this.#outlast(signal)
    const connections = (most: number) =>
      new this.#tools.undici.Pool('http://podman', {socketPath, connections: most, headersTimeout: 0, bodyTimeout: 0})
    try {
      const command = [this.#host.podmanPath, ...this.#commands.globalArguments, 'system', 'service', '--time', '0', `unix://${socketPath}`]
      const {env, run: workingDirectory} = this.#places
      const service = await this.#tools.sandbox.startService({command, env, workingDirectory, socketPath, signal})
      const [commands, waits] = [connections(COMMANDS_AT_ONCE), connections(WAITS_AT_ONCE)]
      try {
        await this.#untilAnswering(commands, signal)
      } catch (error) {
        await Promise.all([commands.destroy(), waits.destroy(), service.end()])
        throw error
      }
      return {process: service, commands, waits, limits: undefined}
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new this.#tools.CreoError('runtime_missing', `podman's service does not start: ${why}`, {
        hint: 'Run podman info and mend what it reports.',
        cause
      })
    }
  }

  /** A process that was killed leaves a service that still ends its last command: what comes of that is looked at afterwards. */
  async #outlast(signal: AbortSignal): Promise<void> {
    for (const name of await readdir(this.#places.run)) {
      const owner = SERVICE_SOCKET.exec(name)?.[1]
      if (owner === undefined || (await exists(`/proc/${owner}`))) continue
      const path = join(this.#places.run, name)
      await this.#commands.end((argv) => argv.includes(`unix://${path}`), signal)
      await rm(path, {force: true})
    }
  }

  /** Its socket is there a moment before it listens. */
  async #untilAnswering(commands: Pool, signal: AbortSignal): Promise<void> {
    for (let attempt = 0; attempt < CONNECT_ATTEMPTS; attempt++) {
      const answer = await commands.request({path: '/_ping', method: 'GET', signal}).catch(() => undefined)
      await answer?.body.dump()
      if (answer?.statusCode === 200) return
      await delay(CONNECT_RETRY_MS, undefined, {signal})
    }
    throw new Error('it does not answer')
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false
  )
}

function parseJson(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text)
  } catch {
    return text
  }
}

/** podman's own words for a refusal. */
function describe(answer: ApiAnswer): string {
  const body = answer.body
  if (typeof body === 'object' && body !== null && 'message' in body) return String(body.message)
  return `status ${answer.status}`
}
