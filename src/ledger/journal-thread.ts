import type {JournalHead} from './journal.ts'
import type {FromWorker, ToJournal, ToProjections, WorkerSettings} from './journal-messages.ts'
import {WorkerThread} from './worker-thread.ts'

export interface ThreadListener {
  committed(head: JournalHead): void
  /** This sequence and all before it are shown: several groups may be at once. */
  projected(lastSeq: number): void
  failed(error: Error): void
}

/** The journal and the projections, each on a thread of its own, as seen from the ledger's. A failure of one is one of both. */
export class JournalThread {
  readonly #journal: WorkerThread<ToJournal>
  readonly #projections: WorkerThread<ToProjections>
  #listener: ThreadListener | undefined
  #failure: Error | undefined

  private constructor(settings: WorkerSettings) {
    const listener = {
      heard: (message: FromWorker) => this.#hear(message),
      failed: (error: Error) => this.#fail(error)
    }
    this.#journal = new WorkerThread({module: 'journal-worker', file: 'journal', settings}, listener)
    this.#projections = new WorkerThread({module: 'projection-worker', file: 'projections', settings}, listener)
  }

  /** Resolves when the journal is open for writing. */
  static async start(settings: WorkerSettings): Promise<JournalThread> {
    const thread = new JournalThread(settings)
    try {
      await Promise.all([thread.#journal.until('opened'), thread.#projections.until('opened')])
    } catch (error) {
      await thread.close()
      throw error
    }
    return thread
  }

  /** Brings the projections up to the journal. */
  async project(): Promise<void> {
    const caughtUp = this.#projections.until('caught_up')
    this.#projections.send({type: 'catch_up'})
    await caughtUp
    if (this.#failure !== undefined) throw this.#failure
  }

  listen(listener: ThreadListener): void {
    this.#listener = listener
  }

  /** Takes the body's bytes away. */
  append(group: Omit<Extract<ToJournal, {type: 'append'}>, 'type'>): void {
    this.#journal.send({type: 'append', ...group}, [group.body.buffer])
  }

  /** Ends both threads after what was sent to them; the one that owns the journal last. */
  async close(): Promise<void> {
    this.#listener = undefined
    await this.#projections.close({type: 'close'}).catch(() => undefined)
    await this.#journal.close({type: 'close'})
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#listener?.failed(error)
  }

  #hear(message: FromWorker): void {
    if (message.type === 'projected') this.#listener?.projected(message.lastSeq)
    if (message.type !== 'committed') return
    this.#projections.send({type: 'project', number: message.number, seq: message.lastSeq})
    this.#listener?.committed(message)
  }
}
