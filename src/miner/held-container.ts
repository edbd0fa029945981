import {Readable} from 'node:stream'
import {CreoError} from '../core/errors.ts'
import type {RevisionEntry} from '../core/protocol/tables.ts'
import type {ContainerRuntime, InstanceExit, InstanceSpec, RuntimeInstance, WaitingTier} from '../runtime/port.ts'
import type {Log} from '../telemetry/log.ts'
import type {UpgradedSocket} from '../tunnel/dial-upgrade.ts'
import type {LogPositions} from './log-positions.ts'
import type {LogRing} from './log-ring.ts'
import type {SecretBook} from './secret-book.ts'
import type {OpenedWaysOut, WaysOutOwner} from './ways-out.ts'

const STOP_TIMEOUT_MS = 60_000
const PIDS_MAX = 256
const SCRATCH_BYTES = 64 * 2 ** 20
const LOG_BYTES = 2 ** 20
/** How long the last words of a process are waited for before its container goes. */
const LAST_WORDS_MAX_MS = 1000

/** What a container needs of the node around it. */
export interface ContainerSurroundings {
  readonly runtime: ContainerRuntime
  readonly logs: LogRing
  readonly positions: Pick<LogPositions, 'get' | 'forget'>
  readonly openWaysOut: (of: WaysOutOwner) => Promise<OpenedWaysOut>
  /** What a function finds in its environment beside what its revision says. */
  readonly secrets: Pick<SecretBook, 'environment'>
  /** Takes what is left of them off the disk. */
  readonly removeWaysOut: (id: string) => Promise<void>
  /** Opens a connection to a gateway, the instance's own if it is there, for what the instance calls. */
  readonly dialCalls: (caller: ContainerCaller, signal: AbortSignal) => Promise<UpgradedSocket>
  readonly now: () => number
  readonly log: Log
}

/** As whom a container calls other functions. */
export interface ContainerCaller {
  readonly gateway: string
  readonly instance: string
  readonly lease: string
}

/** Who is told what becomes of a container. */
export interface ContainerHolder {
  /** Undefined while it is nobody's instance: then it calls nobody. */
  readonly caller: ContainerCaller | undefined
  /** Its process ended without having been asked to; the container is still there. */
  readonly onExit: (exit: InstanceExit) => void
  /** Nothing of it is left. */
  readonly onGone: () => void
}

/** Holds what somebody else is about to hold. */
export const NOBODY: ContainerHolder = {caller: undefined, onExit: () => undefined, onGone: () => undefined}

/** What making a container takes beside its revision. */
export interface ContainerMaking {
  readonly imageDigest: string
  /** Kept with the container, so that a later process knows it again. */
  readonly labels: InstanceSpec['labels']
  readonly signal: AbortSignal
}

/** One container on this node, with its ways out and its log, from its making or its adoption until nothing of it is left. */
export class HeldContainer {
  readonly id: string
  readonly #around: ContainerSurroundings
  #holder: ContainerHolder
  #isWatched = false
  #runtime: RuntimeInstance | undefined
  #waysOut: OpenedWaysOut | undefined
  #exit: InstanceExit | undefined
  #stopping = false
  /** Settles when what the runtime was asked last has, however it went: only then is it known whether there is something to stop. */
  #busy: Promise<void> = Promise.resolve()
  /** Calls off what the runtime was asked. */
  readonly #calledOff = new AbortController()
  /** The removal under way; one that failed is tried again. */
  #removal: Promise<void> | undefined
  readonly #logs = new AbortController()
  /** Resolves once everything that it printed was read. */
  #printed: Promise<void> = Promise.resolve()

  constructor(id: string, around: ContainerSurroundings, holder: ContainerHolder) {
    this.id = id
    this.#around = around
    this.#holder = holder
  }

  /** The runtime's part; undefined until it is started or adopted. */
  get runtime(): RuntimeInstance | undefined {
    return this.#runtime
  }

  /** How its process ended, if it did so by itself. */
  get exit(): InstanceExit | undefined {
    return this.#exit
  }

  /** Passes it on: from now on another one is told, and the function calls others as that one's. */
  hold(holder: ContainerHolder): void {
    this.#holder = holder
    this.#waysOut?.cutCalls()
  }

  /** What its output goes by. */
  get #name(): string {
    return this.#holder.caller?.instance ?? this.id
  }

  get isStopping(): boolean {
    return this.#stopping
  }

  /** True when a removal failed, so that another should be tried. */
  get isLeftOver(): boolean {
    return this.#stopping && this.#removal === undefined
  }

  get waysOutBytes(): number {
    return this.#waysOut?.bytes ?? 0
  }

  /** Starts it from nothing; its removal calls that off. */
  async start(revision: RevisionEntry, making: ContainerMaking): Promise<RuntimeInstance> {
    return await this.#occupy(this.#make(revision, making, (spec, signal) => this.#around.runtime.start(spec, signal)))
  }

  /** Makes it ready ahead of need, without a process. */
  async create(revision: RevisionEntry, tier: WaitingTier, making: ContainerMaking): Promise<void> {
    await this.#occupy(this.#make(revision, making, (spec, signal) => this.#around.runtime.create(spec, tier, signal)))
  }

  /** Takes its processes off the CPU, with everything as it is. */
  async freeze(signal: AbortSignal): Promise<void> {
    if (this.#runtime !== undefined && !this.#stopping) await this.#occupy(this.#runtime.freeze(signal))
  }

  /** Lets it run, from whatever tier it waits at. What it was asked before comes to its end first. */
  async wake(signal: AbortSignal): Promise<RuntimeInstance> {
    await this.#busy
    const runtime = this.#runtime
    if (runtime === undefined || this.#exit !== undefined || this.#stopping) {
      throw new CreoError('failed', 'The container that waited is gone.', {hint: 'Another is started.'})
    }
    const awake = AbortSignal.any([signal, this.#calledOff.signal])
    await this.#occupy(runtime.tier === 'frozen' ? runtime.thaw(awake) : runtime.run(awake))
    return runtime
  }

  /** What it holds of the machine's memory now. */
  async memoryBytes(signal: AbortSignal): Promise<number> {
    return (await this.#runtime?.stats(signal))?.memoryBytes ?? 0
  }

  async #make(
    revision: RevisionEntry,
    {imageDigest, labels, signal}: ContainerMaking,
    make: (spec: InstanceSpec, signal: AbortSignal) => Promise<RuntimeInstance>
  ): Promise<RuntimeInstance> {
    const spec = await this.#spec(revision, imageDigest, labels)
    this.#runtime = await make(spec, AbortSignal.any([signal, this.#calledOff.signal]))
    return this.#runtime
  }

  async #occupy<Result>(work: Promise<Result>): Promise<Result> {
    this.#busy = work.then(ignore, ignore)
    return await work
  }

  /** Takes over what an earlier process left. */
  adopt(runtime: RuntimeInstance): void {
    this.#runtime = runtime
  }

  /** Before its start, and again for a container of an earlier process, whose sockets ended with that. */
  async openWaysOut(revision: RevisionEntry): Promise<OpenedWaysOut> {
    const secrets = (): Promise<Record<string, string>> => this.#around.secrets.environment(revision)
    const dialCalls: WaysOutOwner['dialCalls'] = (signal) => this.#dialCalls(signal)
    this.#waysOut = await this.#around.openWaysOut({id: this.id, spec: revision.spec, dialCalls, secrets})
    return this.#waysOut
  }

  #dialCalls(signal: AbortSignal): Promise<UpgradedSocket> {
    const {caller} = this.#holder
    if (caller !== undefined) return this.#around.dialCalls(caller, signal)
    return Promise.reject(
      new CreoError('unavailable', 'This instance serves nobody now.', {hint: 'Call others while a request is served.'})
    )
  }

  /** Follows what its process prints and how it ends, from the first call on. */
  watch(runtime: RuntimeInstance, revision: string): void {
    if (this.#isWatched) return
    this.#isWatched = true
    const {now, log} = this.#around
    this.#printed = this.#follow(runtime, {revision, instance: () => this.#name, now, container: this.id})
    const gone = (exit: InstanceExit): void => {
      if (this.#stopping) return
      this.#exit = exit
      log.info({instance: this.#name, ...exit}, 'an instance ended by itself')
      this.#holder.onExit(exit)
    }
    void runtime.exited
      .then(gone)
      .catch((error: unknown) => log.warn({instance: this.id, error: String(error)}, 'the end of an instance was missed'))
  }

  /** What an earlier process has told already is left out; unless the runtime has dropped so much of it that its place is not known any more. */
  async #follow(runtime: RuntimeInstance, origin: Parameters<LogRing['follow']>[1]): Promise<void> {
    const {logs, positions} = this.#around
    const fromBytes = positions.get(this.id) ?? 0
    const isThere = fromBytes > 0 && (await bytesOf(runtime.logs({follow: false}, this.#logs.signal))) >= fromBytes
    const output = runtime.logs({follow: true}, this.#logs.signal)
    if (!isThere) return await logs.follow(output, origin)
    await logs.follow(Readable.from(without(output, fromBytes), {objectMode: false}), {...origin, fromBytes})
  }

  /** Stops it, and removes everything that it left. What can't be removed is `isLeftOver`. */
  async remove(graceMs: number): Promise<void> {
    this.#stopping = true
    this.#removal ??= this.#removeOnce(graceMs).catch((error: unknown) => {
      this.#removal = undefined
      this.#around.log.warn({instance: this.id, error: String(error)}, 'an instance could not be removed; it is tried again')
    })
    await this.#removal
  }

  async #removeOnce(graceMs: number): Promise<void> {
    this.#calledOff.abort(new CreoError('interrupted', 'The start was called off.'))
    await this.#busy
    if (this.#exit !== undefined) await this.#lastWords()
    await this.#runtime?.stop({graceMs}, AbortSignal.timeout(STOP_TIMEOUT_MS + graceMs))
    await this.#lastWords()
    this.#logs.abort()
    await this.#waysOut?.close()
    await this.#around.removeWaysOut(this.id)
    this.#around.positions.forget(this.id)
    this.#holder.onGone()
  }

  async #lastWords(): Promise<void> {
    const {promise: late, resolve} = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, LAST_WORDS_MAX_MS)
    await Promise.race([this.#printed, late])
    clearTimeout(timer)
  }

  async #spec(revision: RevisionEntry, imageDigest: string, labels: InstanceSpec['labels']): Promise<InstanceSpec> {
    const {bound} = await this.openWaysOut(revision)
    const {spec} = revision
    const {memoryBytes, cpuMillis} = spec
    return {
      id: this.id,
      imageDigest,
      argv: spec.command,
      env: spec.env,
      port: spec.port,
      limits: {memoryBytes, cpuMillis, pidsMax: PIDS_MAX, scratchBytes: SCRATCH_BYTES, logBytes: LOG_BYTES},
      ...(bound !== undefined && {waysOut: bound}),
      labels: {...labels, revision: revision.id}
    }
  }
}

function ignore(): void {}

/** 0 for an output that breaks off. */
async function bytesOf(output: Readable): Promise<number> {
  let bytes = 0
  try {
    for await (const chunk of output) bytes += (chunk as Buffer).length
  } catch {
    return 0
  }
  return bytes
}

async function* without(output: Readable, firstBytes: number): AsyncGenerator<Buffer> {
  let left = firstBytes
  for await (const chunk of output) {
    const bytes = chunk as Buffer
    if (left < bytes.length) yield bytes.subarray(left)
    left = Math.max(0, left - bytes.length)
  }
}
