import type {Log} from '../telemetry/log.ts'

/** Does something every so often, never twice at a time, until closed. A failed turn is reported and the next one tries again. */
export class Loop {
  readonly #work: (signal: AbortSignal) => Promise<void>
  readonly #everyMs: number
  readonly #signal: AbortSignal
  readonly #log: Log
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(loop: {
    readonly work: (signal: AbortSignal) => Promise<void>
    readonly everyMs: number
    readonly signal: AbortSignal
    readonly log: Log
  }) {
    this.#work = loop.work
    this.#everyMs = loop.everyMs
    this.#signal = loop.signal
    this.#log = loop.log
    this.#next()
  }

  /** Resolves when the turn that runs has ended. The signal given at the start is what ends it early. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#running
  }

  #next(): void {
    if (this.#signal.aborted) return
    this.#timer = setTimeout(() => {
      this.#running = this.#turn()
    }, this.#everyMs)
  }

  async #turn(): Promise<void> {
    try {
      await this.#work(this.#signal)
    } catch (error) {
      if (!this.#signal.aborted) this.#log.warn({err: error}, 'a periodic task failed; its next turn tries again')
    }
    this.#next()
  }
}
