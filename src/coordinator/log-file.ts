import Database from 'better-sqlite3'
import {CreoError} from '../core/errors.ts'
import type {LogLine} from '../core/protocol/api.ts'

const BUSY_TIMEOUT_MS = 5000

const SCHEMA = `
CREATE TABLE IF NOT EXISTS lines (
  seq INTEGER PRIMARY KEY, revision TEXT NOT NULL, node TEXT NOT NULL, instance TEXT NOT NULL, at_ms INTEGER NOT NULL, line TEXT NOT NULL,
  failure TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS lines_by_revision ON lines (revision, seq);
`

interface Row extends Omit<LogLine, 'failure'> {
  readonly failure: string | null
}

/** What one change does to the file. */
export interface LogChange {
  readonly added: readonly LogLine[]
  /** Of each revision the first line that stays; those before it go. */
  readonly keptFrom: ReadonlyMap<string, number>
  /** Of these all lines go. */
  readonly dropped: readonly string[]
}

/**
 * The lines of functions on disk, so that a coordinator that is killed still has them. They are worth no sync: when the machine loses its power the
 * newest may be missing.
 */
export class LogFile {
  readonly #db: Database.Database
  readonly #write: (change: LogChange) => void

  private constructor(db: Database.Database) {
    this.#db = db
    const insert = db.prepare('INSERT INTO lines VALUES (@seq, @revision, @node, @instance, @atMs, @line, @failure)')
    const trim = db.prepare('DELETE FROM lines WHERE revision = ? AND seq < ?')
    const drop = db.prepare('DELETE FROM lines WHERE revision = ?')
    const transaction = db.transaction(({added, keptFrom, dropped}: LogChange) => {
      // What goes makes room for what comes: a file at its limit does not grow, and a disk that is nearly full takes it.
      for (const revision of dropped) drop.run(revision)
      for (const [revision, seq] of keptFrom) trim.run(revision, seq)
      const kept = added.filter(({revision, seq}) => !dropped.includes(revision) && seq >= (keptFrom.get(revision) ?? 0))
      for (const {failure, ...line} of kept) insert.run({...line, failure: failure === undefined ? null : JSON.stringify(failure)})
    })
    this.#write = (change) => transaction.immediate(change)
  }

  /** @throws {CreoError} `data_dir_unwritable` */
  static open(path: string): LogFile {
    try {
      const db = new Database(path, {timeout: BUSY_TIMEOUT_MS})
      db.pragma('journal_mode = WAL')
      db.pragma('synchronous = NORMAL')
      // What a function printed does not lie in the file once it is forgotten.
      db.pragma('secure_delete = FAST')
      db.exec(SCHEMA)
      return new LogFile(db)
    } catch (cause) {
      throw new CreoError('data_dir_unwritable', `The lines of functions in ${path} can't be opened.`, {
        hint: 'Check the disk and the rights of this user; the file may be deleted.',
        cause
      })
    }
  }

  /** All lines, oldest first. */
  read(): LogLine[] {
    const rows = this.#db
      .prepare('SELECT seq, revision, node, instance, at_ms AS atMs, line, failure FROM lines ORDER BY seq')
      .all() as Row[]
    return rows.map(({failure, ...line}) => ({...line, ...(failure !== null && {failure: JSON.parse(failure)})}))
  }

  /** The whole change or nothing of it. @throws what SQLite says of the disk. */
  write(change: LogChange): void {
    this.#write(change)
  }

  close(): void {
    this.#db.close()
  }
}
