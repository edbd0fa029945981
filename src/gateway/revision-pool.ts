import {decideScale, type LoadSample, type ScaleSettings, type ScaleState} from '../core/autoscaling.ts'
import {CreoError} from '../core/errors.ts'
import type {RevisionEntry} from '../core/protocol/tables.ts'
import {Ejections, type Verdict} from './ejections.ts'
import type {Instance} from './instance.ts'

/** Requests of one revision that wait for an instance. */
const QUEUE_MAX = 1000
/** Longest wait for an instance; the revision's own timeout may be shorter. */
const WAIT_MAX_MS = 60_000

interface Waiter {
  readonly give: (instance: Instance) => void
  readonly fail: (error: CreoError) => void
}

/** The instances of one revision and the requests that wait for one. */
export class RevisionPool {
  entry: RevisionEntry
  readonly instances = new Set<Instance>()
  /** Those that take requests. */
  #warm: Instance[] = []
  readonly #waiters = new Set<Waiter>()
  readonly #ejections = new Ejections<Instance>()
  readonly #random: () => number
  readonly #monotonicMs: () => number
  /** Called when a request begins to wait. */
  readonly #onWaiting: (pool: RevisionPool) => void
  samples: LoadSample[] = []
  #scaleState: ScaleState = {}
  starting = 0
  /** A request went elsewhere since the last tick, because nothing was warm. */
  missed = false
  /** Since when nothing can be started for those who wait; undefined while nobody does. */
  stuckSinceMs: number | undefined
  /** Integral of the concurrency since the last sample, and what it is made from. */
  #area = 0
  #inFlight = 0
  #changedAtMs: number
  #sampledAtMs: number

  constructor(options: {
    readonly entry: RevisionEntry
    readonly random: () => number
    readonly monotonicMs: () => number
    readonly onWaiting: (pool: RevisionPool) => void
  }) {
    this.entry = options.entry
    this.#random = options.random
    this.#monotonicMs = options.monotonicMs
    this.#onWaiting = options.onWaiting
    this.#changedAtMs = options.monotonicMs()
    this.#sampledAtMs = this.#changedAtMs
  }

  get warmCount(): number {
    return this.#warm.length
  }

  get waiting(): number {
    return this.#waiters.size
  }

  /** Instances that are left out because they fail. */
  get ejected(): number {
    return this.#ejections.count
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** Nothing runs, starts or waits, and nothing did within the time that is decided by: a new pool in its place would do the same. */
  get isAsleep(): boolean {
    const isBusy = this.instances.size + this.starting + this.#inFlight + this.#waiters.size > 0 || this.missed
    return !isBusy && this.entry.spec.scaleMin === 0 && this.samples.every(({concurrency}) => concurrency === 0)
  }

  /**
   * Of two warm instances taken by chance, the one with fewer requests; undefined when all are full. Give it back with `release`.
   * `tried` has failed this request already: another one is taken where there is one.
   */
  tryAcquire(tried?: Instance): Instance | undefined {
    const instance = this.#choose(tried)
    if (instance !== undefined) this.#take(instance)
    return instance
  }

  /**
   * Waits for an instance with room.
   * @throws {CreoError} `overloaded` when too many wait, `no_instance` after the longest wait, or what `refuseWaiting` says.
   */
  wait(signal: AbortSignal): Promise<Instance> {
    if (this.#waiters.size >= QUEUE_MAX) {
      return Promise.reject(new CreoError('overloaded', 'Too many requests wait for this function.', {hint: 'Try again in a moment.'}))
    }
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.#loadChanges()
        clearTimeout(timer)
        signal.removeEventListener('abort', aborted)
        this.#waiters.delete(waiter)
        if (this.#waiters.size === 0) this.stuckSinceMs = undefined
      }
      const fail = (error: CreoError): void => {
        settle()
        reject(error)
      }
      const give = (instance: Instance): void => {
        settle()
        this.#take(instance)
        resolve(instance)
      }
      const aborted = (): void => fail(new CreoError('interrupted', 'The client has gone.'))
      const waiter: Waiter = {give, fail}
      const waitMs = Math.min(WAIT_MAX_MS, this.entry.spec.timeoutMs)
      const timer = setTimeout(() => fail(noInstance('No instance was ready in time.')), waitMs)
      this.#loadChanges()
      this.#waiters.add(waiter)
      signal.addEventListener('abort', aborted, {once: true})
      if (signal.aborted) aborted()
      else this.#onWaiting(this)
    })
  }

  /** Gives an instance back; `verdict` decides whether it is left out for a while. */
  release(instance: Instance, verdict: Verdict): void {
    this.#loadChanges()
    if (this.instances.has(instance)) this.#ejections.judge(instance, verdict, this.#changedAtMs)
    this.#inFlight -= 1
    instance.inFlight -= 1
    this.#serveWaiting()
  }

  add(instance: Instance): void {
    this.instances.add(instance)
    this.#warm.push(instance)
    this.stuckSinceMs = undefined
    this.#serveWaiting()
  }

  /** Gives it no new requests. */
  drain(instance: Instance): void {
    instance.draining = true
    this.#warm = this.#warm.filter((other) => other !== instance)
  }

  remove(instance: Instance): void {
    this.drain(instance)
    this.instances.delete(instance)
    this.#ejections.forget(instance)
  }

  /** Answers everybody who waits with an error. */
  refuseWaiting(error: CreoError): void {
    this.stuckSinceMs = undefined
    for (const waiter of [...this.#waiters]) waiter.fail(error)
  }

  /** The average concurrency since the last sample, those who wait included. Kept for `keepMs`. */
  sample(keepMs: number): void {
    this.#loadChanges()
    const atMs = this.#changedAtMs
    const spanMs = atMs - this.#sampledAtMs
    if (spanMs <= 0) return
    this.samples.push({atMs, concurrency: this.#area / spanMs})
    this.samples = this.samples.filter((sample) => sample.atMs > atMs - keepMs)
    this.#area = 0
    this.#sampledAtMs = atMs
  }

  /** How many instances its load asks for. */
  decideScale(nowMs: number, settings: ScaleSettings): number {
    const {concurrency, scaleMin, scaleMax} = this.entry.spec
    const {samples, warmCount: ready} = this
    const {desired, state} = decideScale({samples, nowMs, ready, concurrency, scaleMin, scaleMax, state: this.#scaleState, settings})
    this.#scaleState = state
    return desired
  }

  #choose(tried?: Instance): Instance | undefined {
    const usable = this.#ejections.count === 0 ? this.#warm : this.#ejections.usable(this.#warm, this.#monotonicMs())
    const others = tried === undefined ? usable : usable.filter((instance) => instance !== tried)
    const warm = others.length === 0 ? usable : others
    if (warm.length > 1) {
      const first = Math.floor(this.#random() * warm.length)
      const second = (first + 1 + Math.floor(this.#random() * (warm.length - 1))) % warm.length
      const [a, b] = [warm[first], warm[second]]
      const better = a !== undefined && b !== undefined && b.inFlight < a.inFlight ? b : a
      if (better?.hasRoom) return better
    }
    return warm.find((instance) => instance.hasRoom)
  }

  #take(instance: Instance): void {
    this.#loadChanges()
    this.#inFlight += 1
    instance.inFlight += 1
  }

  #serveWaiting(): void {
    for (const waiter of this.#waiters) {
      const instance = this.#choose()
      if (instance === undefined) return
      waiter.give(instance)
    }
  }

  /** Called before the number of requests or of those who wait changes. */
  #loadChanges(): void {
    const nowMs = this.#monotonicMs()
    this.#area += (this.#inFlight + this.#waiters.size) * (nowMs - this.#changedAtMs)
    this.#changedAtMs = nowMs
  }
}

export function noInstance(message: string): CreoError {
  return new CreoError('no_instance', message, {hint: 'Try again in a moment.'})
}
