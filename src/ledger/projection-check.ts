import Database from 'better-sqlite3'
import type {LedgerMachine} from '../core/exchange/ledger-machine.ts'
import type {LedgerState} from '../core/exchange/state.ts'
import {BadGroup} from './bad-group.ts'
import type {JournalGroup} from './group.ts'
import type {JournalHead} from './journal.ts'
import {createProjectionTables, PROJECTION_VERSION} from './projection-schema.ts'
import type {Watermark} from './projections.ts'
import {Projector} from './projector.ts'

interface BalanceRow {
  readonly account: string
  readonly asset: string
  readonly kind: string
  readonly amount: number
}

/**
 * Compares a projections' file, as it is now, with projections made afresh beside a replay. The file may be in use and behind the journal: it is
 * compared at its watermark.
 */
export class ProjectionCheck {
  readonly #file: Database.Database
  readonly #fresh: Database.Database
  readonly #projector: Projector
  readonly #watermark: Watermark
  #balances = 0
  #isCompared = false

  private constructor(file: Database.Database, state: LedgerState) {
    this.#file = file
    this.#fresh = new Database('')
    createProjectionTables(this.#fresh, state.networkId)
    this.#projector = new Projector(this.#fresh, {volumeBucketMs: state.genesis.volumeBucketMs})
    file.exec('BEGIN')
    this.#watermark = file.prepare('SELECT number, seq, hash FROM watermark').get() as Watermark
  }

  /** `undefined` for a file of another version of creo, which would be rebuilt. */
  static open(path: string, state: LedgerState): ProjectionCheck | undefined {
    const file = new Database(path, {readonly: true, fileMustExist: true})
    try {
      if (file.pragma('user_version', {simple: true}) === PROJECTION_VERSION) return new ProjectionCheck(file, state)
    } catch (error) {
      file.close()
      throw new BadGroup(1, `is not shown truly: ledger.sqlite is damaged (${String(error)})`, error)
    }
    file.close()
    return undefined
  }

  /** Projects one replayed group; at the watermark everything is compared. */
  follow(group: JournalGroup, machine: LedgerMachine): void {
    if (this.#isCompared) return
    this.#projector.project([group])
    if (group.number < this.#watermark.number) return
    this.#isCompared = true
    this.#compareBalances(group.number, machine.state)
    this.#compareTables(group.number)
  }

  /** How many balances were compared. @throws {BadGroup} if the file knows of groups that the journal has not. */
  finish(head: JournalHead): number {
    if (this.#watermark.number > head.number) throw new BadGroup(head.number + 1, 'is missing from the journal: the projections know of it')
    return this.#balances
  }

  close(): void {
    this.#file.close()
    this.#fresh.close()
  }

  #compareBalances(group: number, state: LedgerState): void {
    const rows = this.#file
      .prepare('SELECT account, asset, kind, amount_minor AS amount FROM balances WHERE amount_minor <> 0')
      .all() as BalanceRow[]
    const shown = new Map(rows.map((row) => [`${row.account} ${row.asset} ${row.kind}`, row.amount]))
    for (const {account, asset, kind, balance} of state.balances.all()) {
      const name = `${state.accountName(account)} ${state.assetName(asset)} ${kind}`
      if (shown.get(name) !== balance)
        throw new BadGroup(group, `gives the balance ${name} ${balance}, the projections show ${shown.get(name) ?? 0}`)
      shown.delete(name)
      this.#balances += 1
    }
    const [extra] = shown.keys()
    if (extra !== undefined) throw new BadGroup(group, `knows nothing of the balance ${extra}, which the projections show`)
  }

  #compareTables(group: number): void {
    const tables = this.#fresh.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").pluck().all() as string[]
    for (const table of tables) {
      const sql = `SELECT * FROM ${table} ORDER BY ${this.#columnsOf(table)}`
      const shown = this.#file.prepare(sql).raw().iterate()
      for (const made of this.#fresh.prepare(sql).raw().iterate()) {
        if (JSON.stringify(made) !== JSON.stringify(shown.next().value)) {
          shown.return?.()
          throw new BadGroup(group, `or an earlier one is not shown truly in the projections' table ${table}`)
        }
      }
      if (shown.next().done !== true)
        throw new BadGroup(group, `and those before it know nothing of a row in the projections' table ${table}`)
    }
    const damage = this.#file.pragma('integrity_check(1)', {simple: true})
    if (damage !== 'ok') throw new BadGroup(group, `is not shown truly: ledger.sqlite is damaged (${String(damage)})`)
  }

  #columnsOf(table: string): string {
    const columns = this.#fresh.prepare(`SELECT name FROM pragma_table_info('${table}')`).pluck().all() as string[]
    return columns.map((column) => `"${column}"`).join(', ')
  }
}
