import type {ReceiptAnswer} from '../client/answers.ts'
import type {Client} from '../client/client.ts'
import {type CreoError, isCreoError} from '../core/errors.ts'
import type {Log} from '../telemetry/log.ts'
import {Backoff} from './backoff.ts'
import type {MinerStore, StoredReceipt} from './miner-store.ts'

const BATCH_MAX = 100
const RETRY_FIRST_MS = 500
const RETRY_MOST_MS = 60_000
const SUBMIT_TIMEOUT_MS = 30_000

/** Refusals of all that was sent, for what is in it: sending the same again meets the same. */
const INDIGESTIBLE_CODES: ReadonlySet<string> = new Set(['payload_too_large', 'invalid_input'])
/** So many receipts that are refused alone, and none that is taken: it is not because of them. */
const INDIGESTIBLE_MAX = 100

type Outcome = 'settled' | 'some_later' | 'unreachable'

interface Pass {
  /** Receipts that the coordinator refused to read, each alone. */
  readonly indigestible: Map<string, CreoError>
  /** The coordinator has read others. */
  hasRead: boolean
}

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
    const pass: Pass = {indigestible: new Map(), hasRead: false}
    let after = 0
    let waiting = false
    for (;;) {
      this.#woken = false
      const batch = this.#options.store.pending(BATCH_MAX, after)
      const last = batch.at(-1)
      if (last === undefined) return this.#setAside(pass) && !waiting ? 'empty' : 'waiting'
      after = last.number
      const outcome = await this.#submit(batch, pass, signal)
      if (outcome === 'unreachable') return 'waiting'
      if (outcome === 'some_later') waiting = true
      else if (pass.hasRead) this.#backoff.succeeded()
    }
  }

  async #submit(batch: readonly StoredReceipt[], pass: Pass, signal: AbortSignal): Promise<Outcome> {
    const {client, log} = this.#options
    try {
      const receipts = batch.map((stored) => stored.receipt)
      const answers = await client.postReceipts(receipts, AbortSignal.any([signal, AbortSignal.timeout(SUBMIT_TIMEOUT_MS)]))
      pass.hasRead = true
      const byId = new Map(answers.map((answer) => [answer.id, answer]))
      const settled = batch.filter(({id}) => this.#settle(id, byId.get(id)))
      return settled.length === batch.length ? 'settled' : 'some_later'
    } catch (error) {
      if (!signal.aborted) log.info({code: isCreoError(error) ? error.code : 'unknown', waiting: batch.length}, 'receipts wait')
      if (!isCreoError(error)) throw error
      return INDIGESTIBLE_CODES.has(error.code) ? await this.#halve(batch, error, pass, signal) : 'unreachable'
    }
  }

  /** Finds the receipts for which a batch is refused, so that they hold up no other. */
  async #halve(batch: readonly StoredReceipt[], refusal: CreoError, pass: Pass, signal: AbortSignal): Promise<Outcome> {
    const [first] = batch
    if (first !== undefined && batch.length === 1) {
      pass.indigestible.set(first.id, refusal)
      return !pass.hasRead && pass.indigestible.size >= INDIGESTIBLE_MAX ? 'unreachable' : 'settled'
    }
    const middle = Math.ceil(batch.length / 2)
    const before = await this.#submit(batch.slice(0, middle), pass, signal)
    if (before === 'unreachable') return before
    const after = await this.#submit(batch.slice(middle), pass, signal)
    return after === 'settled' ? before : after
  }

  /**
   * Puts aside what alone is refused. Where nothing else was read the coordinator may be at fault, and all of it waits, as it does where
   * the disk takes nothing more: false.
   */
  #setAside({indigestible, hasRead}: Pass): boolean {
    if (!hasRead) return indigestible.size === 0
    try {
      for (const [id, {code, message}] of indigestible) this.#reject(id, {code, message})
      return true
    } catch (error) {
      if (!isCreoError(error)) throw error
      return false
    }
  }

  /** True when the receipt has left the outbox. */
  #settle(id: string, answer: ReceiptAnswer | undefined): boolean {
    if (answer === undefined || answer.status === 'retry') return false
    if (answer.status === 'rejected') {
      this.#reject(id, {code: answer.code ?? 'rejected', message: answer.message ?? 'The coordinator gave no reason.'})
    } else {
      this.#options.store.markPaid(id)
    }
    return true
  }

  #reject(id: string, reason: {readonly code: string; readonly message: string}): void {
    this.#options.store.markRejected(id, reason)
    this.#options.log.warn({receipt: id, ...reason}, 'the coordinator rejected a receipt; it is kept aside')
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
