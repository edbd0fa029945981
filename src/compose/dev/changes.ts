import {once} from 'node:events'
import {pause} from '../pause.ts'

/** Editors write in several steps: a change is over when nothing followed for so long, */
const QUIET_MS = 40
/** and is taken up all the same after so many of these while more follows. */
const QUIET_ROUNDS_MAX = 25

/** Changes that are seen while what came before them is still being taken up. */
export class Changes {
  #round = new AbortController()
  #firstAtMs: number | undefined
  readonly #paths = new Set<string>()

  /** Fires when there is a change after the last `next`. */
  get signal(): AbortSignal {
    return this.#round.signal
  }

  readonly seen = (path: string): void => {
    this.#paths.add(path)
    this.#firstAtMs ??= performance.now()
    this.#round.abort()
  }

  /** What changed since it was asked last. */
  take(): ReadonlySet<string> {
    const taken = new Set(this.#paths)
    this.#paths.clear()
    return taken
  }

  /** Waits until something changed and it is quiet again; the moment of the first change. Rejects when the signal fires. */
  async next(signal: AbortSignal): Promise<number> {
    if (!this.#round.signal.aborted) await once(this.#round.signal, 'abort', {signal})
    for (let left = QUIET_ROUNDS_MAX; left > 0 && this.#round.signal.aborted; left -= 1) {
      this.#round = new AbortController()
      await pause(QUIET_MS, signal)
      signal.throwIfAborted()
    }
    const firstAtMs = this.#firstAtMs ?? performance.now()
    this.#firstAtMs = this.#round.signal.aborted ? firstAtMs : undefined
    return firstAtMs
  }
}
