import {CreoError} from '../core/errors.ts'

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Callers that wait until a sequence is reached. Sequences are reached one after the other, or never again after `fail`. */
export class SequenceWaiters {
  readonly #waiters = new Map<number, Set<Waiter>>()
  #reached: number
  #failure: Error | undefined

  constructor(reached: number) {
    this.#reached = reached
  }

  get reached(): number {
    return this.#reached
  }

  /** @throws {CreoError} `interrupted` at the signal. */
  wait(sequence: number, signal: AbortSignal): Promise<void> {
    if (sequence <= this.#reached) return Promise.resolve()
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const interrupt = (): void => {
        this.#waiters.get(sequence)?.delete(waiter)
        reject(new CreoError('interrupted', `The wait for sequence ${sequence} was ended.`, {cause: signal.reason}))
      }
      const waiter: Waiter = {
        resolve: () => {
          signal.removeEventListener('abort', interrupt)
          resolve()
        },
        reject: (error) => {
          signal.removeEventListener('abort', interrupt)
          reject(error)
        }
      }
      if (signal.aborted) return interrupt()
      signal.addEventListener('abort', interrupt, {once: true})
      const waiters = this.#waiters.get(sequence)
      if (waiters === undefined) this.#waiters.set(sequence, new Set([waiter]))
      else waiters.add(waiter)
    })
  }

  reach(sequence: number): void {
    for (let next = this.#reached + 1; next <= sequence; next += 1) {
      this.#reached = next
      const waiters = this.#waiters.get(next)
      this.#waiters.delete(next)
      for (const waiter of waiters ?? []) waiter.resolve()
    }
  }

  fail(error: Error): void {
    this.#failure = error
    for (const waiters of this.#waiters.values()) {
      for (const waiter of waiters) waiter.reject(error)
    }
    this.#waiters.clear()
  }
}
