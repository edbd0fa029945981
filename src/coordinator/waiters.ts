import {CreoError} from '../core/errors.ts'

/** Requests that wait at the same time, over all topics. */
const WAITERS_MAX = 50_000

/** Requests that wait for something to change: bounded in number and time, woken by topic. */
export class Waiters {
  readonly #topics = new Map<string, Set<() => void>>()
  readonly #max: number
  #count = 0

  constructor(max: number = WAITERS_MAX) {
    this.#max = max
  }

  get count(): number {
    return this.#count
  }

  /** What somebody waits for. */
  get topics(): Iterable<string> {
    return this.#topics.keys()
  }

  /**
   * Resolves when the topic is woken, the time is over or the signal fires; the caller looks again at what it wants.
   * @throws {CreoError} `overloaded` when too many wait already.
   */
  wait(topic: string, waitMs: number, signal: AbortSignal): Promise<void> {
    if (waitMs <= 0 || signal.aborted) return Promise.resolve()
    if (this.#count >= this.#max)
      throw new CreoError('overloaded', 'Too many requests wait for changes.', {hint: 'Ask again in a few seconds.'})
    const waiting = this.#topics.get(topic) ?? new Set()
    this.#topics.set(topic, waiting)
    this.#count += 1
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        if (!waiting.delete(done)) return
        if (waiting.size === 0 && this.#topics.get(topic) === waiting) this.#topics.delete(topic)
        this.#count -= 1
        resolve()
      }
      const timer = setTimeout(done, waitMs)
      signal.addEventListener('abort', done, {once: true})
      waiting.add(done)
    })
  }

  wake(topic: string): void {
    for (const done of [...(this.#topics.get(topic) ?? [])]) done()
  }

  wakeAll(): void {
    for (const topic of [...this.#topics.keys()]) this.wake(topic)
  }
}
