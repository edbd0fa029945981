import type Database from 'better-sqlite3'
import {READ_ROWS_MAX} from './port.ts'

/** The number of rows that a read gives for a limit asked of it. */
export function rowsOf(limit: number): number {
  return Math.max(0, Math.min(READ_ROWS_MAX, Math.floor(limit)))
}

type Filter<C extends string> = {readonly [K in C]?: string | number | undefined}

/**
 * One query with conditions that a caller may leave out. Each combination of conditions is its own prepared statement, so that SQLite can use the
 * index that fits it.
 */
export class FilteredRows<T, C extends string> {
  readonly #database: Database.Database
  readonly #select: string
  readonly #order: string
  readonly #statements = new Map<string, Database.Statement<unknown[], T>>()

  /** `select` ends before WHERE and may use the parameters that `bound` gives; `order` begins with ORDER BY. Conditions are columns' names. */
  constructor(database: Database.Database, select: string, order: string) {
    this.#database = database
    this.#select = select
    this.#order = order
  }

  all(filter: Filter<C>, {limit, bound = {}}: {readonly limit?: number; readonly bound?: Readonly<Record<string, number>>} = {}): T[] {
    const conditions = Object.entries(filter).filter(([, value]) => value !== undefined)
    return this.#statement(conditions.map(([column]) => column)).all({
      ...bound,
      ...Object.fromEntries(conditions),
      limit: limit === undefined ? -1 : rowsOf(limit)
    })
  }

  get(filter: Filter<C>, bound: Readonly<Record<string, number>> = {}): T | undefined {
    return this.all(filter, {limit: 1, bound})[0]
  }

  #statement(columns: readonly string[]): Database.Statement<unknown[], T> {
    const key = columns.join()
    const known = this.#statements.get(key)
    if (known !== undefined) return known
    const where = columns.length === 0 ? '' : `WHERE ${columns.map((column) => `${column} = @${column}`).join(' AND ')}`
    const statement = this.#database.prepare<unknown[], T>(`${this.#select} ${where} ${this.#order} LIMIT @limit`)
    this.#statements.set(key, statement)
    return statement
  }
}
