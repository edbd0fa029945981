import type {ErrorCode} from '../../core/errors.ts'

/** How often requests were answered an error since the start, by its code: there are only so many. */
export class ErrorCounts {
  readonly #counts = new Map<ErrorCode, number>()

  add(code: ErrorCode): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1)
  }

  /** The most frequent first. */
  all(): {readonly code: ErrorCode; readonly count: number}[] {
    return [...this.#counts].map(([code, count]) => ({code, count})).sort((a, b) => b.count - a.count)
  }
}
