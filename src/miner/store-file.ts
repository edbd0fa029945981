import Database from 'better-sqlite3'
import {CreoError} from '../core/errors.ts'

const BUSY_TIMEOUT_MS = 5000
/** Full, or failing. */
const DISK_CODES = /^SQLITE_(FULL|IOERR)/

const SCHEMA = `
CREATE TABLE IF NOT EXISTS leases (
  id TEXT PRIMARY KEY, revision TEXT NOT NULL, ends_at_ms INTEGER NOT NULL, memory_bytes INTEGER NOT NULL, rewards TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS lease_lines (
  lease TEXT NOT NULL REFERENCES leases (id) ON DELETE CASCADE, incentive TEXT NOT NULL,
  capacity_minor INTEGER NOT NULL, attested_minor INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (lease, incentive)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS carries (
  revision TEXT NOT NULL, incentive TEXT NOT NULL, carry INTEGER NOT NULL, PRIMARY KEY (revision, incentive)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS earnings (incentive TEXT PRIMARY KEY, paid_minor INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS receipts (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, lease TEXT NOT NULL, receipt TEXT NOT NULL, earned TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'paid', 'rejected')), code TEXT, message TEXT, at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS receipts_by_status ON receipts (status, number);
`

/** The file of the miner's store: statements prepared once, and changes that are on stable storage, or not done, when they return. */
export class StoreFile {
  readonly #db: Database.Database
  readonly #statements = new Map<string, Database.Statement>()

  private constructor(db: Database.Database) {
    this.#db = db
  }

  /** @throws {CreoError} `data_dir_unwritable` when the file cannot be opened or is not such a store. */
  static open(path: string): StoreFile {
    try {
      const db = new Database(path, {timeout: BUSY_TIMEOUT_MS})
      db.pragma('journal_mode = WAL')
      db.pragma('synchronous = FULL')
      db.pragma('foreign_keys = ON')
      db.exec(SCHEMA)
      return new StoreFile(db)
    } catch (cause) {
      throw new CreoError('data_dir_unwritable', `The miner's store ${path} cannot be opened.`, {
        hint: 'Check the disk and the rights of this user.',
        cause
      })
    }
  }

  run(sql: string, values: object): void {
    this.prepared(sql).run(values)
  }

  prepared(sql: string): Database.Statement {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#db.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  /** @throws {CreoError} `data_dir_unwritable` when the disk takes nothing more; then nothing of it was done. */
  atomically(work: () => void): void {
    try {
      this.#db.transaction(work).immediate()
    } catch (cause) {
      const isFull = cause instanceof Database.SqliteError && DISK_CODES.test(cause.code)
      if (!isFull) throw cause
      throw new CreoError('data_dir_unwritable', `The disk takes nothing more of the miner's store (${cause.code}).`, {
        hint: 'Free some disk space.',
        cause
      })
    }
  }

  close(): void {
    this.#db.close()
  }
}
