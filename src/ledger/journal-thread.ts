import {Worker} from 'node:worker_threads'
import {CreoError, ERROR_CODES, type ErrorCode} from '../core/errors.ts'
import type {JournalHead} from './journal.ts'
import type {FromWorker, ToWorker, WorkerSettings} from './journal-messages.ts'

const WORKER_URL = new URL(import.meta.url.endsWith('.ts') ? './journal-worker.ts' : './journal-worker.js', import.meta.url)

export interface ThreadListener {
  committed(head: JournalHead): void
  projected(lastSeq: number): void
  failed(error: Error): void
}

/** The journal worker as seen from the ledger's thread. */
export class JournalThread {
  readonly #worker: Worker
  #listener: ThreadListener | undefined
  #failure: Error | undefined
  #awaited: {readonly type: FromWorker['type']; readonly resolve: () => void; readonly reject: (error: Error) => void} | undefined

  private constructor(settings: WorkerSettings) {
    this.#worker = new Worker(WORKER_URL, {workerData: settings, name: 'creo-journal'})
    this.#worker.on('message', (message: FromWorker) => this.#hear(message))
    this.#worker.on('error', (error: Error) => this.#fail(error))
    this.#worker.on('exit', () => this.#fail(new CreoError('unavailable', 'The journal thread has ended.')))
  }

  /** Resolves when the journal is open for writing. */
  static async start(settings: WorkerSettings): Promise<JournalThread> {
    const thread = new JournalThread(settings)
    await thread.#await('opened')
    return thread
  }

  /** Brings the projections up to the journal. */
  async project(): Promise<void> {
    const caughtUp = this.#await('caught_up')
    this.#send({type: 'project'})
    await caughtUp
  }

  listen(listener: ThreadListener): void {
    this.#listener = listener
  }

  append(group: Omit<Extract<ToWorker, {type: 'append'}>, 'type'>): void {
    this.#send({type: 'append', ...group})
  }

  /** Ends the thread after what was sent to it. */
  async close(): Promise<void> {
    this.#listener = undefined
    if (this.#failure === undefined) {
      const closed = this.#await('closed')
      this.#send({type: 'close'})
      await closed
    }
    await this.#worker.terminate()
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message)
  }

  #await(type: FromWorker['type']): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#awaited = {type, resolve, reject}
    })
  }

  #hear(message: FromWorker): void {
    if (message.type === 'failed') this.#fail(failureOf(message))
    else if (message.type === 'committed') this.#listener?.committed(message)
    else if (message.type === 'projected') this.#listener?.projected(message.lastSeq)
    else if (message.type === this.#awaited?.type) {
      this.#awaited.resolve()
      this.#awaited = undefined
    }
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#awaited?.reject(error)
    this.#awaited = undefined
    this.#listener?.failed(error)
  }
}

function failureOf({code, message}: {readonly code: string; readonly message: string}): CreoError {
  const known = code in ERROR_CODES ? (code as ErrorCode) : 'unavailable'
  return new CreoError(known, known === 'verification_failed' ? message : `The journal can't be written: ${message}`, {
    hint: 'Look at the disk, then start the coordinator again: it continues from the journal.'
  })
}
