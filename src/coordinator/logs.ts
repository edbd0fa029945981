import {LRUCache} from 'lru-cache'
import type {Heartbeat, LogLine} from '../core/protocol/api.ts'

const LINES_PER_REVISION_MAX = 1000
const REVISIONS_MAX = 2000
/** Memory for the lines of all revisions; those of the revision that was silent longest go first. */
const LINES_BYTES_MAX = 256 * 2 ** 20
/** What a line costs besides its text: its object, its ids, its place. */
const LINE_OVERHEAD_BYTES = 256
const BYTES_PER_CHARACTER_MAX = 2
/** Lines of one answer. */
export const LOG_LINES_READ_MAX = 1000
/** Newest failures of a revision that one answer names. */
const FAILURES_READ_MAX = 50
/** Line numbers go on above those of an earlier process, so that a reader's place stays good over a restart. */
const NUMBERS_PER_MS = 1000

/** The last lines that functions wrote, and what their nodes said of them, in memory, by revision. */
export class FunctionLogs {
  readonly #revisions = new LRUCache<string, readonly LogLine[]>({
    max: REVISIONS_MAX,
    maxSize: LINES_BYTES_MAX,
    sizeCalculation: bytesOf
  })
  #nextNumber: number

  constructor(nowMs: number) {
    this.#nextNumber = nowMs * NUMBERS_PER_MS
  }

  /** The place after everything that has come until now. */
  get place(): number {
    return this.#nextNumber - 1
  }

  /** Keeps the lines of revisions that this node may run; others are not its to speak for. Answers the revisions that got lines. */
  append(node: string, lines: Heartbeat['logs'], mayRun: (revision: string) => boolean): ReadonlySet<string> {
    const allowed = [...Map.groupBy(lines, (line) => line.revision)].filter(([revision]) => mayRun(revision))
    for (const [revision, added] of allowed) {
      const numbered = added.map((line, index) => ({...line, node, seq: this.#nextNumber + index}))
      this.#nextNumber += numbered.length
      this.#revisions.set(revision, [...(this.#revisions.get(revision) ?? []), ...numbered].slice(-LINES_PER_REVISION_MAX))
    }
    return new Set(allowed.map(([revision]) => revision))
  }

  /** Lines after a place and not written before a time, oldest first, and the place to go on from. */
  read(
    revisions: readonly string[],
    {after, sinceMs = 0}: {readonly after: number; readonly sinceMs?: number | undefined}
  ): {readonly lines: readonly LogLine[]; readonly next: number} {
    const lines = revisions
      .flatMap((revision) => this.#revisions.get(revision) ?? [])
      .filter((line) => line.seq > after && line.atMs >= sinceMs)
      .sort((a, b) => a.seq - b.seq)
      .slice(0, LOG_LINES_READ_MAX)
    return {lines, next: lines.at(-1)?.seq ?? after}
  }

  /** The newest things that nodes said of this revision's instances after a place, oldest first. */
  failures(revision: string, after: number): readonly LogLine[] {
    const lines = this.#revisions.get(revision, {updateAgeOnGet: false}) ?? []
    return lines.filter((line) => line.failure !== undefined && line.seq > after).slice(-FAILURES_READ_MAX)
  }
}

function bytesOf(lines: readonly LogLine[]): number {
  return lines.reduce((bytes, {line}) => bytes + LINE_OVERHEAD_BYTES + line.length * BYTES_PER_CHARACTER_MAX, 0)
}
