/** Calls of one function that may be delivered now, and how many are. */
interface Line {
  readonly function: string
  readonly org: string
  readonly ready: Set<string>
  running: number
}

/** What an org's functions have under way, and those that wait for another of them to be done. */
interface Share {
  running: number
  readonly held: Set<Line>
}

/**
 * Whose turn it is: functions take turns, each with its calls in their order, and each with so many under way at most, so that none holds up another
 * and requests find room beside them. The functions of one org together have a share as well.
 */
export class CallTurns {
  readonly #orgMost: number
  readonly #lines = new Map<string, Line>()
  readonly #shares = new Map<string, Share>()
  /** Those that may have something to deliver. */
  readonly #eligible = new Set<Line>()

  constructor(orgMost: number) {
    this.#orgMost = orgMost
  }

  /** `name` begins with its org: `org/app/function`. */
  add(name: string, id: string): void {
    const line = this.#lines.get(name) ?? {function: name, org: name.split('/', 1)[0] ?? '', ready: new Set(), running: 0}
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
      const share = this.#shares.get(line.org) ?? {running: 0, held: new Set()}
      if (share.running >= this.#orgMost) {
        share.held.add(line)
        continue
      }
      this.#shares.set(line.org, share)
      share.running += 1
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
    this.#giveBack(line.org)
    if (line.ready.size > 0) this.#eligible.add(line)
    this.#tidy(line)
  }

  /** What `mostOf` says may have changed. */
  reconsider(): void {
    for (const line of this.#lines.values()) if (line.ready.size > 0) this.#eligible.add(line)
  }

  /** Those that were held come before the function that was served. */
  #giveBack(org: string): void {
    const share = this.#shares.get(org)
    if (share === undefined) return
    share.running -= 1
    for (const line of share.held) if (line.ready.size > 0) this.#eligible.add(line)
    share.held.clear()
    if (share.running === 0) this.#shares.delete(org)
  }

  #tidy(line: Line): void {
    if (line.running > 0 || line.ready.size > 0) return
    this.#lines.delete(line.function)
    this.#eligible.delete(line)
    this.#shares.get(line.org)?.held.delete(line)
  }
}
