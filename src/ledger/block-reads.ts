import type Database from 'better-sqlite3'
import {type BlockEvent, blockKey} from '../core/protocol/blocks.ts'
import {FilteredRows} from './filtered-rows.ts'
import type {LedgerReads} from './port.ts'

const EVENTS = 'SELECT seq, at_ms AS atMs, action, kind, name, reason, by_key AS "by" FROM block_events'

/** What the operator keeps out of the network, and the record of it. */
export class BlockReads {
  readonly #blocks: FilteredRows<BlockEvent, never>
  readonly #events: FilteredRows<BlockEvent, never>
  readonly #keys: Database.Statement<[], Pick<BlockEvent, 'kind' | 'name'>>
  readonly #reason: Database.Statement<[string, string], string>

  constructor(database: Database.Database) {
    this.#blocks = new FilteredRows(database, `SELECT * FROM (${EVENTS} WHERE seq IN (SELECT seq FROM blocks))`, 'ORDER BY seq DESC', {
      seq: 'number'
    })
    this.#events = new FilteredRows(database, EVENTS, 'ORDER BY seq DESC', {seq: 'number'})
    this.#keys = database.prepare('SELECT kind, name FROM blocks')
    this.#reason = database
      .prepare<[string, string], string>(
        'SELECT reason FROM block_events JOIN blocks USING (seq) WHERE blocks.kind = ? AND blocks.name = ?'
      )
      .pluck()
  }

  blocks(page: Parameters<LedgerReads['blocks']>[0]): BlockEvent[] {
    return this.#blocks.all({}, page)
  }

  blockEvents(page: Parameters<LedgerReads['blockEvents']>[0]): BlockEvent[] {
    return this.#events.all({}, page)
  }

  blockedKeys(): ReadonlySet<string> {
    return new Set(this.#keys.all().map(blockKey))
  }

  blockReason({kind, name}: Parameters<LedgerReads['blockReason']>[0]): string | undefined {
    return this.#reason.get(kind, name)
  }
}
