import {existsSync, rmSync} from 'node:fs'
import Database from 'better-sqlite3'
import {CreoError} from '../core/errors.ts'
import {faultInChain, type JournalGroup} from './group.ts'
import type {JournalReader} from './journal.ts'
import {createProjectionTables, PROJECTION_VERSION} from './projection-schema.ts'
import {Projector} from './projector.ts'
import {BadGroup, RESTORE_HINT, refusalOf} from './replay.ts'

/** How far into the journal the projections are. */
export interface Watermark {
  readonly number: number
  readonly seq: number
  readonly hash: string
}

/**
 * The projections' file. It may be deleted at any time while the ledger is closed: it is made again from the journal.
 */
export class Projections {
  readonly #database: Database.Database
  readonly #projector: Projector

  private constructor(database: Database.Database, volumeBucketMs: number) {
    this.#database = database
    this.#projector = new Projector(database, {volumeBucketMs})
  }

  /**
   * Opens the file, or makes it anew when it is missing, damaged or of another version, and brings it up to the journal's head.
   * @throws {CreoError} `verification_failed` if it knows of groups that the journal has not: the journal has lost something; and if a group that it
   * lacks is not in the journal's chain.
   */
  static open(path: string, journal: JournalReader, options: {readonly networkId: string; readonly volumeBucketMs: number}): Projections {
    const database = openUsable(path) ?? createFresh(path, options.networkId)
    const projections = new Projections(database, options.volumeBucketMs)
    const from = projections.watermark
    const known = from.number === 0 ? {hash: options.networkId} : journal.page(from.number, 1)[0]
    if (known?.hash !== from.hash) {
      database.close()
      throw new CreoError('verification_failed', `The journal has lost group ${from.number}, which the projections know.`, {
        hint: `Never serve from this one. ${RESTORE_HINT}`
      })
    }
    let before: {readonly number: number; readonly hash: string} = from
    for (const group of journal.groups(from.number + 1)) {
      const fault = faultInChain(before, group)
      if (fault !== undefined) {
        database.close()
        throw refusalOf(new BadGroup(before.number + 1, fault))
      }
      projections.project(group)
      before = group
    }
    return projections
  }

  get watermark(): Watermark {
    return this.#database.prepare('SELECT number, seq, hash FROM watermark').get() as Watermark
  }

  project(group: JournalGroup): void {
    this.#projector.project(group)
  }

  close(): void {
    this.#database.close()
  }
}

function openUsable(path: string): Database.Database | undefined {
  if (!existsSync(path)) return undefined
  const database = new Database(path)
  try {
    prepareConnection(database)
    const intact = database.pragma('quick_check(1)', {simple: true}) === 'ok'
    if (intact && database.pragma('user_version', {simple: true}) === PROJECTION_VERSION) return database
  } catch (error) {
    if (!(error instanceof Database.SqliteError)) throw error
  }
  database.close()
  return undefined
}

function createFresh(path: string, networkId: string): Database.Database {
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, {force: true})
  const database = new Database(path)
  prepareConnection(database)
  createProjectionTables(database, networkId)
  return database
}

function prepareConnection(database: Database.Database): void {
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = NORMAL')
}
