import Database from 'better-sqlite3'
import {CreoError} from '../core/errors.ts'
import {SECRET_BYTES_MAX, SECRETS_PER_APP_MAX, type Sealed, type SecretView, sealingContext} from '../core/protocol/secrets.ts'
import {type SealingKey, seal, unseal} from '../identity/sealing.ts'

const BUSY_TIMEOUT_MS = 5000
/** Names that an app, or all apps of an org, ever had: what was unset keeps its version number, and nothing of its value. */
const NAMES_PER_APP_MAX = 1000
const NAMES_PER_ORG_MAX = 10_000
/** Who is kept waiting while values are sealed one after the other. */
const WRITERS_MAX = 100
const DEPOSIT_VERSION = 0

const SCHEMA = `
CREATE TABLE IF NOT EXISTS secrets (
  org TEXT NOT NULL, app TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, change INTEGER NOT NULL UNIQUE,
  deposit TEXT, enc TEXT, ciphertext TEXT, set_at_ms INTEGER NOT NULL, key_id TEXT NOT NULL, PRIMARY KEY (org, app, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS forgetting (
  org TEXT NOT NULL, app TEXT NOT NULL, until_ms INTEGER NOT NULL, key_id TEXT NOT NULL, PRIMARY KEY (org, app)
) STRICT, WITHOUT ROWID;
`
const COLUMNS = 'name, version, deposit, enc, ciphertext, set_at_ms AS setAtMs, key_id AS keyId'

export interface AppPlace {
  readonly org: string
  readonly app: string
}

interface Row {
  readonly name: string
  readonly version: number
  /** What the value was sealed by when it came: the same again is the same value, not a newer one. */
  readonly deposit: string | null
  /** Null when it is unset. */
  readonly enc: string | null
  readonly ciphertext: string | null
  readonly setAtMs: number
  readonly keyId: string
}

/** An app that is being destroyed. */
export interface Forgetting extends AppPlace {
  /** What was set later is kept. */
  readonly untilMs: number
  readonly keyId: string
}

export interface SecretStoreOptions {
  readonly path: string
  readonly network: string
  readonly key: SealingKey
  readonly nowMs: () => number
}

/**
 * The values of apps' secrets, newest alone, each sealed to a key that lies beside (`secrets.key`): in this file nobody reads them without that.
 * Opened only to be sealed anew, to a node that holds a lease.
 */
export class SecretStore {
  readonly #db: Database.Database
  readonly #options: SecretStoreOptions
  readonly #newestChange: Database.Statement<[string, string], {readonly change: number | null}>
  /** Values are numbered and sealed one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  #waiting = 0

  private constructor(db: Database.Database, options: SecretStoreOptions) {
    this.#db = db
    this.#options = options
    this.#newestChange = db.prepare('SELECT max(change) AS change FROM secrets WHERE org = ? AND app = ?')
  }

  /** @throws {CreoError} `data_dir_unwritable` */
  static open(options: SecretStoreOptions): SecretStore {
    try {
      const db = new Database(options.path, {timeout: BUSY_TIMEOUT_MS})
      db.pragma('journal_mode = WAL')
      db.pragma('synchronous = FULL')
      // What was overwritten or unset is not left in the file.
      db.pragma('secure_delete = ON')
      db.exec(SCHEMA)
      return new SecretStore(db, options)
    } catch (cause) {
      throw new CreoError('data_dir_unwritable', `The secrets in ${options.path} can't be opened.`, {
        hint: 'Check the disk and the rights of this user.',
        cause
      })
    }
  }

  /** Those that are set, by name. */
  list({org, app}: AppPlace): SecretView[] {
    const rows = this.#db.prepare(`SELECT ${COLUMNS} FROM secrets WHERE org = ? AND app = ? ORDER BY name`).all(org, app) as Row[]
    return rows.filter(({enc}) => enc !== null).map(viewOf)
  }

  /** Of the names given, those that are not set. */
  missing(place: AppPlace, names: readonly string[]): string[] {
    return names.filter((name) => (this.#row(place, name)?.enc ?? null) === null)
  }

  /** Grows whenever a secret of the app is set or unset; 0 for one that never had any. */
  changeOf({org, app}: AppPlace): number {
    return this.#newestChange.get(org, app)?.change ?? 0
  }

  /**
   * Takes a value that was sealed to this store's key as `sealingContext` of a deposit says.
   * @throws {CreoError} `verification_failed` when it is not; `invalid_input` for a value that is no text of an environment variable; `rejected` when
   * the app has too many.
   */
  set(
    place: AppPlace,
    {name, sealed, keyId}: {readonly name: string; readonly sealed: Sealed; readonly keyId: string}
  ): Promise<SecretView> {
    return this.#inTurn(() => this.#set(place, {name, sealed, keyId}))
  }

  /** Forgets the value; the version number stays. */
  unset(place: AppPlace, {name, keyId}: {readonly name: string; readonly keyId: string}): Promise<'unset' | 'already_unset'> {
    return this.#inTurn(async () => {
      if ((this.#row(place, name)?.enc ?? null) === null) return 'already_unset'
      this.#forget(place, {name, keyId})
      // The pages that held the value are in the write-ahead log too.
      this.#db.pragma('wal_checkpoint(TRUNCATE)')
      return 'unset'
    })
  }

  /** Remembers on disk that the app is about to be destroyed: a process that is killed in between does the rest at its next start. */
  beginForgetting({org, app, untilMs, keyId}: Forgetting): void {
    this.#db.prepare('INSERT OR REPLACE INTO forgetting VALUES (?, ?, ?, ?)').run(org, app, untilMs, keyId)
  }

  /** The app was not destroyed after all. */
  keepAll({org, app}: AppPlace): void {
    this.#db.prepare('DELETE FROM forgetting WHERE org = ? AND app = ?').run(org, app)
  }

  /** Those whose destruction a killed process left open. */
  forgetting(): Forgetting[] {
    return this.#db.prepare('SELECT org, app, until_ms AS untilMs, key_id AS keyId FROM forgetting').all() as Forgetting[]
  }

  /** Forgets all values of the app that were set until then; the version numbers stay. */
  unsetAll({org, app, untilMs, keyId}: Forgetting): Promise<void> {
    return this.#inTurn(async () => {
      for (const {name, setAtMs} of this.list({org, app})) if (setAtMs <= untilMs) this.#forget({org, app}, {name, keyId})
      this.#db.pragma('wal_checkpoint(TRUNCATE)')
      this.keepAll({org, app})
    })
  }

  /** Sealed anew to a node; undefined when it is not set. */
  async sealedTo(
    place: AppPlace,
    {name, node, to}: {readonly name: string; readonly node: string; readonly to: string}
  ): Promise<{readonly name: string; readonly version: number; readonly sealed: Sealed} | undefined> {
    const row = this.#row(place, name)
    if (row === undefined || row.enc === null || row.ciphertext === null) return undefined
    const {network, key} = this.#options
    const {version, enc, ciphertext} = row
    const value = await unseal(
      {enc, ciphertext},
      {key, context: sealingContext({network, recipient: 'coordinator', ...place, name, version})}
    )
    const sealed = await seal(value, {to, context: sealingContext({network, recipient: node, ...place, name, version})})
    value.fill(0)
    return {name, version, sealed}
  }

  async close(): Promise<void> {
    await this.#turn
    this.#db.close()
  }

  #forget(place: AppPlace, {name, keyId}: {readonly name: string; readonly keyId: string}): void {
    this.#db
      .prepare(
        `UPDATE secrets SET deposit = NULL, enc = NULL, ciphertext = NULL, set_at_ms = @nowMs, key_id = @keyId,
         change = (SELECT max(change) + 1 FROM secrets) WHERE org = @org AND app = @app AND name = @name`
      )
      .run({...place, name, keyId, nowMs: this.#options.nowMs()})
  }

  async #set(place: AppPlace, {name, sealed, keyId}: Parameters<SecretStore['set']>[1]): Promise<SecretView> {
    const before = this.#row(place, name)
    if (before?.deposit === sealed.enc) return viewOf(before)
    this.#refuseTooMany(place, before)
    const {network, key, nowMs} = this.#options
    const value = await unseal(sealed, {
      key,
      context: sealingContext({network, recipient: 'deposit', ...place, name, version: DEPOSIT_VERSION})
    })
    checkValue(value)
    const version = (before?.version ?? 0) + 1
    const kept = await seal(value, {
      to: key.publicKey,
      context: sealingContext({network, recipient: 'coordinator', ...place, name, version})
    })
    value.fill(0)
    const row = {...place, name, version, deposit: sealed.enc, ...kept, setAtMs: nowMs(), keyId}
    this.#db
      .prepare(
        `INSERT INTO secrets VALUES (@org, @app, @name, @version, (SELECT coalesce(max(change), 0) + 1 FROM secrets),
           @deposit, @enc, @ciphertext, @setAtMs, @keyId)
         ON CONFLICT DO UPDATE SET version = excluded.version, change = excluded.change, deposit = excluded.deposit, enc = excluded.enc,
           ciphertext = excluded.ciphertext, set_at_ms = excluded.set_at_ms, key_id = excluded.key_id`
      )
      .run(row)
    return viewOf(row)
  }

  #refuseTooMany({org, app}: AppPlace, before: Row | undefined): void {
    if (before !== undefined && before.enc !== null) return
    const counts = this.#db
      .prepare(
        `SELECT sum(enc IS NOT NULL AND app = @app) AS isSet, sum(app = @app) AS ofApp, count(*) AS ofOrg FROM secrets WHERE org = @org`
      )
      .get({org, app}) as {isSet: number | null; ofApp: number | null; ofOrg: number}
    if ((counts.isSet ?? 0) >= SECRETS_PER_APP_MAX)
      throw new CreoError('rejected', `${org}/${app} has ${SECRETS_PER_APP_MAX} secrets, the most that an app may have.`, {
        hint: 'Unset one that no function needs: creo secrets list'
      })
    if (before === undefined && ((counts.ofApp ?? 0) >= NAMES_PER_APP_MAX || counts.ofOrg >= NAMES_PER_ORG_MAX))
      throw new CreoError('rejected', `${org}/${app} has used too many different names for secrets.`, {
        hint: 'Use a name that it had before.'
      })
  }

  #row({org, app}: AppPlace, name: string): Row | undefined {
    return this.#db.prepare(`SELECT ${COLUMNS} FROM secrets WHERE org = ? AND app = ? AND name = ?`).get(org, app, name) as Row | undefined
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= WRITERS_MAX)
      throw new CreoError('overloaded', 'Too many secrets are being set.', {hint: 'Run the same command again.'})
    this.#waiting += 1
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => undefined)
    try {
      return await done
    } finally {
      this.#waiting -= 1
    }
  }
}

function viewOf({name, version, setAtMs, keyId}: SecretView): SecretView {
  return {name, version, setAtMs, keyId}
}

function checkValue(value: Buffer): void {
  if (value.length === 0)
    throw new CreoError('invalid_input', 'The value is empty.', {hint: 'Give it by --from-file or on standard input.'})
  if (value.length > SECRET_BYTES_MAX)
    throw new CreoError('invalid_input', `The value has ${value.length} bytes; the most is ${SECRET_BYTES_MAX}.`, {
      hint: 'Keep the long part elsewhere, and its key here.'
    })
  if (value.includes(0) || !Buffer.from(value.toString('utf8')).equals(value))
    throw new CreoError('invalid_input', 'The value is not text: an environment variable has no other.', {
      hint: 'Encode it, for example by base64.'
    })
}
