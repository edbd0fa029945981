interface Held {
  readonly revision: string
  isReady: boolean
  countedUntilMs: number
  unsignedMs: number
}

const HELD_MAX = 10_000

/**
 * Counts for each lease how long this node stood ready without running its revision, for whichever gateway, by a clock that nobody sets. What is
 * signed for is taken out: all gateways and windows together never claim more than that.
 */
export class StandbyMeasure {
  readonly #monotonicMs: () => number
  readonly #held = new Map<string, Held>()
  /** Instances that run, by revision. */
  readonly #running = new Map<string, number>()

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs
  }

  /** Says which leases, with their revisions, could be started at once; for all others the time stands still. */
  hold(ready: ReadonlyMap<string, string>): void {
    for (const [lease, held] of this.#held) {
      this.#count(held)
      held.isReady = ready.has(lease)
    }
    for (const [lease, revision] of ready) {
      if (this.#held.has(lease) || this.#held.size >= HELD_MAX) continue
      this.#held.set(lease, {revision, isReady: true, countedUntilMs: this.#monotonicMs(), unsignedMs: 0})
    }
  }

  /** An instance of this revision begins to run (1), or does no more (-1). */
  runs(revision: string, change: 1 | -1): void {
    for (const held of this.#held.values()) if (held.revision === revision) this.#count(held)
    const count = (this.#running.get(revision) ?? 0) + change
    if (count > 0) this.#running.set(revision, count)
    else this.#running.delete(revision)
  }

  measuredMs(lease: string): number {
    const held = this.#held.get(lease)
    if (held === undefined) return 0
    this.#count(held)
    return Math.floor(held.unsignedMs)
  }

  /** Takes out what was signed for. */
  take(lease: string, signedMs: number): void {
    const held = this.#held.get(lease)
    if (held !== undefined) held.unsignedMs = Math.max(0, held.unsignedMs - signedMs)
  }

  /** Forgets revisions whose windows are signed no more. */
  keepOnly(revisions: ReadonlySet<string>): void {
    for (const [lease, {revision}] of this.#held) if (!revisions.has(revision)) this.#held.delete(lease)
  }

  #count(held: Held): void {
    const nowMs = this.#monotonicMs()
    if (held.isReady && !this.#running.has(held.revision)) held.unsignedMs += nowMs - held.countedUntilMs
    held.countedUntilMs = nowMs
  }
}
