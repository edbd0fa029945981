import {CreoError} from '../core/errors.ts'

/** One caller, and the next one that waits for the same sequence. */
interface Waiter {
  readonly sequence: number
  readonly signal: AbortSignal
  readonly resolve: () => void
  readonly reject: (error: Error) => void
  next: Waiter | undefined
}

/** Callers that wait until a sequence is reached. Sequences are reached one after the other, or never again after `fail`. */
export class SequenceWaiters {
  /** The last one that came of each sequence. */
  readonly #waiters = new Map<number, Waiter>()
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
      const waiter: Waiter = {sequence, signal, resolve, reject, next: this.#waiters.get(sequence)}
      this.#waiters.set(sequence, waiter)
      this.#hold(waiter)
    })
  }

  reach(sequence: number): void {
    for (let next = this.#reached + 1; next <= sequence; next += 1) {
      this.#reached = next
      let waiter = this.#waiters.get(next)
      if (waiter === undefined) continue
      this.#waiters.delete(next)
      for (; waiter !== undefined; waiter = waiter.next) {
        this.#release(waiter)
        waiter.resolve()
      }
    }
  }

  fail(error: Error): void {
    this.#failure = error
    const waiting = [...this.#waiters.values()]
    this.#waiters.clear()
    for (const last of waiting) {
      for (let waiter: Waiter | undefined = last; waiter !== undefined; waiter = waiter.next) {
        this.#release(waiter)
        waiter.reject(error)
      }
    }
  }

  #hold(waiter: Waiter): void {
    const {signal} = waiter
    const known = this.#bySignal.get(signal)
    if (known !== undefined) {
      known.waiters.add(waiter)
      return
    }
    const waiters = new Set([waiter])
    const interrupt = (): void => {
      this.#bySignal.delete(signal)
      for (const held of waiters) {
        this.#unlink(held)
        held.reject(interrupted(signal))
      }
    }
    this.#bySignal.set(signal, {waiters, interrupt})
    signal.addEventListener('abort', interrupt, {once: true})
  }

  #release(waiter: Waiter): void {
    const {signal} = waiter
    const held = this.#bySignal.get(signal)
    held?.waiters.delete(waiter)
    if (held === undefined || held.waiters.size > 0) return
    signal.removeEventListener('abort', held.interrupt)
    this.#bySignal.delete(signal)
  }

  /** Takes one out of those that wait for its sequence. */
  #unlink(waiter: Waiter): void {
    const {sequence, next} = waiter
    const last = this.#waiters.get(sequence)
    if (last === waiter) {
      if (next === undefined) this.#waiters.delete(sequence)
      else this.#waiters.set(sequence, next)
      return
    }
    let later = last
    while (later !== undefined && later.next !== waiter) later = later.next
    if (later !== undefined) later.next = next
  }
}

function interrupted(signal: AbortSignal): CreoError {
  return new CreoError('interrupted', 'The wait for the ledger was ended.', {cause: signal.reason})
}
