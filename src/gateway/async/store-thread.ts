import {Worker} from 'node:worker_threads'
import {CreoError} from '../../core/errors.ts'
import type {CallStore} from './call-store.ts'
import type {FromStore, StoreMethod, StoreOrder, ToStore} from './store-messages.ts'
import type {WaitingCall} from './stored-call.ts'

const WORKER_URL = new URL(import.meta.url.endsWith('.ts') ? './store-worker.ts' : './store-worker.js', import.meta.url)
const GROUP_ORDERS_MAX = 1000
const GROUP_BYTES_MAX = 16 * 2 ** 20
/** Orders that wait for the disk. */
const ORDERS_MAX = 20_000
const CLOSE_MAX_MS = 5000

interface Waiting {
  readonly order: StoreOrder
  readonly bytes: number
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: CreoError) => void
}

/** The queue's file as seen from the gateway: what is ordered while one group is synced becomes the next one, so many posts share one sync. */
export class StoreThread {
  readonly #worker: Worker
  readonly #onFailed: (error: CreoError) => void
  readonly #opened = Promise.withResolvers<readonly WaitingCall[]>()
  readonly #closed = Promise.withResolvers<undefined>()
  readonly #waiting: Waiting[] = []
  #group: readonly Waiting[] = []
  #isOpen = false
  #failure: CreoError | undefined

  private constructor(path: string, onFailed: (error: CreoError) => void) {
    this.#onFailed = onFailed
    this.#worker = new Worker(WORKER_URL, {workerData: path, name: 'creo-calls'})
    this.#worker.on('message', (message: FromStore) => this.#hear(message))
    this.#worker.on('error', (error: Error) => this.#fail(error.message))
    this.#worker.on('exit', () => {
      this.#closed.resolve(undefined)
      this.#fail('its thread has ended')
    })
  }

  /**
   * Opens the file at this path, or makes it. `onFailed` is told once when it can't be written any more.
   * @throws {CreoError} `data_dir_unwritable`
   */
  static async open(
    path: string,
    onFailed: (error: CreoError) => void
  ): Promise<{readonly store: StoreThread; readonly waiting: readonly WaitingCall[]}> {
    const store = new StoreThread(path, onFailed)
    return {store, waiting: await store.#opened.promise}
  }

  /**
   * Has it done; what is answered is on disk.
   * @throws {CreoError} `overloaded` when too much waits for the disk, `unavailable` when it is full or failed.
   */
  run<M extends StoreMethod>(method: M, asked: Parameters<CallStore[M]>[0], bytes = 0): Promise<ReturnType<CallStore[M]>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#waiting.length >= ORDERS_MAX) {
      return Promise.reject(new CreoError('overloaded', 'Too many calls wait for the disk.', {hint: 'Try again in a moment.'}))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({order: {method, asked}, bytes, resolve: resolve as (answer: unknown) => void, reject})
      // What comes in the same turn goes along.
      if (this.#group.length === 0) queueMicrotask(() => this.#next())
    })
  }

  /** Ends after what was ordered. */
  async close(): Promise<void> {
    if (this.#failure === undefined) {
      // A read behind everything that was ordered.
      await this.run('find', '').catch(() => undefined)
      this.#isOpen = false
      this.#send({type: 'close'})
      const late = setTimeout(() => this.#closed.resolve(undefined), CLOSE_MAX_MS)
      await this.#closed.promise
      clearTimeout(late)
    }
    await this.#worker.terminate()
  }

  #send(message: ToStore): void {
    this.#worker.postMessage(message)
  }

  #next(): void {
    if (this.#group.length > 0 || this.#waiting.length === 0 || !this.#isOpen) return
    let bytes = 0
    let count = 0
    while (count < Math.min(GROUP_ORDERS_MAX, this.#waiting.length)) {
      bytes += this.#waiting[count]?.bytes ?? 0
      if (count > 0 && bytes > GROUP_BYTES_MAX) break
      count += 1
    }
    this.#group = this.#waiting.splice(0, count)
    this.#send({type: 'group', orders: this.#group.map(({order}) => order)})
  }

  #hear(message: FromStore): void {
    if (message.type === 'opened') {
      this.#isOpen = true
      this.#opened.resolve(message.waiting)
    } else if (message.type === 'committed') {
      for (const [index, {resolve}] of this.#takeGroup().entries()) resolve(message.answers[index])
    } else if (message.type === 'disk_full') {
      const full = new CreoError('unavailable', 'The disk of this gateway is full.', {hint: 'Try again later, or ask another gateway.'})
      for (const {reject} of this.#takeGroup()) reject(full)
    } else if (message.type === 'failed') this.#fail(message.message)
    else this.#closed.resolve(undefined)
    this.#next()
  }

  #takeGroup(): readonly Waiting[] {
    const group = this.#group
    this.#group = []
    return group
  }

  #fail(reason: string): void {
    if (this.#failure !== undefined) return
    const wasOpen = this.#isOpen
    this.#isOpen = false
    this.#failure = new CreoError(wasOpen ? 'unavailable' : 'data_dir_unwritable', `The queue of calls can't be written: ${reason}`, {
      hint: 'Look at the disk, then start the gateway again.'
    })
    this.#opened.promise.catch(() => undefined)
    this.#opened.reject(this.#failure)
    for (const {reject} of [...this.#takeGroup(), ...this.#waiting.splice(0)]) reject(this.#failure)
    if (wasOpen) this.#onFailed(this.#failure)
  }
}
