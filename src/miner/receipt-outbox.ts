import type {ReceiptAnswer} from '../client/answers.ts'
import type {Client} from '../client/client.ts'
import {isCreoError} from '../core/errors.ts'
import type {Log} from '../telemetry/log.ts'
import {Backoff} from './backoff.ts'
import type {MinerStore, StoredReceipt} from './miner-store.ts'

const BATCH_MAX = 100
const RETRY_FIRST_MS = 500
const RETRY_MOST_MS = 60_000
const SUBMIT_TIMEOUT_MS = 30_000

export interface ReceiptOutboxOptions {
  readonly store: MinerStore
  readonly client: Pick<Client, 'postReceipts'>
  readonly random: () => number
  readonly log: Log
}

/** Brings signed receipts to the coordinator, for as long as it takes. Sending one twice is harmless: it is paid once by its id. */
export class ReceiptOutbox {
  readonly #options: ReceiptOutboxOptions
  readonly #backoff: Backoff
  #wake: () => void = () => undefined
  #woken = false

  constructor(options: ReceiptOutboxOptions) {
    this.#options = options
    this.#backoff = new Backoff({firstMs: RETRY_FIRST_MS, mostMs: RETRY_MOST_MS, random: options.random})
  }

  /** Says that a receipt was added. */
  added(): void {
    this.#woken = true
    this.#wake()
  }

  /** Submits until the signal fires; sleeps while there is nothing to submit. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const result = await this.flush(signal)
      if (result === 'waiting') await this.#backoff.wait(signal)
      else await this.#untilAdded(signal)
    }
  }

  /** One pass over all that waits. `waiting` when some of it must be tried again later. */
  async flush(signal: AbortSignal): Promise<'empty' | 'waiting'> {
    let after = 0
    let waiting = false
    for (;;) {
      this.#woken = false
      const batch = this.#options.store.pending(BATCH_MAX, after)
      const last = batch.at(-1)
      if (last === undefined) return waiting ? 'waiting' : 'empty'
      after = last.number
      const outcome = await this.#submit(batch, signal)
      if (outcome === 'unreachable') return 'waiting'
      if (outcome === 'some_later') waiting = true
      else this.#backoff.succeeded()
    }
  }

  async #submit(batch: readonly StoredReceipt[], signal: AbortSignal): Promise<'settled' | 'some_later' | 'unreachable'> {
    const {client, log} = this.#options
    try {
      const receipts = batch.map((stored) => stored.receipt)
      const answers = await client.postReceipts(receipts, AbortSignal.any([signal, AbortSignal.timeout(SUBMIT_TIMEOUT_MS)]))
      const byId = new Map(answers.map((answer) => [answer.id, answer]))
      const settled = batch.filter(({id}) => this.#settle(id, byId.get(id)))
      return settled.length === batch.length ? 'settled' : 'some_later'
    } catch (error) {
      if (!signal.aborted) log.info({code: isCreoError(error) ? error.code : 'unknown', waiting: batch.length}, 'receipts wait')
      if (!isCreoError(error)) throw error
      return 'unreachable'
    }
  }

  /** True when the receipt has left the outbox. */
  #settle(id: string, answer: ReceiptAnswer | undefined): boolean {
    const {store, log} = this.#options
    if (answer === undefined || answer.status === 'retry') return false
    if (answer.status === 'rejected') {
      const reason = {code: answer.code ?? 'rejected', message: answer.message ?? 'The coordinator gave no reason.'}
      store.markRejected(id, reason)
      log.warn({receipt: id, ...reason}, 'the coordinator rejected a receipt; it is kept aside')
    } else {
      store.markPaid(id)
    }
    return true
  }

  async #untilAdded(signal: AbortSignal): Promise<void> {
    if (this.#woken || signal.aborted) return
    const {promise, resolve} = Promise.withResolvers<void>()
    const wake = (): void => resolve()
    this.#wake = wake
    signal.addEventListener('abort', wake, {once: true})
    await promise
    signal.removeEventListener('abort', wake)
  }
}
