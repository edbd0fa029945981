import {createHash} from 'node:crypto'
import {type FileHandle, open} from 'node:fs/promises'
import Database from 'better-sqlite3'
import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'

/** Bytes of a file that one row holds. */
const CHUNK_BYTES = 2 ** 20
/** Files of a backup: images are most of them. */
const FILES_MAX = 10_000_000

/**
 * A backup is one SQLite file: the journal's own table of groups, and other files in pieces, each with its SHA-256. The one row of `backup` is written
 * last, so that a file that was cut off is none.
 */
const SCHEMA = `
CREATE TABLE backup (format TEXT NOT NULL, network TEXT NOT NULL, made_at_ms INTEGER NOT NULL, groups INTEGER NOT NULL, commands INTEGER NOT NULL, head_hash TEXT NOT NULL) STRICT;
CREATE TABLE files (path TEXT PRIMARY KEY, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL) STRICT;
CREATE TABLE chunks (path TEXT NOT NULL, number INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (path, number)) STRICT;
`

const factsSchema = z.object({
  format: z.literal('creo-backup-v1'),
  network: z.string().regex(/^[0-9a-f]{64}$/),
  madeAtMs: z.int().nonnegative(),
  groups: z.int().nonnegative(),
  commands: z.int().nonnegative(),
  headHash: z.string()
})
export type BackupFacts = Omit<z.output<typeof factsSchema>, 'format'>

const fileSchema = z.object({
  path: z.string().regex(/^(?!.*(?:^|\/)\.\.?(?:\/|$))[^/\0]+(?:\/[^/\0]+)*$/),
  bytes: z.int().nonnegative(),
  sha256: z.string()
})
export type BackedUpFile = z.output<typeof fileSchema>

/** Writes a backup to a path where nothing is yet. It is on disk only when its caller has synced the file. */
export class BackupWriter {
  readonly database: Database.Database
  readonly #file: Database.Statement
  readonly #chunk: Database.Statement

  constructor(path: string) {
    this.database = new Database(path)
    this.database.pragma('journal_mode = OFF')
    this.database.pragma('synchronous = OFF')
    this.database.exec(SCHEMA)
    this.#file = this.database.prepare('INSERT INTO files VALUES (@path, @bytes, @sha256)')
    this.#chunk = this.database.prepare('INSERT INTO chunks VALUES (@path, @number, @bytes)')
  }

  /** Takes a file in as it is while it is read. Answers its bytes. */
  async add(path: string, file: FileHandle, signal: AbortSignal): Promise<number> {
    const digest = createHash('sha256')
    let bytes = 0
    for (let number = 0; ; number += 1) {
      const {bytesRead, buffer} = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, bytes)
      if (bytesRead === 0) break
      const chunk = buffer.subarray(0, bytesRead)
      digest.update(chunk)
      this.#chunk.run({path, number, bytes: chunk})
      bytes += bytesRead
      signal.throwIfAborted()
    }
    this.#file.run({path, bytes, sha256: digest.digest('hex')})
    return bytes
  }

  /** The last thing to be written. */
  finish({network, madeAtMs, groups, commands, headHash}: BackupFacts): void {
    const sql = 'INSERT INTO backup VALUES (?, ?, ?, ?, ?, ?)'
    this.database.prepare(sql).run('creo-backup-v1', network, madeAtMs, groups, commands, headHash)
  }

  close(): void {
    this.database.close()
  }
}

/** @throws {CreoError} `invalid_input` for a file that is no whole backup. */
export class BackupReader {
  readonly facts: BackupFacts
  readonly files: readonly BackedUpFile[]
  readonly #database: Database.Database
  readonly #chunks: Database.Statement<[string], Buffer>

  constructor(path: string) {
    try {
      this.#database = new Database(path, {readonly: true, fileMustExist: true})
    } catch (cause) {
      throw new CreoError('not_found', `There is no backup ${path}, or it can't be read.`, {hint: 'Check the path.', cause})
    }
    try {
      const facts = 'SELECT format, network, made_at_ms AS madeAtMs, groups, commands, head_hash AS headHash FROM backup'
      this.facts = factsSchema.parse(this.#database.prepare(facts).get())
      const files = this.#database.prepare('SELECT path, bytes, sha256 FROM files ORDER BY path LIMIT ?').all(FILES_MAX)
      this.files = z.array(fileSchema).parse(files)
      this.#chunks = this.#database.prepare<[string], Buffer>('SELECT bytes FROM chunks WHERE path = ? ORDER BY number').pluck()
    } catch (cause) {
      this.#database.close()
      throw new CreoError('invalid_input', `${path} is no whole backup of a coordinator.`, {
        hint: 'Take another one: a backup that was cut off is none.',
        cause
      })
    }
  }

  /** Writes one of the files to a path where nothing is, and syncs it. @throws {CreoError} `verification_failed` if it is not as it was taken in. */
  async write({path, bytes, sha256}: BackedUpFile, to: string, signal: AbortSignal): Promise<void> {
    const digest = createHash('sha256')
    let written = 0
    const file = await open(to, 'wx', 0o600)
    try {
      for (const chunk of this.#chunks.iterate(path)) {
        digest.update(chunk)
        await file.write(chunk)
        written += chunk.length
        signal.throwIfAborted()
      }
      await file.sync()
    } finally {
      await file.close()
    }
    if (written === bytes && digest.digest('hex') === sha256) return
    throw new CreoError('verification_failed', `${path} in the backup is not what it was.`, {hint: 'Restore another backup.'})
  }

  close(): void {
    this.#database.close()
  }
}
