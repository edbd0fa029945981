import type Database from 'better-sqlite3'
import {CreoError} from '../core/errors.ts'
import {type PageKey, READ_ROWS_MAX} from './port.ts'

/** The number of rows that a read gives for a limit asked of it. */
export function rowsOf(limit: number): number {
  return Math.max(0, Math.min(READ_ROWS_MAX, Math.floor(limit)))
}

/** The columns of an order and of what type they are: together no two rows have the same. */
export type PageColumns = Readonly<Record<string, 'number' | 'string'>>

type Filter<C extends string> = {readonly [K in C]?: string | number | undefined}

/**
 * One query with conditions that a caller may leave out. Each combination of conditions is its own prepared statement, so that SQLite can use the
 * index that fits it.
 */
export class FilteredRows<T, C extends string> {
  readonly #database: Database.Database
  readonly #select: string
  readonly #order: string
  readonly #key: PageColumns
  readonly #statements = new Map<string, Database.Statement<unknown[], T>>()

  /**
   * `select` ends before WHERE and may use the parameters that `bound` gives; `order` begins with ORDER BY, and `key` names its columns. Conditions are
   * columns' names.
   */
  constructor(database: Database.Database, select: string, order: string, key: PageColumns = {}) {
    this.#database = database
    this.#select = select
    this.#order = order
    this.#key = key
  }

  /** @throws {CreoError} `invalid_input` for an `after` that is no place in this order. */
  all(
    filter: Filter<C>,
    {limit, after, bound = {}}: {readonly limit?: number; readonly after?: PageKey; readonly bound?: Readonly<Record<string, number>>} = {}
  ): T[] {
    if (after !== undefined) expectKey(this.#key, after)
    const conditions = Object.entries(filter).filter(([, value]) => value !== undefined)
    const columns = conditions.map(([column]) => column)
    return this.#statement(columns, after !== undefined).all({
      ...bound,
      ...Object.fromEntries((after ?? []).map((value, index) => [`after${index}`, value])),
      ...Object.fromEntries(conditions),
      limit: limit === undefined ? -1 : rowsOf(limit)
    })
  }

  get(filter: Filter<C>, bound: Readonly<Record<string, number>> = {}): T | undefined {
    return this.all(filter, {limit: 1, bound})[0]
  }

  #statement(columns: readonly string[], paged: boolean): Database.Statement<unknown[], T> {
    const key = `${columns.join()} ${paged}`
    const known = this.#statements.get(key)
    if (known !== undefined) return known
    const conditions = columns.map((column) => `${column} = @${column}`)
    if (paged) conditions.push(this.#beyond())
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
    const statement = this.#database.prepare<unknown[], T>(`${this.#select} ${where} ${this.#order} LIMIT @limit`)
    this.#statements.set(key, statement)
    return statement
  }

  /** Rows that come later in the order: what is added meanwhile moves none of them. */
  #beyond(): string {
    const columns = Object.keys(this.#key)
    return `(${columns.join(', ')}) ${this.#order.endsWith('DESC') ? '<' : '>'} (${columns.map((_, index) => `@after${index}`).join(', ')})`
  }
}

/** @throws {CreoError} `invalid_input` for an `after` that is no place in a list ordered by these. */
export function expectKey(columns: PageColumns, after: PageKey): void {
  const types = Object.values(columns)
  if (types.length > 0 && after.length === types.length && after.every((value, index) => typeof value === types[index])) return
  throw new CreoError('invalid_input', 'The cursor is not of this list.', {hint: 'Send `next` of the page before, with the same filters.'})
}
