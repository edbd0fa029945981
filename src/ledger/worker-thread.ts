import {Worker} from 'node:worker_threads'
import {CreoError, ERROR_CODES, type ErrorCode} from '../core/errors.ts'
import type {FromWorker, WorkerSettings} from './journal-messages.ts'

export interface WorkerListener {
  heard(message: FromWorker): void
  failed(error: Error): void
}

interface WorkerOptions {
  /** Of the module beside this one, without its ending. */
  readonly module: 'journal-worker' | 'projection-worker'
  /** What it writes, as people call it. */
  readonly file: string
  readonly settings: WorkerSettings
}

/** One of the ledger's workers as seen from the ledger's thread. The first thing that goes wrong ends it. */
export class WorkerThread<To extends {readonly type: string}> {
  readonly #worker: Worker
  readonly #file: string
  readonly #listener: WorkerListener
  #failure: Error | undefined
  #awaited: {readonly type: FromWorker['type']; readonly resolve: () => void; readonly reject: (error: Error) => void} | undefined

  constructor({module, file, settings}: WorkerOptions, listener: WorkerListener) {
    this.#file = file
    this.#listener = listener
    const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    this.#worker = new Worker(new URL(`./${module}.${ending}`, import.meta.url), {workerData: settings, name: `creo-${file}`})
    this.#worker.on('message', (message: FromWorker) => this.#hear(message))
    this.#worker.on('error', (error: Error) => this.#fail(error))
    this.#worker.on('exit', () => this.#fail(new CreoError('unavailable', `The thread of the ${file} has ended.`)))
  }

  /** `given` are handed over: they are of no use here afterwards. */
  send(message: To, given: readonly ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, given)
  }

  /** Resolves when the worker says this. @throws what the worker failed with. */
  until(type: FromWorker['type']): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#awaited = {type, resolve, reject}
    })
  }

  /** Ends the thread after what was sent to it. */
  async close(message: To): Promise<void> {
    if (this.#failure === undefined) {
      const closed = this.until('closed')
      this.send(message)
      await closed
    }
    await this.#worker.terminate()
  }

  #hear(message: FromWorker): void {
    if (message.type === 'failed') this.#fail(failureOf(message, this.#file))
    else if (message.type === this.#awaited?.type) {
      this.#awaited.resolve()
      this.#awaited = undefined
    } else this.#listener.heard(message)
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#awaited?.reject(error)
    this.#awaited = undefined
    this.#listener.failed(error)
  }
}

function failureOf({code, message}: {readonly code: string; readonly message: string}, file: string): CreoError {
  const known = code in ERROR_CODES ? (code as ErrorCode) : 'unavailable'
  return new CreoError(known, known === 'verification_failed' ? message : `The ${file} can't be written: ${message}`, {
    hint: 'Look at the disk, then start the coordinator again: it continues from the journal.'
  })
}
