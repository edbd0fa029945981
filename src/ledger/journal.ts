import Database from 'better-sqlite3'
import {GROUP_START_BYTES, groupHash, type JournalGroup, timeOfStart} from './group.ts'

export const JOURNAL_FILE = 'journal.sqlite'

/** One row a group, which nothing changes or deletes. */
export const JOURNAL_SCHEMA = `
CREATE TABLE IF NOT EXISTS groups (
  number INTEGER PRIMARY KEY,
  first_seq INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  ruleset TEXT NOT NULL,
  prev_hash TEXT NOT NULL,
  hash TEXT NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS groups_are_not_changed BEFORE UPDATE ON groups BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER IF NOT EXISTS groups_are_not_deleted BEFORE DELETE ON groups BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
`

export const INSERT_GROUP = 'INSERT INTO groups VALUES (@number, @firstSeq, @lastSeq, @ruleset, @prevHash, @hash, @body)'

const COLUMNS = 'number, first_seq AS firstSeq, last_seq AS lastSeq, ruleset, prev_hash AS prevHash, hash, body'

const HEADS = `
SELECT number, first_seq AS firstSeq, last_seq AS lastSeq, hash, length(body) AS bytes, substr(body, 1, ${GROUP_START_BYTES}) AS start
  FROM groups ORDER BY number DESC LIMIT ?`

const START = `SELECT substr(body, 1, ${GROUP_START_BYTES}) FROM groups WHERE number = ?`

interface JournaledHead extends Omit<JournalGroup, 'body' | 'ruleset' | 'prevHash'> {
  /** Of its body, and where that begins. */
  readonly bytes: number
  readonly start: Uint8Array
}

/** The place where the next group is chained on. */
export interface JournalHead {
  /** 0 before the first group. */
  readonly number: number
  readonly lastSeq: number
  readonly hash: string
}

/** The one writer of the journal. A group is on disk when `append` returns. After an error of `append` the writer must not be used again. */
export class JournalWriter {
  readonly #database: Database.Database
  readonly #insert: Database.Statement
  #head: JournalHead

  constructor(path: string, networkId: string) {
    this.#database = new Database(path)
    this.#database.pragma('journal_mode = WAL')
    this.#database.pragma('synchronous = FULL')
    this.#database.exec(JOURNAL_SCHEMA)
    this.#insert = this.#database.prepare(INSERT_GROUP)
    this.#head = headOf(this.#database, networkId)
  }

  get head(): JournalHead {
    return this.#head
  }

  append(group: Pick<JournalGroup, 'firstSeq' | 'lastSeq' | 'ruleset' | 'body'>): JournalGroup {
    const {number, lastSeq, hash: prevHash} = this.#head
    if (group.firstSeq !== lastSeq + 1) throw new Error(`Group of sequence ${group.firstSeq} after ${lastSeq}.`)
    const chained = {...group, number: number + 1, prevHash}
    const whole = {...chained, hash: groupHash(chained)}
    this.#insert.run(whole)
    this.#head = {number: whole.number, lastSeq: whole.lastSeq, hash: whole.hash}
    return whole
  }

  close(): void {
    this.#database.close()
  }
}

/** Reads what is committed, beside the writer or from a copied file. */
export class JournalReader {
  readonly #database: Database.Database
  readonly networkId: string
  readonly #page: Database.Statement<[number, number], JournalGroup>
  readonly #heads: Database.Statement<[number], JournaledHead>
  readonly #lastSeq: Database.Statement<[number], number>
  readonly #start: Database.Statement<[number], Uint8Array>

  constructor(path: string, networkId: string) {
    this.#database = new Database(path, {readonly: true, fileMustExist: true})
    this.networkId = networkId
    this.#page = this.#database.prepare(`SELECT ${COLUMNS} FROM groups WHERE number >= ? ORDER BY number LIMIT ?`)
    this.#heads = this.#database.prepare(HEADS)
    this.#lastSeq = this.#database.prepare<[number], number>('SELECT last_seq FROM groups WHERE number = ?').pluck()
    this.#start = this.#database.prepare<[number], Uint8Array>(START).pluck()
  }

  head(): JournalHead {
    return headOf(this.#database, this.networkId)
  }

  page(from: number, limit: number): JournalGroup[] {
    return this.#page.all(from, limit)
  }

  /** Newest first, without their bodies. */
  heads(limit: number): JournaledHead[] {
    return this.#heads.all(limit)
  }

  /** Of the first group that goes on after this sequence. */
  numberAfter(seq: number): number {
    return this.#firstWhere((number) => (this.#lastSeq.get(number) ?? Number.POSITIVE_INFINITY) > seq)
  }

  /** Of the last group that begins at this time or before; 0 for none. */
  numberAt(atMs: number): number {
    return this.#firstWhere((number) => timeOfStart(this.#start.get(number) ?? new Uint8Array()) > atMs) - 1
  }

  /** Numbers, sequences and times grow together, so it is looked for by halves. One more than the last where none is so. */
  #firstWhere(isSo: (number: number) => boolean): number {
    let [from, to] = [1, this.head().number + 1]
    while (from < to) {
      const middle = Math.floor((from + to) / 2)
      if (isSo(middle)) to = middle
      else from = middle + 1
    }
    return from
  }

  /** Every group from this number on. Takes them one by one, so that no page of large bodies is in memory. */
  *groups(from: number): Generator<JournalGroup> {
    for (let number = from; ; ) {
      const group = this.#page.get(number, 1)
      if (group === undefined) return
      yield group
      number = group.number + 1
    }
  }

  /** Sentences about what SQLite itself finds broken in the file; empty if nothing. */
  damage(): string[] {
    const found = this.#database.pragma('integrity_check(10)') as {integrity_check: string}[]
    return found.map((row) => row.integrity_check).filter((said) => said !== 'ok')
  }

  close(): void {
    this.#database.close()
  }
}

function headOf(database: Database.Database, networkId: string): JournalHead {
  const last = database.prepare(`SELECT ${COLUMNS} FROM groups ORDER BY number DESC LIMIT 1`).get() as JournalGroup | undefined
  return last === undefined ? {number: 0, lastSeq: 0, hash: networkId} : {number: last.number, lastSeq: last.lastSeq, hash: last.hash}
}
