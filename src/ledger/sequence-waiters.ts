import {CreoError} from '../core/errors.ts'

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Callers that wait until a sequence is reached. Sequences are reached one after the other, or never again after `fail`. */
export class SequenceWaiters {
  readonly #waiters = new Map<number, Set<Waiter>>()
  /** Waiters by the signal that may interrupt them: one listener a signal, however many commands of a batch share it. */
  readonly #bySignal = new Map<AbortSignal, {readonly waiters: Set<Waiter>; readonly interrupt: () => void}>()
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
    if (signal.aborted) return Promise.reject(interrupted(signal))
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        resolve: () => {
          this.#release(signal, waiter)
          resolve()
        },
        reject: (error) => {
          this.#release(signal, waiter)
          this.#waiters.get(sequence)?.delete(waiter)
          reject(error)
        }
      }
      this.#hold(signal, waiter)
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
    for (const waiters of [...this.#waiters.values()]) {
      for (const waiter of [...waiters]) waiter.reject(error)
    }
    this.#waiters.clear()
  }

  #hold(signal: AbortSignal, waiter: Waiter): void {
    const known = this.#bySignal.get(signal)
    if (known !== undefined) {
      known.waiters.add(waiter)
      return
    }
    const waiters = new Set([waiter])
    const interrupt = (): void => {
      for (const held of [...waiters]) held.reject(interrupted(signal))
    }
    this.#bySignal.set(signal, {waiters, interrupt})
    signal.addEventListener('abort', interrupt, {once: true})
  }

  #release(signal: AbortSignal, waiter: Waiter): void {
    const held = this.#bySignal.get(signal)
    held?.waiters.delete(waiter)
    if (held === undefined || held.waiters.size > 0) return
    signal.removeEventListener('abort', held.interrupt)
    this.#bySignal.delete(signal)
  }
}

function interrupted(signal: AbortSignal): CreoError {
  return new CreoError('interrupted', 'The wait for the ledger was ended.', {cause: signal.reason})
}
