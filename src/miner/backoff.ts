import {setTimeout as delay} from 'node:timers/promises'

/** Waits longer after each failure, at random within the second half of the wait, so that thousands of miners don't come back at once. */
export class Backoff {
  readonly #firstMs: number
  readonly #mostMs: number
  readonly #random: () => number
  #failures = 0

  constructor(options: {readonly firstMs: number; readonly mostMs: number; readonly random: () => number}) {
    this.#firstMs = options.firstMs
    this.#mostMs = options.mostMs
    this.#random = options.random
  }

  succeeded(): void {
    this.#failures = 0
  }

  nextMs(): number {
    const wholeMs = Math.min(this.#mostMs, this.#firstMs * 2 ** Math.min(this.#failures, 30))
    this.#failures += 1
    return Math.round(wholeMs * (0.5 + this.#random() / 2))
  }

  /** Resolves after the next wait, or at once when the signal fires. */
  async wait(signal: AbortSignal): Promise<void> {
    await pause(this.nextMs(), signal)
  }
}

/** Resolves after a time, or as soon as the signal fires: a loop then looks at the signal itself. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await delay(ms, undefined, {signal}).catch(() => undefined)
}
