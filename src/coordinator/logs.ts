import {LRUCache} from 'lru-cache'
import type {Heartbeat, LogLine} from '../core/protocol/api.ts'

const LINES_PER_REVISION_MAX = 1000
const REVISIONS_MAX = 2000
/** Lines of one answer. */
export const LOG_LINES_READ_MAX = 1000
/** Line numbers go on above those of an earlier process, so that a reader's place stays good over a restart. */
const NUMBERS_PER_MS = 1000

/** The last lines that functions wrote, in memory, by revision. */
export class FunctionLogs {
  readonly #revisions = new LRUCache<string, LogLine[]>({max: REVISIONS_MAX})
  #nextNumber: number

  constructor(nowMs: number) {
    this.#nextNumber = nowMs * NUMBERS_PER_MS
  }

  /** Keeps the lines of revisions that this node may run; others are not its to speak for. Answers the revisions that got lines. */
  append(node: string, lines: Heartbeat['logs'], mayRun: (revision: string) => boolean): ReadonlySet<string> {
    const touched = new Set<string>()
    for (const line of lines) {
      if (!touched.has(line.revision) && !mayRun(line.revision)) continue
      touched.add(line.revision)
      const kept = this.#revisions.get(line.revision) ?? []
      kept.push({...line, node, seq: this.#nextNumber})
      this.#nextNumber += 1
      if (kept.length > LINES_PER_REVISION_MAX) kept.splice(0, kept.length - LINES_PER_REVISION_MAX)
      this.#revisions.set(line.revision, kept)
    }
    return touched
  }

  /** Lines after a place, oldest first, and the place to go on from. */
  read(revisions: readonly string[], after: number): {readonly lines: readonly LogLine[]; readonly next: number} {
    const newer = revisions.flatMap((revision) => this.#revisions.get(revision) ?? []).filter((line) => line.seq > after)
    const lines = newer.sort((a, b) => a.seq - b.seq).slice(0, LOG_LINES_READ_MAX)
    return {lines, next: lines.at(-1)?.seq ?? after}
  }
}
