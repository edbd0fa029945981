import {availableParallelism} from 'node:os'
import {Worker} from 'node:worker_threads'
import {CreoError} from '../core/errors.ts'
import {packChecks} from './packed-checks.ts'
import {verifyBytes} from './verify-bytes.ts'

const WORKER_URL = new URL(import.meta.url.endsWith('.ts') ? './signature-worker.ts' : './signature-worker.js', import.meta.url)
/** One less than the machine has processors for, since the thread that asks has work of its own. */
const THREADS_MAX = 4
/** Checks that wait or are under way. Beyond that it is faster to ask again later. */
const QUEUE_MAX = 10_000
/** The part of it that is kept for those that come alone: a few batches of commands whose signatures do not even hold would fill the rest. */
const RESERVED_SHARE = 0.2
/** Checks of one message to a thread: some ten milliseconds of its time. */
const CHUNK_MAX = 128
/** Fewer than so many that come at a time are checked in place: a message costs what two checks do. */
const CHUNK_LEAST = 4
/** Checks that the thread which asks does itself in a turn of its event loop while all others are at work: a fifth of a millisecond. */
const HELPED_MAX = 2
/** A thread that is silent for so long is given up. */
const CHUNK_TIME_MAX_MS = 10_000
/** After a thread has ended by itself, signatures are checked in place for so long before another one is started. */
const RESTART_PAUSE_MS = 1000
/** Young objects that a thread holds: it has none that live. */
const WORKER_YOUNG_MIB = 4

export interface SignatureCheck {
  /** Raw Ed25519, base64url. */
  readonly publicKey: string
  readonly data: Uint8Array
  readonly signature: Uint8Array
}

interface Waiting {
  readonly check: SignatureCheck
  readonly resolve: (holds: boolean) => void
}

interface Thread {
  readonly worker: Worker
  chunk: readonly Waiting[]
  timer: NodeJS.Timeout | undefined
}

export interface SignaturePoolOptions {
  readonly threadsMax?: number
  readonly queueMax?: number
  readonly workerUrl?: URL
}

/**
 * Checks signatures on threads of its own and in place once several come at a time, and in place alone while there are few: a lone one waits for nobody. Threads
 * are started when they are first needed. What a thread that ended had not answered is checked in place.
 */
export class SignaturePool {
  readonly #threadsMax: number
  readonly #queueMax: number
  readonly #workerUrl: URL
  readonly #threads = new Set<Thread>()
  #queue: Waiting[] = []
  #underWay = 0
  #isScheduled = false
  #restartAtMs = Number.NEGATIVE_INFINITY
  #isClosed = false

  constructor({threadsMax, queueMax = QUEUE_MAX, workerUrl = WORKER_URL}: SignaturePoolOptions = {}) {
    this.#threadsMax = threadsMax ?? Math.min(THREADS_MAX, availableParallelism() - 1)
    this.#queueMax = queueMax
    this.#workerUrl = workerUrl
  }

  /** Threads that stand now. */
  get threads(): number {
    return this.#threads.size
  }

  /**
   * Whether the signature holds.
   * @param leavesRoom for what comes alone, as requests of nodes do: set for commands, of which a thousand come at once.
   * @throws {CreoError} `overloaded` when too many wait.
   */
  verify(check: SignatureCheck, {leavesRoom = false}: {readonly leavesRoom?: boolean} = {}): Promise<boolean> {
    const max = leavesRoom ? this.#queueMax * (1 - RESERVED_SHARE) : this.#queueMax
    if (this.#queue.length + this.#underWay >= max) {
      throw new CreoError('overloaded', 'Too many signatures wait to be checked.', {hint: 'Try again in a second.'})
    }
    return new Promise((resolve) => {
      this.#queue.push({check, resolve})
      this.#schedule()
    })
  }

  /** Ends the threads; what still waits is checked in place. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#threads].map(({worker}) => worker.terminate()))
  }

  /** What comes within one turn of the event loop goes together. */
  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#handOut()
    })
  }

  #handOut(): void {
    while (this.#queue.length >= CHUNK_LEAST) {
      const thread = this.#freeThread()
      if (thread === undefined) break
      this.#send(thread, this.#queue.splice(0, this.#shareOfQueue()))
    }
    // A longer queue is a rush, of which this thread would do little, and has others to answer meanwhile.
    if (this.#queue.length === 0 || (this.#underWay > 0 && this.#queue.length > CHUNK_MAX)) return
    checkInPlace(this.#queue.splice(0, this.#underWay === 0 ? CHUNK_MAX : HELPED_MAX))
    if (this.#queue.length > 0) this.#schedule()
  }

  /** What comes at once is shared by all threads and this one: the first of it is answered, and on its way to the disk, while the rest is checked. */
  #shareOfQueue(): number {
    return Math.min(CHUNK_MAX, Math.max(CHUNK_LEAST, Math.ceil(this.#queue.length / (this.#threadsMax + 1))))
  }

  #freeThread(): Thread | undefined {
    for (const thread of this.#threads) if (thread.chunk.length === 0) return thread
    const mayStart = !this.#isClosed && this.#threads.size < this.#threadsMax && performance.now() >= this.#restartAtMs
    return mayStart ? this.#start() : undefined
  }

  #start(): Thread | undefined {
    const worker = this.#newWorker()
    if (worker === undefined) return undefined
    const thread: Thread = {worker, chunk: [], timer: undefined}
    this.#threads.add(thread)
    worker.on('message', (holds: readonly boolean[]) => this.#hear(thread, holds))
    // Its end follows, and is what is answered to.
    worker.on('error', () => undefined)
    worker.on('exit', () => this.#bury(thread))
    worker.unref()
    return thread
  }

  /** Undefined where the system has no room for one more thread. */
  #newWorker(): Worker | undefined {
    try {
      return new Worker(this.#workerUrl, {name: 'creo-signatures', resourceLimits: {maxYoungGenerationSizeMb: WORKER_YOUNG_MIB}})
    } catch {
      this.#restartAtMs = performance.now() + RESTART_PAUSE_MS
      return undefined
    }
  }

  #send(thread: Thread, chunk: readonly Waiting[]): void {
    thread.chunk = chunk
    thread.timer = setTimeout(() => void thread.worker.terminate(), CHUNK_TIME_MAX_MS)
    this.#underWay += chunk.length
    const packed = packChecks(chunk.map(({check}) => check))
    thread.worker.postMessage(packed, [packed.bytes.buffer])
  }

  #hear(thread: Thread, holds: readonly boolean[]): void {
    for (const [index, {resolve}] of this.#takeBack(thread).entries()) resolve(holds[index] === true)
    this.#handOut()
  }

  #bury(thread: Thread): void {
    this.#threads.delete(thread)
    this.#restartAtMs = performance.now() + RESTART_PAUSE_MS
    checkInPlace(this.#takeBack(thread))
    this.#handOut()
  }

  #takeBack(thread: Thread): readonly Waiting[] {
    const {chunk} = thread
    clearTimeout(thread.timer)
    thread.chunk = []
    this.#underWay -= chunk.length
    return chunk
  }
}

function checkInPlace(waiting: readonly Waiting[]): void {
  for (const {check, resolve} of waiting) resolve(verifyBytes(check.publicKey, check.data, check.signature))
}
