import Database from 'better-sqlite3'
import {CreoError} from '../../core/errors.ts'
import type {DeliveryView, WebhookEventType, WebhookView} from '../../core/protocol/webhooks.ts'

const BUSY_TIMEOUT_MS = 5000
/** Orgs that have one. */
export const WEBHOOKS_MAX = 10_000
/** Events of one org that wait; what comes then is dropped, and counted. */
export const WAITING_PER_ORG_MAX = 10_000
/** Of one org, of those that arrived, and as many of those that were given up; the oldest are forgotten, and what had not arrived is counted as dropped. */
export const ENDED_PER_ORG_MAX = 1000

const SCHEMA = `
CREATE TABLE IF NOT EXISTS hooks (
  org TEXT PRIMARY KEY, url TEXT NOT NULL, set_at_ms INTEGER NOT NULL, key_id TEXT NOT NULL, dropped INTEGER NOT NULL DEFAULT 0,
  delivered_at_ms INTEGER, failing_since_ms INTEGER, failed_attempts INTEGER NOT NULL DEFAULT 0, said TEXT,
  since_seq INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL, org TEXT NOT NULL, type TEXT NOT NULL, redemption TEXT NOT NULL, body TEXT NOT NULL,
  at_ms INTEGER NOT NULL, state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'given_up')), attempts INTEGER NOT NULL DEFAULT 0,
  begun_ms INTEGER NOT NULL, next_at_ms INTEGER, said TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS deliveries_of_org ON deliveries (org, state, number);
-- As an earlier version had it.
DROP INDEX IF EXISTS deliveries_due;
CREATE INDEX IF NOT EXISTS deliveries_due_of_org ON deliveries (org, next_at_ms) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS deliveries_of_redemption ON deliveries (redemption, number);
CREATE TABLE IF NOT EXISTS told (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), seq INTEGER NOT NULL) STRICT;
`
/** Those of one redemption are told in their order: none before the one before it has arrived or was given up. */
const DUE = `
SELECT id, org, body, attempts, begun_ms AS begunMs, type, redemption FROM deliveries AS d INDEXED BY deliveries_due_of_org
WHERE org = @org AND state = 'waiting' AND next_at_ms <= @nowMs AND NOT EXISTS (
  SELECT 1 FROM deliveries AS before WHERE before.redemption = d.redemption AND before.number < d.number AND before.state = 'waiting'
) ORDER BY next_at_ms, number LIMIT @limit`
/** When what comes before it of the same redemption is tried again; null where nothing does. */
const BEFORE = "SELECT max(next_at_ms) FROM deliveries WHERE redemption = ? AND state = 'waiting'"
/** What waits behind one of the same redemption comes due with it, so that it is not looked at until then. */
const BEHIND =
  "UPDATE deliveries SET next_at_ms = @at WHERE redemption = (SELECT redemption FROM deliveries WHERE id = @id) AND state = 'waiting' AND id <> @id"

/** An event as it is told, again and again until it arrived. */
export interface NewDelivery {
  readonly id: string
  /** Of the command that did it. */
  readonly seq: number
  readonly org: string
  readonly type: WebhookEventType
  readonly redemption: string
  readonly body: string
  readonly atMs: number
}

export interface DueDelivery extends Pick<NewDelivery, 'id' | 'org' | 'body'> {
  readonly attempts: number
  /** When it was first to be told, or was tried anew by hand. */
  readonly begunMs: number
}

export interface Attempt {
  readonly org: string
  readonly id: string
  /** Null: it arrived. A time: it is tried again then. `given_up`: it is not. */
  readonly next: number | 'given_up' | null
  readonly said: string
  readonly nowMs: number
}

/** Orgs' webhooks and what waits to be told, on disk before anybody is: a coordinator that is killed in the middle tells the rest. */
export class WebhookStore {
  readonly #db: Database.Database
  /** Address and sequence of each: only what happened after it is told. */
  readonly #hooks = new Map<string, {readonly url: string; readonly since: number}>()

  /** @throws {CreoError} `data_dir_unwritable` */
  constructor(path: string) {
    try {
      this.#db = new Database(path, {timeout: BUSY_TIMEOUT_MS})
      this.#db.pragma('journal_mode = WAL')
      this.#db.pragma('synchronous = FULL')
      // An address may hold what only its org knows.
      this.#db.pragma('secure_delete = ON')
      this.#db.exec(SCHEMA)
      this.#addSince()
    } catch (cause) {
      throw new CreoError('data_dir_unwritable', `The webhooks in ${path} can't be opened.`, {
        hint: 'Check the disk and the rights of this user.',
        cause
      })
    }
    this.#readHooks()
  }

  /** What came after it is not in the store yet; undefined before the first webhook. */
  get toldSeq(): number | undefined {
    return this.#db.prepare('SELECT seq FROM told').pluck().get() as number | undefined
  }

  urlOf(org: string): string | undefined {
    return this.#hooks.get(org)?.url
  }

  /** True when no org has one. */
  get isEmpty(): boolean {
    return this.#hooks.size === 0
  }

  /** What happened before `seq` is not told to an org that had none. @throws {CreoError} `rejected` when there are too many. */
  set({
    org,
    url,
    keyId,
    nowMs,
    seq
  }: {
    readonly org: string
    readonly url: string
    readonly keyId: string
    readonly nowMs: number
    readonly seq: number
  }): void {
    if (!this.#hooks.has(org) && this.#hooks.size >= WEBHOOKS_MAX) {
      throw new CreoError('rejected', `${WEBHOOKS_MAX} orgs have webhooks, the most that this coordinator keeps.`, {
        hint: "Ask the network's operator."
      })
    }
    const since = this.#hooks.get(org)?.since ?? seq
    this.#db
      .transaction(() => {
        if (this.isEmpty) this.#tell(seq)
        this.#db
          .prepare(
            `INSERT INTO hooks (org, url, set_at_ms, key_id, since_seq) VALUES (@org, @url, @nowMs, @keyId, @since) ON CONFLICT DO UPDATE SET
             url = excluded.url, set_at_ms = excluded.set_at_ms, key_id = excluded.key_id, failing_since_ms = NULL, failed_attempts = 0, said = NULL`
          )
          .run({org, url, keyId, nowMs, since})
        // What waited for the address before is for the new one, and at once.
        this.#db
          .prepare("UPDATE deliveries SET next_at_ms = @nowMs, begun_ms = @nowMs WHERE org = @org AND state = 'waiting'")
          .run({org, nowMs})
      })
      .immediate()
    this.#hooks.set(org, {url, since})
  }

  /** With all that waits and was told. */
  remove(org: string): boolean {
    if (!this.#hooks.has(org)) return false
    this.#db
      .transaction(() => {
        this.#db.prepare('DELETE FROM deliveries WHERE org = ?').run(org)
        this.#db.prepare('DELETE FROM hooks WHERE org = ?').run(org)
      })
      .immediate()
    this.#hooks.delete(org)
    // The pages that held the address are in the write-ahead log too.
    this.#db.pragma('wal_checkpoint(TRUNCATE)')
    return true
  }

  /** All that the ledger did until `seq`: events that are known already are left as they are. */
  take(events: readonly NewDelivery[], {seq, nowMs}: {readonly seq: number; readonly nowMs: number}): void {
    const insert = this.#db.prepare(
      `INSERT OR IGNORE INTO deliveries (id, seq, org, type, redemption, body, at_ms, state, begun_ms, next_at_ms)
       VALUES (@id, @seq, @org, @type, @redemption, @body, @atMs, 'waiting', @nowMs, @dueMs)`
    )
    const before = this.#db.prepare(BEFORE).pluck()
    const waiting = this.#db.prepare("SELECT count(*) FROM deliveries WHERE org = ? AND state = 'waiting'").pluck()
    const drop = this.#db.prepare('UPDATE hooks SET dropped = dropped + 1 WHERE org = ?')
    const counts = new Map<string, number>()
    this.#db
      .transaction(() => {
        for (const event of events) {
          const {org} = event
          const since = this.#hooks.get(org)?.since
          if (since === undefined || event.seq <= since) continue
          const count = counts.get(org) ?? (waiting.get(org) as number)
          const dueMs = Math.max(nowMs, (before.get(event.redemption) as number | null) ?? 0)
          if (count < WAITING_PER_ORG_MAX) counts.set(org, count + insert.run({...event, nowMs, dueMs}).changes)
          else drop.run(org)
        }
        this.#tell(seq)
      })
      .immediate()
  }

  /** Orgs of which something is due, by name. */
  orgsDue(nowMs: number): string[] {
    return this.#db
      .prepare(
        `SELECT org FROM hooks WHERE EXISTS (
           SELECT 1 FROM deliveries AS d INDEXED BY deliveries_due_of_org WHERE d.org = hooks.org AND state = 'waiting' AND next_at_ms <= ?
         ) ORDER BY org`
      )
      .pluck()
      .all(nowMs) as string[]
  }

  /** The ledger ends here: it was restored from a backup that was begun before this store was copied. */
  forgetAfter(seq: number): void {
    this.#db
      .transaction(() => {
        this.#db.prepare('UPDATE hooks SET since_seq = @seq WHERE since_seq > @seq').run({seq})
        if ((this.toldSeq ?? 0) <= seq) return
        this.#db.prepare('DELETE FROM deliveries WHERE seq > ?').run(seq)
        this.#tell(seq)
      })
      .immediate()
    this.#readHooks()
  }

  due(org: string, {nowMs, limit}: {readonly nowMs: number; readonly limit: number}): DueDelivery[] {
    return this.#db.prepare(DUE).all({org, nowMs, limit}) as DueDelivery[]
  }

  /** How attempts ended, all at once. One that was removed meanwhile stays so. */
  settle(attempts: readonly Attempt[]): void {
    this.#db
      .transaction(() => {
        for (const attempt of attempts) this.#settle(attempt)
      })
      .immediate()
  }

  /** Those that were given up, or the one that is named, are tried again at once. */
  retry(org: string, {id, nowMs}: {readonly id: string | undefined; readonly nowMs: number}): number {
    const which = id === undefined ? "state = 'given_up'" : "id = @id AND state <> 'delivered'"
    return this.#db
      .prepare(`UPDATE deliveries SET state = 'waiting', next_at_ms = @nowMs, begun_ms = @nowMs WHERE org = @org AND ${which}`)
      .run({org, nowMs, ...(id !== undefined && {id})}).changes
  }

  /** State of a delivery of the org; undefined for one that it does not have. */
  stateOf(org: string, id: string): DeliveryView['state'] | undefined {
    return this.#db.prepare('SELECT state FROM deliveries WHERE org = ? AND id = ?').pluck().get(org, id) as
      | DeliveryView['state']
      | undefined
  }

  view(org: string): WebhookView | undefined {
    const row = this.#db
      .prepare(
        `SELECT url, set_at_ms AS setAtMs, key_id AS keyId, dropped, delivered_at_ms AS lastDeliveredAtMs, failing_since_ms AS sinceMs,
           failed_attempts AS attempts, said, (SELECT count(*) FROM deliveries AS d WHERE d.org = hooks.org AND state = 'waiting') AS waiting,
           (SELECT count(*) FROM deliveries AS d WHERE d.org = hooks.org AND state = 'given_up') AS givenUp FROM hooks WHERE org = ?`
      )
      .get(org) as (Omit<WebhookView, 'failing'> & {sinceMs: number | null; attempts: number; said: string | null}) | undefined
    if (row === undefined) return undefined
    const {sinceMs, attempts, said, ...rest} = row
    return {...rest, failing: sinceMs === null ? null : {sinceMs, attempts, said: said ?? ''}}
  }

  /** Newest first. */
  deliveries(org: string, {state, limit}: {readonly state: DeliveryView['state'] | undefined; readonly limit: number}): DeliveryView[] {
    return this.#db
      .prepare(
        `SELECT id, type, redemption, state, attempts, at_ms AS atMs, next_at_ms AS nextAtMs, said FROM deliveries
         WHERE org = @org AND (@state IS NULL OR state = @state) ORDER BY number DESC LIMIT @limit`
      )
      .all({org, state: state ?? null, limit}) as DeliveryView[]
  }

  close(): void {
    this.#db.close()
  }

  #settle({org, id, next, said, nowMs}: Attempt): void {
    const state = next === null ? 'delivered' : next === 'given_up' ? 'given_up' : 'waiting'
    const isDelivered = next === null
    const at = typeof next === 'number' ? next : null
    this.#db
      .prepare(
        'UPDATE deliveries SET state = @state, attempts = attempts + 1, next_at_ms = @at, said = @said WHERE id = @id AND org = @org'
      )
      .run({org, id, state, at, said})
    this.#db.prepare(BEHIND).run({id, at: at ?? nowMs})
    const changed = isDelivered
      ? 'delivered_at_ms = @nowMs, failing_since_ms = NULL, failed_attempts = 0, said = NULL'
      : 'failing_since_ms = coalesce(failing_since_ms, @nowMs), failed_attempts = failed_attempts + 1, said = @said'
    this.#db.prepare(`UPDATE hooks SET ${changed} WHERE org = @org`).run({org, nowMs, ...(!isDelivered && {said})})
    if (state !== 'waiting') this.#forgetOldest(org, state)
  }

  #readHooks(): void {
    const rows = this.#db.prepare('SELECT org, url, since_seq AS since FROM hooks').all() as {org: string; url: string; since: number}[]
    for (const {org, url, since} of rows) this.#hooks.set(org, {url, since})
  }

  /** An earlier version had no such column: its orgs are told all that was to be told then. */
  #addSince(): void {
    const isThere = this.#db.prepare("SELECT 1 FROM pragma_table_info('hooks') WHERE name = 'since_seq'").get() !== undefined
    if (!isThere) this.#db.exec('ALTER TABLE hooks ADD COLUMN since_seq INTEGER NOT NULL DEFAULT 0')
  }

  #tell(seq: number): void {
    this.#db.prepare('INSERT INTO told VALUES (1, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq').run(seq)
  }

  #forgetOldest(org: string, state: 'delivered' | 'given_up'): void {
    const {changes} = this.#db
      .prepare(
        `DELETE FROM deliveries WHERE org = @org AND state = @state AND number <= (
           SELECT number FROM deliveries WHERE org = @org AND state = @state ORDER BY number DESC LIMIT 1 OFFSET ${ENDED_PER_ORG_MAX})`
      )
      .run({org, state})
    if (state === 'given_up') this.#db.prepare('UPDATE hooks SET dropped = dropped + @changes WHERE org = @org').run({org, changes})
  }
}
