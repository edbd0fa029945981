import {dirname} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {type AfterAttempt, afterAttempt} from '../../core/async-calls.ts'
import {type CreoError, isCreoError} from '../../core/errors.ts'
import type {CallState} from '../../core/protocol/async.ts'
import type {Log} from '../../telemetry/log.ts'
import type {Delivered} from './call-delivery.ts'
import {CallTurns} from './call-turns.ts'
import {callbackOf} from './callback-call.ts'
import {type DiskChoices, DiskRoom} from './disk-room.ts'
import {DueList} from './due-list.ts'
import {EndedCalls} from './ended-calls.ts'
import {type QueueLimits, QueueRoom} from './queue-room.ts'
import {StoreThread} from './store-thread.ts'
import {bytesOf, type NewCall, type PutAnswer, type StoredCall, type TakenCall, type WaitingCall, waitingOf} from './stored-call.ts'

/** Calls that wait: at most so many, an app a quarter. */
export const QUEUE_LIMITS: QueueLimits = {entriesMax: 100_000, bytesMax: 2 ** 30, appShare: 0.25}
/** Attempts under way, over all functions, and of one org's. */
const DELIVERIES_MAX = 128
const ORG_DELIVERIES_MAX = DELIVERIES_MAX / 4
/** How often it is looked whether more may be delivered, besides when something ends. */
const LOOK_MS = 1000
const TIMER_MIN_MS = 10
/** An attempt that could not be noted is tried again after so long, and so is a result that waits for the disk. */
const STORE_RETRY_MS = 5000
const RESULT_RETRY_MS = 1000
/** Attempts under way when the gateway stops get so long; what is cut then is tried again after its next start. */
const CLOSE_MAX_MS = 5000

export interface CallQueueOptions {
  readonly path: string
  readonly now: () => number
  readonly random: () => number
  readonly log: Log
  readonly limits?: QueueLimits
  readonly disk?: DiskChoices
  readonly backoffFirstMs?: number
  /** How many calls of this function may be under way; 0 while nothing of it can be delivered. */
  deliveriesMax(name: string): number
  deliver(call: TakenCall, signal: AbortSignal): Promise<Delivered>
  onFatal(error: CreoError): void
}

/** All calls of one gateway that are answered later: each is delivered until it succeeds, fails for good or is cancelled. */
export class CallQueue {
  readonly #options: CallQueueOptions
  readonly #store: StoreThread
  readonly #room: QueueRoom
  readonly #disk: DiskRoom
  readonly #calls = new Map<string, WaitingCall>()
  readonly #running = new Map<string, AbortController>()
  readonly #turns = new CallTurns(ORG_DELIVERIES_MAX)
  readonly #due = new DueList()
  readonly #looker: NodeJS.Timeout
  readonly #ended: EndedCalls
  #timer: NodeJS.Timeout | undefined
  #isClosing = false
  #idle: (() => void) | undefined

  private constructor(options: CallQueueOptions, store: StoreThread) {
    this.#options = options
    this.#store = store
    this.#room = new QueueRoom(options.limits ?? QUEUE_LIMITS)
    this.#disk = new DiskRoom(dirname(options.path), options.now, options.disk)
    this.#looker = setInterval(() => this.#look(), LOOK_MS)
    this.#ended = new EndedCalls(store, options.now)
  }

  /** Takes up what an earlier process left. @throws {CreoError} `data_dir_unwritable` */
  static async open(options: CallQueueOptions): Promise<CallQueue> {
    const {store, waiting} = await StoreThread.open(options.path, options.onFatal)
    const queue = new CallQueue(options, store)
    for (const call of waiting) queue.#hold(call)
    queue.#pump()
    return queue
  }

  /** Calls that have not ended, and of these those under way. */
  get counts(): {readonly waiting: number; readonly running: number} {
    return {waiting: this.#room.entries, running: this.#running.size}
  }

  /** On disk when this resolves. @throws {CreoError} `overloaded`, `rate_limited`, `unavailable` */
  async post(call: NewCall): Promise<PutAnswer> {
    const bytes = bytesOf(call)
    this.#room.take(call.app, bytes)
    let answer: PutAnswer | undefined
    try {
      await this.#disk.take(bytes)
      answer = await this.#store.run('put', call, bytes)
    } finally {
      if (answer?.put !== 'stored') this.#room.give(call.app, bytes)
    }
    if (answer.put === 'stored') {
      this.#calls.set(call.id, waitingOf(call, bytes))
      this.#turns.add(call.function, call.id)
      this.#pump()
    }
    return answer
  }

  async find(id: string) {
    const found = await this.#store.run('find', id)
    return found && {...found, state: this.stateOf(found.call)}
  }

  /** Newest first. */
  async list(filter: {
    readonly app: string
    readonly state: CallState | undefined
    readonly limit: number
  }): Promise<readonly StoredCall[]> {
    const {state} = filter
    const calls = await this.#store.run('list', {...filter, state: state === 'running' ? 'queued' : state})
    return state === 'running' || state === 'queued' ? calls.filter((call) => this.stateOf(call) === state) : calls
  }

  stateOf({id, state}: Pick<StoredCall, 'id' | 'state'>): CallState {
    return state === 'queued' && this.#running.has(id) ? 'running' : state
  }

  /** Ends a call that has not ended; an attempt under way is called off. False when it had ended, or nobody knows it. */
  async cancel(id: string): Promise<boolean> {
    const isEnded = await this.#store.run('end', {id, state: 'cancelled', atMs: this.#options.now()})
    if (!isEnded) return false
    this.#forget(id)
    this.#running.get(id)?.abort()
    this.#ended.count(0)
    return true
  }

  /** Takes a failed call up again. False when it is none. @throws {CreoError} `overloaded`, `rate_limited` where a new one would find no room */
  async retry(id: string): Promise<boolean> {
    const failed = await this.#store.run('failed', id)
    if (failed === undefined) return false
    this.#room.take(failed.app, failed.bytes)
    let call: WaitingCall | undefined
    try {
      call = await this.#store.run('retry', {id, nowMs: this.#options.now()})
    } finally {
      this.#room.give(failed.app, failed.bytes)
    }
    if (call === undefined) return false
    this.#hold(call)
    this.#pump()
    return true
  }

  /** Begins nothing more, gives what is under way a moment, and closes the file. */
  async close(): Promise<void> {
    this.#isClosing = true
    clearInterval(this.#looker)
    this.#ended.close()
    clearTimeout(this.#timer)
    if (this.#running.size > 0) {
      const {promise, resolve} = Promise.withResolvers<void>()
      this.#idle = resolve
      const late = setTimeout(resolve, CLOSE_MAX_MS)
      await promise
      clearTimeout(late)
    }
    for (const running of this.#running.values()) running.abort()
    await this.#store.close()
  }

  /** Knows a call that is on disk. */
  #hold(call: WaitingCall): void {
    if (this.#calls.has(call.id)) return
    this.#room.add(call.app, call.bytes)
    this.#calls.set(call.id, call)
    if (call.dueAtMs <= this.#options.now()) this.#turns.add(call.function, call.id)
    else this.#later(call)
  }

  #forget(id: string): void {
    const call = this.#calls.get(id)
    if (call === undefined) return
    this.#calls.delete(id)
    this.#room.give(call.app, call.bytes)
    this.#turns.remove(call.function, id)
    this.#due.remove({id, atMs: call.dueAtMs})
  }

  #later(call: WaitingCall): void {
    this.#calls.set(call.id, call)
    this.#due.add({id: call.id, atMs: call.dueAtMs})
    this.#wait()
  }

  #wait(): void {
    const {nextMs} = this.#due
    clearTimeout(this.#timer)
    if (nextMs === undefined || this.#isClosing) return
    const ms = Math.max(TIMER_MIN_MS, Math.min(LOOK_MS, nextMs - this.#options.now()))
    this.#timer = setTimeout(() => this.#pump(), ms)
  }

  #look(): void {
    this.#turns.reconsider()
    this.#pump()
  }

  /** Begins as many attempts as may be. */
  #pump(): void {
    if (this.#isClosing) return
    const nowMs = this.#options.now()
    for (let id = this.#due.take(nowMs); id !== undefined; id = this.#due.take(nowMs)) {
      const call = this.#calls.get(id)
      if (call !== undefined) this.#turns.add(call.function, id)
    }
    this.#wait()
    while (this.#running.size < DELIVERIES_MAX) {
      const turn = this.#turns.next((name) => this.#options.deliveriesMax(name))
      if (turn === undefined) return
      void this.#attempt(turn)
    }
  }

  async #attempt({id, function: name}: Pick<WaitingCall, 'id' | 'function'>): Promise<void> {
    const stop = new AbortController()
    this.#running.set(id, stop)
    try {
      const taken = await this.#store.run('take', id)
      if (taken === undefined) this.#forget(id)
      else if (this.#calls.has(id)) {
        const delivered = await this.#options.deliver(taken, stop.signal)
        await this.#keep(taken, delivered, stop.signal)
      }
    } catch (error) {
      if (!isCreoError(error)) this.#options.log.error({err: error, call: id}, 'an attempt failed')
      const call = this.#calls.get(id)
      if (call !== undefined) this.#later({...call, dueAtMs: this.#options.now() + STORE_RETRY_MS})
    }
    // Its next attempt may have begun within this very turn.
    if (this.#running.get(id) === stop) this.#running.delete(id)
    this.#turns.done(name)
    if (this.#running.size === 0) this.#idle?.()
    this.#pump()
  }

  /** What was delivered is not delivered again because the disk is full or behind: its result waits for the disk. */
  async #keep(taken: TakenCall, delivered: Delivered, signal: AbortSignal): Promise<void> {
    while (this.#calls.has(taken.id) && !(this.#isClosing && signal.aborted)) {
      try {
        return await this.#settle(taken, delivered)
      } catch (error) {
        if (!isCreoError(error) || signal.aborted) throw error
        await delay(RESULT_RETRY_MS, undefined, {signal}).catch(() => undefined)
      }
    }
  }

  async #settle(taken: TakenCall, delivered: Delivered): Promise<void> {
    const {now, random, backoffFirstMs} = this.#options
    const nowMs = now()
    const {attempts, acceptedAtMs} = taken
    const facts = {attempts, acceptedAtMs, nowMs, random: random(), ...(backoffFirstMs !== undefined && {backoffFirstMs})}
    const after = afterAttempt(delivered.attempted, facts)
    if (after.next === 'again') await this.#again(taken, after.atMs, delivered)
    else await this.#end(taken, after.next, delivered)
  }

  async #again({id}: TakenCall, dueAtMs: number, {error}: Delivered): Promise<void> {
    await this.#store.run('again', {id, dueAtMs, error})
    const call = this.#calls.get(id)
    if (call !== undefined) this.#later({...call, dueAtMs})
  }

  async #end(taken: TakenCall, state: Exclude<AfterAttempt['next'], 'again'>, {answer, error}: Delivered): Promise<void> {
    const atMs = this.#options.now()
    const callback = callbackOf(taken, {state, atMs, answer, error}, (bytes) => this.#growTo(taken.id, bytes))
    const ending = {
      id: taken.id,
      state,
      atMs,
      ...(error !== undefined && {error}),
      ...(answer !== undefined && {result: answer.result, body: answer.body}),
      ...(callback !== undefined && {callback})
    }
    const bytes = answer === undefined ? 0 : answer.body.length + JSON.stringify(answer.result).length
    const isEnded = await this.#store.run('end', ending, bytes)
    this.#forget(taken.id)
    if (isEnded && callback !== undefined) this.#hold(waitingOf(callback, bytesOf(callback)))
    this.#ended.count(bytes)
  }

  /** What a call takes becomes what its callback will, so that the callback finds room. */
  #growTo(id: string, bytes: number): boolean {
    const call = this.#calls.get(id)
    if (call === undefined) return false
    if (bytes > call.bytes) {
      if (!this.#room.grow(call.app, bytes - call.bytes)) return false
      this.#calls.set(id, {...call, bytes})
    }
    return true
  }
}
