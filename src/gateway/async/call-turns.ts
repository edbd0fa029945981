/** Calls of one function that may be delivered now, and how many are. */
interface Line {
  readonly function: string
  readonly ready: Set<string>
  running: number
}

/**
 * Whose turn it is: functions take turns, each with its calls in their order, and each with so many under way at most, so that none holds up another
 * and requests find room beside them.
 */
export class CallTurns {
  readonly #lines = new Map<string, Line>()
  /** Those that may have something to deliver. */
  readonly #eligible = new Set<Line>()

  add(name: string, id: string): void {
    const line = this.#lines.get(name) ?? {function: name, ready: new Set(), running: 0}
    this.#lines.set(name, line)
    line.ready.add(id)
    this.#eligible.add(line)
  }

  /** It is not to be delivered any more. */
  remove(name: string, id: string): void {
    const line = this.#lines.get(name)
    if (line === undefined) return
    line.ready.delete(id)
    this.#tidy(line)
  }

  /** The next call; give its function back with `done`. `mostOf` says how many of a function may be under way. */
  next(mostOf: (name: string) => number): {readonly function: string; readonly id: string} | undefined {
    for (const line of this.#eligible) {
      this.#eligible.delete(line)
      const [id] = line.ready
      if (id === undefined || line.running >= mostOf(line.function)) continue
      line.ready.delete(id)
      line.running += 1
      // Behind the others.
      this.#eligible.add(line)
      return {function: line.function, id}
    }
    return undefined
  }

  done(name: string): void {
    const line = this.#lines.get(name)
    if (line === undefined) return
    line.running -= 1
    if (line.ready.size > 0) this.#eligible.add(line)
    this.#tidy(line)
  }

  /** What `mostOf` says may have changed. */
  reconsider(): void {
    for (const line of this.#lines.values()) if (line.ready.size > 0) this.#eligible.add(line)
  }

  #tidy(line: Line): void {
    if (line.running > 0 || line.ready.size > 0) return
    this.#lines.delete(line.function)
    this.#eligible.delete(line)
  }
}
