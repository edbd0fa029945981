import Database from 'better-sqlite3'
import {CreoError} from '../core/errors.ts'
import {pictureOf} from '../core/pictures.ts'
import type {PictureView} from '../core/protocol/pictures.ts'
import {sha256Hex} from '../identity/keys.ts'

const BUSY_TIMEOUT_MS = 5000
/** Of one org, and of all. */
const ORG_BYTES_MAX = 16 * 2 ** 20
const ALL_BYTES_MAX = 512 * 2 ** 20

const SCHEMA = `
CREATE TABLE IF NOT EXISTS pictures (
  digest TEXT NOT NULL, org TEXT NOT NULL, type TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, stored_at_ms INTEGER NOT NULL,
  bytes BLOB NOT NULL, PRIMARY KEY (digest, org)
) STRICT;
CREATE INDEX IF NOT EXISTS pictures_of_org ON pictures (org);
`

export interface StoredPicture extends PictureView {
  readonly content: Buffer
}

/** Pictures of offers, by their digests; which of them any offer names is the ledger's to say. */
export class PictureStore {
  readonly #db: Database.Database

  /** @throws {CreoError} `data_dir_unwritable` */
  constructor(path: string) {
    try {
      this.#db = new Database(path, {timeout: BUSY_TIMEOUT_MS})
      this.#db.pragma('journal_mode = WAL')
      this.#db.pragma('synchronous = FULL')
      this.#db.exec(SCHEMA)
    } catch (cause) {
      throw new CreoError('data_dir_unwritable', `The pictures in ${path} can't be opened.`, {
        hint: 'Check the disk and the rights of this user.',
        cause
      })
    }
  }

  /** Takes a picture, once. @throws {CreoError} `invalid_input` as `pictureOf`; `rejected` when the org, or all, have too much. */
  store({org, bytes, nowMs}: {readonly org: string; readonly bytes: Buffer; readonly nowMs: number}): PictureView {
    const picture = pictureOf(bytes)
    const digest = `sha256:${sha256Hex(bytes)}`
    const view = {digest, ...picture, bytes: bytes.length}
    this.#db
      .transaction(() => {
        const again = this.#db.prepare('UPDATE pictures SET stored_at_ms = ? WHERE digest = ? AND org = ?').run(nowMs, digest, org)
        if (again.changes > 0) return
        const sum = this.#db.prepare('SELECT coalesce(sum(length(bytes)), 0) FROM pictures WHERE org = ?').pluck()
        if ((sum.get(org) as number) + bytes.length > ORG_BYTES_MAX)
          throw new CreoError('rejected', `${org} has ${ORG_BYTES_MAX / 2 ** 20} MiB of pictures, the most that an org may have.`, {
            hint: 'Take pictures off offers that have ended: creo offer edit --no-picture. They go within an hour or two.'
          })
        const all = this.#db.prepare('SELECT coalesce(sum(length(bytes)), 0) FROM pictures').pluck().get() as number
        if (all + bytes.length > ALL_BYTES_MAX)
          throw new CreoError('rejected', 'The network has as many pictures as its coordinator keeps.', {
            hint: "Ask the network's operator."
          })
        const {type, width, height} = picture
        this.#db.prepare('INSERT INTO pictures VALUES (?, ?, ?, ?, ?, ?, ?)').run(digest, org, type, width, height, nowMs, bytes)
      })
      .immediate()
    return view
  }

  /** Undefined for one that is not there, or whose bytes are no longer those that it is named by. */
  find(digest: string): StoredPicture | undefined {
    const row = this.#db.prepare('SELECT type, width, height, bytes AS content FROM pictures WHERE digest = ? LIMIT 1').get(digest) as
      | (Pick<StoredPicture, 'type' | 'width' | 'height'> & {readonly content: Buffer})
      | undefined
    if (row === undefined || `sha256:${sha256Hex(row.content)}` !== digest) return undefined
    return {digest, ...row, bytes: row.content.length}
  }

  /** Deletes what no offer of its org names and nobody has stored lately; answers how many. */
  collect(named: readonly {readonly org: string; readonly digest: string}[], {before}: {readonly before: number}): number {
    const kept = new Set(named.map(({org, digest}) => `${org} ${digest}`))
    const old = this.#db.prepare('SELECT digest, org FROM pictures WHERE stored_at_ms < ?').all(before) as {digest: string; org: string}[]
    const gone = old.filter(({org, digest}) => !kept.has(`${org} ${digest}`))
    const remove = this.#db.prepare('DELETE FROM pictures WHERE digest = ? AND org = ?')
    this.#db
      .transaction(() => {
        for (const {digest, org} of gone) remove.run(digest, org)
      })
      .immediate()
    return gone.length
  }

  close(): void {
    this.#db.close()
  }
}
