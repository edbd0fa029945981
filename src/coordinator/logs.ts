import {LRUCache} from 'lru-cache'
import type {Heartbeat, LogLine} from '../core/protocol/api.ts'
import type {Log} from '../telemetry/log.ts'
import type {LogFile} from './log-file.ts'

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

/** The last lines that functions wrote, and what their nodes said of them, by revision: in memory, and on disk for the next process. */
export class FunctionLogs {
  readonly #revisions = new LRUCache<string, readonly LogLine[]>({
    max: REVISIONS_MAX,
    maxSize: LINES_BYTES_MAX,
    sizeCalculation: bytesOf,
    dispose: (_lines, revision, reason) => {
      if (reason === 'evict') this.#dropped.push(revision)
    }
  })
  readonly #file: Pick<LogFile, 'read' | 'write'>
  readonly #log: Log
  /** Revisions that had no room any more. */
  #dropped: string[] = []
  #nextNumber: number

  constructor({file, nowMs, log}: {readonly file: Pick<LogFile, 'read' | 'write'>; readonly nowMs: number; readonly log: Log}) {
    this.#file = file
    this.#log = log
    const lines = file.read()
    // The revision that was silent longest comes first, as it was.
    const newestLast = [...Map.groupBy(lines, ({revision}) => revision)].sort(([, a], [, b]) => (a.at(-1)?.seq ?? 0) - (b.at(-1)?.seq ?? 0))
    for (const [revision, own] of newestLast) this.#revisions.set(revision, own.slice(-LINES_PER_REVISION_MAX))
    // Also where a clock was set back.
    this.#nextNumber = Math.max(nowMs * NUMBERS_PER_MS, (lines.at(-1)?.seq ?? 0) + 1)
  }

  /** The place after everything that has come until now. */
  get place(): number {
    return this.#nextNumber - 1
  }

  /** Keeps the lines of revisions that this node may run; others are not its to speak for. Answers the revisions that got lines. */
  append(node: string, lines: Heartbeat['logs'], mayRun: (revision: string) => boolean): ReadonlySet<string> {
    const allowed = [...Map.groupBy(lines, (line) => line.revision)].filter(([revision]) => mayRun(revision))
    const all: LogLine[] = []
    const keptFrom = new Map<string, number>()
    for (const [revision, added] of allowed) {
      const numbered = added.map((line, index) => ({...line, node, seq: this.#nextNumber + index}))
      this.#nextNumber += numbered.length
      const lines = [...(this.#revisions.get(revision) ?? []), ...numbered]
      const kept = lines.slice(-LINES_PER_REVISION_MAX)
      this.#revisions.set(revision, kept)
      all.push(...numbered)
      if (kept.length < lines.length) keptFrom.set(revision, kept[0]?.seq ?? 0)
    }
    if (all.length > 0) this.#keep(all, keptFrom)
    return new Set(allowed.map(([revision]) => revision))
  }

  /** A disk that is full costs the next process these lines, and nobody else anything. */
  #keep(added: readonly LogLine[], keptFrom: ReadonlyMap<string, number>): void {
    const dropped = this.#dropped
    try {
      this.#file.write({added, keptFrom, dropped})
      this.#dropped = []
    } catch (err) {
      this.#log.warn({err, lines: added.length}, 'lines of functions are in memory alone')
    }
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
