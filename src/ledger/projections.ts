import {existsSync, rmSync} from 'node:fs'
import Database from 'better-sqlite3'
import {CreoError} from '../core/errors.ts'
import {BadGroup, RESTORE_HINT, refusalOf} from './bad-group.ts'
import {faultInChain, type JournalGroup} from './group.ts'
import type {JournalReader} from './journal.ts'
import {createProjectionTables, PROJECTION_VERSION} from './projection-schema.ts'
import {Projector} from './projector.ts'

/** Groups that are written in one transaction: what several change of the same rows is written to disk once. */
export const GROUPS_AT_ONCE = 8

/** Of pages, at most: what SQLite keeps unless told otherwise, 2 MiB, is less than the indexes of a market, and each row read some of them again. */
const CACHE_KIB = 32 * 1024

/** Pages (4 KiB) beside the file at which they are written into it: those that change again and again are written once for all of these. */
const CHECKPOINT_PAGES = 4096

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
  readonly #watermark: Database.Statement<[], Watermark>

  private constructor(database: Database.Database, volumeBucketMs: number) {
    this.#database = database
    this.#projector = new Projector(database, {volumeBucketMs})
    this.#watermark = database.prepare('SELECT number, seq, hash FROM watermark')
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
    try {
      for (const {number} = journal.head(); projections.watermark.number < number; ) projections.projectSome(journal, number)
    } catch (error) {
      database.close()
      throw error
    }
    return projections
  }

  get watermark(): Watermark {
    return this.#watermark.get() as Watermark
  }

  /**
   * Projects the journal's next groups, none after group `until`, a few in one transaction; how far the projections are then.
   * @throws {CreoError} `verification_failed` if the next one is not in the journal's chain.
   */
  projectSome(journal: JournalReader, until: number): Watermark {
    const from = this.watermark
    if (from.number < until) this.#projector.project(chained(journal, from, Math.min(until, from.number + GROUPS_AT_ONCE)))
    return this.watermark
  }

  close(): void {
    this.#database.close()
  }
}

function* chained(journal: JournalReader, from: Watermark, until: number): Generator<JournalGroup> {
  let before: {readonly number: number; readonly hash: string} = from
  for (const group of journal.groups(from.number + 1)) {
    const fault = faultInChain(before, group)
    if (fault !== undefined) throw refusalOf(new BadGroup(before.number + 1, fault))
    yield group
    if (group.number === until) return
    before = group
  }
  throw refusalOf(new BadGroup(before.number + 1, 'is missing'))
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
  database.pragma(`cache_size = -${CACHE_KIB}`)
  database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
}
