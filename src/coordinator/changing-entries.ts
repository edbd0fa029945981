/** Entries that are gone and still remembered: beyond that the first gone one is forgotten. */
const GONE_MAX = 10_000

/** Entries of which all are known at a time, with when each last changed: what they were before is told apart by their text. */
export class ChangingEntries<E> {
  readonly #goneMax: number
  readonly #entries = new Map<string, {readonly entry: E; readonly text: string; readonly seq: number}>()
  readonly #gone = new Map<string, number>()
  #knownSince = -1

  constructor(goneMax: number = GONE_MAX) {
    this.#goneMax = goneMax
  }

  /** All changes after this sequence are known, and after each later one. */
  get knownSince(): number {
    return this.#knownSince
  }

  /** Takes all entries as they are at `seq`, which never goes back; true when any is new, other or gone. */
  update(entries: ReadonlyMap<string, E>, seq: number): boolean {
    let isChanged = false
    for (const [id, entry] of entries) {
      const text = JSON.stringify(entry)
      if (this.#entries.get(id)?.text === text) continue
      this.#entries.set(id, {entry, text, seq})
      this.#gone.delete(id)
      isChanged = true
    }
    for (const id of [...this.#entries.keys()].filter((one) => !entries.has(one))) {
      this.#entries.delete(id)
      this.#noteGone(id, seq)
      isChanged = true
    }
    return isChanged
  }

  has(id: string): boolean {
    return this.#entries.has(id)
  }

  /** Whether it has been the same since then. */
  isAsOf(id: string, seq: number): boolean {
    return (this.#entries.get(id)?.seq ?? Number.POSITIVE_INFINITY) <= seq
  }

  since(seq: number): {readonly set: E[]; readonly gone: string[]} {
    const set = [...this.#entries.values()].filter((one) => one.seq > seq).map(({entry}) => entry)
    return {set, gone: [...this.#gone].filter(([, goneSeq]) => goneSeq > seq).map(([id]) => id)}
  }

  #noteGone(id: string, seq: number): void {
    this.#gone.set(id, seq)
    const [oldest] = this.#gone
    if (this.#gone.size <= this.#goneMax || oldest === undefined) return
    this.#gone.delete(oldest[0])
    this.#knownSince = Math.max(this.#knownSince, oldest[1])
  }
}
