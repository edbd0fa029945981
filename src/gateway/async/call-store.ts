import Database from 'better-sqlite3'
import {CALLS_SCHEMA} from './calls-schema.ts'
import {
  bytesOf,
  type Ending,
  type NewCall,
  type PutAnswer,
  ROW_BYTES,
  type StoredCall,
  type StoredResult,
  type TakenCall,
  type WaitingCall
} from './stored-call.ts'

/** Ended calls that are deleted in one turn, so that no transaction is long. */
const PRUNED_MAX = 5000
const BUSY_TIMEOUT_MS = 5000
interface CallRow {
  readonly number: number
  readonly id: string
  readonly app: string
  readonly function: string
  readonly state: StoredCall['state']
  readonly attempts: number
  readonly acceptedAtMs: number
  readonly dueAtMs: number
  readonly endedAtMs: number | null
  readonly request: string
  readonly error: string | null
}

const COLUMNS = `number, id, app, function, state, attempts, accepted_at_ms AS acceptedAtMs, due_at_ms AS dueAtMs, ended_at_ms AS endedAtMs, request, error`
/** What a failed call takes when it is taken up again: its result is deleted then. */
const BYTES_WITHOUT_RESULT = `max(${ROW_BYTES}, bytes - coalesce((SELECT length(body) + length(head) FROM results WHERE call = number), 0))`

/** The durable queue of one gateway. Whoever calls puts several changes into one transaction by `group`. */
export class CallStore {
  readonly #db: Database.Database
  readonly #statements = new Map<string, Database.Statement>()

  constructor(path: string) {
    this.#db = new Database(path, {timeout: BUSY_TIMEOUT_MS})
    this.#db.pragma('journal_mode = WAL')
    this.#db.pragma('synchronous = FULL')
    this.#db.pragma('foreign_keys = ON')
    // What a request carried does not lie in the file once it is deleted.
    this.#db.pragma('secure_delete = FAST')
    this.#db.exec(CALLS_SCHEMA)
  }

  /** All of it is on disk when this returns, or nothing of it. */
  group<T>(work: () => T): T {
    return this.#db.transaction(work).immediate()
  }

  /** What has not ended, in the order in which it comes due. */
  waiting(): WaitingCall[] {
    return this.#all(`SELECT id, app, function, due_at_ms AS dueAtMs, bytes FROM calls WHERE state = 'queued' ORDER BY due_at_ms, number`)
  }

  put(call: NewCall): PutAnswer {
    const known =
      this.#get<CallRow>(`SELECT ${COLUMNS} FROM calls WHERE id = ?`, call.id) ??
      (call.key &&
        this.#get<CallRow & {content: string}>(`SELECT ${COLUMNS}, key_content AS content FROM calls WHERE key_name = ?`, call.key.name))
    if (known !== undefined) {
      if ('content' in known && known.content !== call.key?.content) return {put: 'conflict'}
      return {put: 'known', id: known.id, state: known.state}
    }
    const {lastInsertRowid: number} = this.#run(
      `INSERT INTO calls (id, app, function, key_name, key_content, state, attempts, accepted_at_ms, due_at_ms, bytes, request)
       VALUES (@id, @app, @function, @keyName, @keyContent, 'queued', 0, @acceptedAtMs, @acceptedAtMs, @bytes, @request)`,
      {
        id: call.id,
        app: call.app,
        function: call.function,
        keyName: call.key?.name ?? null,
        keyContent: call.key?.content ?? null,
        acceptedAtMs: call.acceptedAtMs,
        bytes: bytesOf(call),
        request: JSON.stringify(call.request)
      }
    )
    if (call.body.length > 0) this.#run('INSERT INTO bodies VALUES (@number, @body)', {number, body: call.body})
    return {put: 'stored'}
  }

  /** Begins an attempt. Undefined when the call has ended meanwhile. */
  take(id: string): TakenCall | undefined {
    const row = this.#get<CallRow>(`UPDATE calls SET attempts = attempts + 1 WHERE id = ? AND state = 'queued' RETURNING ${COLUMNS}`, id)
    if (row === undefined) return undefined
    const body = this.#get<{body: Uint8Array}>('SELECT body FROM bodies WHERE call = ?', row.number)?.body ?? new Uint8Array()
    return {...storedCall(row), body}
  }

  /** It is to be tried again. */
  again({id, dueAtMs, error}: {readonly id: string; readonly dueAtMs: number; readonly error: StoredCall['error']}): void {
    this.#run(`UPDATE calls SET due_at_ms = @dueAtMs, error = @error WHERE id = @id AND state = 'queued'`, {
      id,
      dueAtMs,
      error: jsonOf(error)
    })
  }

  /** Headers and body of the request are kept for a call that can be tried again alone. @returns false when it had ended before: nothing is changed then. */
  end({id, state, atMs, error, result, body, callback}: Ending): boolean {
    const keepsRequest = state === 'failed'
    const head = jsonOf(result)
    const row = this.#get<{number: number}>(
      `UPDATE calls SET state = @state, ended_at_ms = @atMs, error = @error,
         request = iif(@keepsRequest, request, json_set(request, '$.headers', json('[]'))),
         bytes = @resultBytes + iif(@keepsRequest, bytes, ${ROW_BYTES} + length(json_set(request, '$.headers', json('[]'))))
       WHERE id = @id AND state = 'queued' RETURNING number`,
      {id, state, atMs, error: jsonOf(error), keepsRequest: Number(keepsRequest), resultBytes: (body?.length ?? 0) + (head?.length ?? 0)}
    )
    if (row === undefined) return false
    const {number} = row
    if (!keepsRequest) this.#run('DELETE FROM bodies WHERE call = @number', {number})
    if (head !== null) {
      this.#run('INSERT OR REPLACE INTO results VALUES (@number, @head, @body)', {
        number,
        head,
        body: body ?? new Uint8Array()
      })
    }
    if (callback !== undefined) this.put(callback)
    return true
  }

  /** What a failed call would take of the queue again. Undefined when it is none. */
  failed(id: string): Pick<WaitingCall, 'app' | 'bytes'> | undefined {
    return this.#get(`SELECT app, ${BYTES_WITHOUT_RESULT} AS bytes FROM calls WHERE id = ? AND state = 'failed'`, id)
  }

  /** Takes a failed call up again as if it were new. Undefined when it is none. */
  retry({id, nowMs}: {readonly id: string; readonly nowMs: number}): WaitingCall | undefined {
    const row = this.#get<WaitingCall & {readonly number: number}>(
      `UPDATE calls SET state = 'queued', attempts = 0, accepted_at_ms = @nowMs, due_at_ms = @nowMs, ended_at_ms = NULL,
         bytes = ${BYTES_WITHOUT_RESULT}
       WHERE id = @id AND state = 'failed' RETURNING number, id, app, function, due_at_ms AS dueAtMs, bytes`,
      {id, nowMs}
    )
    if (row === undefined) return undefined
    const {number, ...waiting} = row
    this.#run('DELETE FROM results WHERE call = @number', {number})
    return waiting
  }

  find(id: string): {readonly call: StoredCall; readonly result: StoredResult | undefined; readonly body: Uint8Array} | undefined {
    const row = this.#get<CallRow>(`SELECT ${COLUMNS} FROM calls WHERE id = ?`, id)
    if (row === undefined) return undefined
    const kept = this.#get<{head: string; body: Uint8Array}>('SELECT head, body FROM results WHERE call = ?', row.number)
    return {call: storedCall(row), result: kept && JSON.parse(kept.head), body: kept?.body ?? new Uint8Array()}
  }

  /** Newest first. */
  list({app, state, limit}: {readonly app: string; readonly state: StoredCall['state'] | undefined; readonly limit: number}): StoredCall[] {
    const states = state === undefined ? ['queued', 'succeeded', 'failed', 'cancelled'] : [state]
    const rows = states.flatMap((one) =>
      this.#all<CallRow>(`SELECT ${COLUMNS} FROM calls WHERE app = ? AND state = ? ORDER BY number DESC LIMIT ?`, app, one, limit)
    )
    return rows
      .sort((a, b) => b.number - a.number)
      .slice(0, limit)
      .map(storedCall)
  }

  /** Forgets what ended long ago, and of the rest the oldest beyond the limits, first those of an app beyond its share. */
  prune(limits: PruneLimits): void {
    const {doneBeforeMs, failedBeforeMs} = limits
    this.#run(
      `DELETE FROM calls WHERE number IN (SELECT number FROM calls
       WHERE state <> 'queued' AND (ended_at_ms < @failedBeforeMs OR (state <> 'failed' AND ended_at_ms < @doneBeforeMs)) LIMIT ${PRUNED_MAX})`,
      {doneBeforeMs, failedBeforeMs}
    )
    const apps = this.#all<Kept & {app: string}>(
      `SELECT app, COUNT(*) AS entries, SUM(bytes) AS bytes FROM calls WHERE state <> 'queued' GROUP BY app`
    )
    const share = (most: number): number => Math.floor(most * limits.appShare)
    const left = {entries: 0, bytes: 0}
    for (const {app, ...kept} of apps) {
      const after = this.#shrink(kept, {entries: share(limits.entriesMax), bytes: share(limits.bytesMax)}, app)
      left.entries += after.entries
      left.bytes += after.bytes
    }
    this.#shrink(left, {entries: limits.entriesMax, bytes: limits.bytesMax}, undefined)
  }

  close(): void {
    this.#db.close()
  }

  /** Deletes the oldest until the rest is within the limits. */
  #shrink(kept: Kept, most: Kept, app: string | undefined): Kept {
    if (kept.entries <= most.entries && kept.bytes <= most.bytes) return kept
    const oldest = this.#all<{number: number; bytes: number}>(
      `SELECT number, bytes FROM calls WHERE state <> 'queued' AND (app = @app OR @app IS NULL) ORDER BY ended_at_ms LIMIT ${PRUNED_MAX}`,
      {app: app ?? null}
    )
    let {entries, bytes} = kept
    for (const row of oldest) {
      if (entries <= most.entries && bytes <= most.bytes) break
      this.#run('DELETE FROM calls WHERE number = @number', {number: row.number})
      entries -= 1
      bytes -= row.bytes
    }
    return {entries, bytes}
  }

  #prepared(sql: string): Database.Statement {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#db.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  #run(sql: string, values: Record<string, unknown>): Database.RunResult {
    return this.#prepared(sql).run(values)
  }

  #get<Row>(sql: string, ...values: unknown[]): Row | undefined {
    return this.#prepared(sql).get(...values) as Row | undefined
  }

  #all<Row>(sql: string, ...values: unknown[]): Row[] {
    return this.#prepared(sql).all(...values) as Row[]
  }
}

interface Kept {
  readonly entries: number
  readonly bytes: number
}

export interface PruneLimits {
  /** Succeeded and cancelled calls that ended before are forgotten; failed ones later. */
  readonly doneBeforeMs: number
  readonly failedBeforeMs: number
  readonly entriesMax: number
  readonly bytesMax: number
  /** Part of both that one app may have. */
  readonly appShare: number
}

function storedCall({error, request, number: _, ...row}: CallRow): StoredCall {
  return {...row, request: JSON.parse(request), ...(error !== null && {error: JSON.parse(error)})}
}

function jsonOf(value: object | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value)
}
