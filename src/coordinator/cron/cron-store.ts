import Database from 'better-sqlite3'

const SCHEMA = `
CREATE TABLE IF NOT EXISTS schedules (
  key TEXT PRIMARY KEY,
  since_ms INTEGER NOT NULL,
  fired_ms INTEGER,
  call TEXT,
  state TEXT NOT NULL CHECK (state IN ('new', 'waiting', 'handed', 'given_up')),
  gateway TEXT
) STRICT, WITHOUT ROWID;
`

/** What is remembered of one schedule. */
export interface Fired {
  readonly key: string
  /** When it came into force: what came due before is not made up for. */
  readonly sinceMs: number
  /** The last time that was fired, and the call that it made; null before the first. */
  readonly firedMs: number | null
  readonly call: string | null
  /** Of that call: `waiting` for a gateway to take it, `handed` to one, or `given_up`. */
  readonly state: 'new' | 'waiting' | 'handed' | 'given_up'
  /** The one that took it. */
  readonly gateway: string | null
}

/** What has been fired, on disk before anybody is told: a coordinator that is killed in the middle goes on with the same call. */
export class CronStore {
  readonly #db: Database.Database
  readonly #rows = new Map<string, Fired>()
  readonly #save: Database.Statement
  readonly #delete: Database.Statement

  constructor(path: string) {
    this.#db = new Database(path)
    this.#db.pragma('journal_mode = WAL')
    this.#db.pragma('synchronous = FULL')
    this.#db.exec(SCHEMA)
    this.#save = this.#db.prepare('INSERT OR REPLACE INTO schedules VALUES (@key, @sinceMs, @firedMs, @call, @state, @gateway)')
    this.#delete = this.#db.prepare('DELETE FROM schedules WHERE key = ?')
    const rows = this.#db.prepare('SELECT key, since_ms AS sinceMs, fired_ms AS firedMs, call, state, gateway FROM schedules').all()
    for (const row of rows as Fired[]) this.#rows.set(row.key, row)
  }

  find(key: string): Fired | undefined {
    return this.#rows.get(key)
  }

  /** Calls that no gateway has taken yet. */
  waiting(): Fired[] {
    return [...this.#rows.values()].filter(({state}) => state === 'waiting')
  }

  /** Begins to remember the schedules that are new, and forgets those that are no longer in force. */
  keep(keys: ReadonlySet<string>, nowMs: number): void {
    const fresh = [...keys].filter((key) => !this.#rows.has(key))
    const gone = [...this.#rows.keys()].filter((key) => !keys.has(key))
    if (fresh.length + gone.length === 0) return
    this.#db
      .transaction(() => {
        for (const key of gone) this.#delete.run(key)
        for (const key of fresh) this.#save.run(newSchedule(key, nowMs))
      })
      .immediate()
    for (const key of gone) this.#rows.delete(key)
    for (const key of fresh) this.#rows.set(key, newSchedule(key, nowMs))
  }

  /** All of it is on disk when this returns. What is no longer remembered stays forgotten. */
  save(changed: readonly Fired[]): void {
    const rows = changed.filter(({key}) => this.#rows.has(key))
    if (rows.length === 0) return
    this.#db
      .transaction(() => {
        for (const row of rows) this.#save.run(row)
      })
      .immediate()
    for (const row of rows) this.#rows.set(row.key, row)
  }

  close(): void {
    this.#db.close()
  }
}

function newSchedule(key: string, nowMs: number): Fired {
  return {key, sinceMs: nowMs, firedMs: null, call: null, state: 'new', gateway: null}
}
