import {existsSync} from 'node:fs'
import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import type {Duplex} from 'node:stream'
import {deliveriesAtATime} from '../../core/async-calls.ts'
import {CreoError} from '../../core/errors.ts'
import type {Log} from '../../telemetry/log.ts'
import type {WebOptions} from '../../tunnel/web-post.ts'
import type {Client} from '../http/client-call.ts'
import type {TableIndex} from '../table-index.ts'
import {AsyncEndpoint, type AsyncEndpointOptions} from './async-endpoint.ts'
import {deliverCall} from './call-delivery.ts'
import {CallQueue} from './call-queue.ts'
import type {DiskChoices} from './disk-room.ts'
import type {QueueLimits} from './queue-room.ts'
import {postCallback} from './web-callback.ts'

/** Of one function; of an app's callbacks as well. */
const DELIVERIES_PER_FUNCTION_MAX = 32
const CALLBACKS_MAX = 8

/** What may differ from docs/GATEWAY.md, so that a test need not wait or fill a disk. */
export interface AsyncChoices {
  readonly limits?: QueueLimits
  readonly disk?: DiskChoices
  readonly backoffFirstMs?: number
  readonly probeAnswerMaxMs?: number
  /** How callbacks leave. */
  readonly web?: WebOptions
}

export interface AsyncCallsOptions extends Omit<AsyncEndpointOptions, 'queue'> {
  /** Of the gateway; the queue has a folder of its own in it. */
  readonly dataDirectory: string
  readonly log: Log
  readonly monotonicMs: () => number
  readonly choices: AsyncChoices | undefined
  /** Serves requests that come on this stream. */
  serve(socket: Duplex, client: Client): void
  onFatal(error: unknown): void
}

/** Calls that are answered later: the queue, opened when the first one comes or when an earlier process left one, and who is asked for it. */
export class AsyncCalls {
  readonly endpoint: AsyncEndpoint
  readonly #options: AsyncCallsOptions
  readonly #directory: string
  #table: TableIndex | undefined
  #queue: Promise<CallQueue> | undefined
  #open: CallQueue | undefined
  #isClosed = false

  constructor(options: AsyncCallsOptions) {
    this.#options = options
    this.#directory = join(options.dataDirectory, 'async')
    this.endpoint = new AsyncEndpoint({...options, probeAnswerMaxMs: options.choices?.probeAnswerMaxMs, queue: () => this.#opened()})
  }

  get counts(): CallQueue['counts'] {
    return this.#open?.counts ?? {waiting: 0, running: 0}
  }

  /** Takes up what an earlier process left. @throws {CreoError} `data_dir_unwritable` */
  async load(): Promise<void> {
    if (existsSync(this.#path)) await this.#opened()
  }

  useTable(table: TableIndex): void {
    this.#table = table
  }

  /** Begins no further attempt, gives those under way a moment, and closes the file. */
  async close(): Promise<void> {
    this.#isClosed = true
    await (await this.#queue?.catch(() => undefined))?.close()
  }

  get #path(): string {
    return join(this.#directory, 'queue.sqlite')
  }

  /** By the settings of the function `org/app/name`; all other names are of callbacks. */
  #deliveriesMax(of: string): number {
    const [org = '', app = '', name = ''] = of.split('/')
    const {revision = ''} = this.#table?.function({org, app, function: name}) ?? {}
    const spec = this.#table?.revision(revision)?.spec
    return spec === undefined ? CALLBACKS_MAX : deliveriesAtATime(spec, DELIVERIES_PER_FUNCTION_MAX)
  }

  #opened(): Promise<CallQueue> {
    if (this.#isClosed) return Promise.reject(new CreoError('unavailable', 'This gateway is stopping.', {hint: 'Try again in a moment.'}))
    if (this.#queue === undefined) {
      this.#queue = this.#openQueue()
      this.#queue.catch(() => {
        this.#queue = undefined
      })
    }
    return this.#queue
  }

  async #openQueue(): Promise<CallQueue> {
    const {now, random, log, choices = {}, serve, routing, onFatal} = this.#options
    const {web = {}, ...rest} = choices
    await mkdir(this.#directory, {recursive: true, mode: 0o700})
    this.#open = await CallQueue.open({
      path: this.#path,
      now,
      random,
      log,
      ...rest,
      deliveriesMax: (name) => (routing() === undefined ? 0 : this.#deliveriesMax(name)),
      deliver: (call, signal) => (call.request.leavesNetwork ? postCallback(call, web, signal) : deliverCall(call, serve, signal)),
      onFatal
    })
    return this.#open
  }
}
