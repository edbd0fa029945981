/** Causes whose command was refused are left alone for this long, and at most this many are remembered. */
const PAUSE_MS = 5000
const CAUSES_MAX = 10_000

/** What the ledger refused of a plan, so that it is tried again later and as another attempt: the first one's answer stands for a while. */
export class RefusedCauses {
  readonly #causes = new Map<string, {readonly untilMs: number; readonly attempts: number}>()
  readonly #nowMs: () => number

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** How often it was refused. */
  attempts(cause: string): number {
    return this.#causes.get(cause)?.attempts ?? 0
  }

  mayTry(cause: string): boolean {
    const refused = this.#causes.get(cause)
    return refused === undefined || this.#nowMs() >= refused.untilMs
  }

  remember(cause: string): void {
    const attempts = this.attempts(cause) + 1
    const oldest = this.#causes.size >= CAUSES_MAX ? this.#causes.keys().next().value : undefined
    if (oldest !== undefined) this.#causes.delete(oldest)
    this.#causes.set(cause, {attempts, untilMs: this.#nowMs() + PAUSE_MS})
  }

  forget(cause: string): void {
    this.#causes.delete(cause)
  }
}
