import {rm} from 'node:fs/promises'
import type {z} from 'zod'
import {readFileIfThere, writeFileDurably} from '../config/durable-file.ts'
import {CreoError} from '../core/errors.ts'
import type {SignedTable, SignedTableDelta, TableNews} from '../core/protocol/tables.ts'
import {openTable, openTableDelta, type TableTrust} from '../identity/tables.ts'

/** Changes that are kept beside a whole table, and their characters if they are more than the table's own: then the whole is asked for again. */
const DELTAS_MAX = 100
const DELTAS_CHARS_LEAST = 2 ** 18
/** A table of the largest network that the protocol allows, in its envelope with every quote escaped. */
const FILE_BYTES_MAX = 160 * 2 ** 20

/** What a kind of table looks like. */
export interface TableForm<T, D> {
  readonly schema: z.ZodType<T>
  readonly deltaSchema: z.ZodType<D>
  /** The table with what changed. */
  changed(table: T, delta: D): T
  /** @throws {CreoError} when it is another's. */
  check?(entry: T | D): void
}

interface Kept<T> {
  readonly table: T
  readonly version: number
  /** Of the whole that came last. */
  readonly chars: number
  /** Since then, as they came. */
  readonly deltas: readonly string[]
}

/**
 * The newest table of a kind that the coordinator signed: on disk the last whole one, and beside it, a line each, what was signed as changed since.
 * Nothing else is believed at the next start.
 */
export class KeptTable<T, D> {
  readonly #path: string
  readonly #form: TableForm<T, D>
  readonly #trust: TableTrust
  #kept: Kept<T> | undefined
  /** After a change that did not fit, the whole is asked for. */
  #isWholeWanted = false

  constructor({path, form, network, coordinatorKey}: TableTrust & {readonly path: string; readonly form: TableForm<T, D>}) {
    this.#path = path
    this.#form = form
    this.#trust = {network, coordinatorKey}
  }

  /** -1 when there is none yet. */
  get version(): number {
    return this.#kept?.version ?? -1
  }

  get table(): T | undefined {
    return this.#kept?.table
  }

  /** Whether what changed since its version will do, or the whole is wanted. */
  get takesDeltas(): boolean {
    if (this.#kept === undefined || this.#isWholeWanted) return false
    const {chars, deltas} = this.#kept
    return deltas.length < DELTAS_MAX && charsOf(deltas) < Math.max(chars, DELTAS_CHARS_LEAST)
  }

  /** Takes up what an earlier process stored, as far as it hangs together. @throws {CreoError} `bad_signature`, `invalid_input` when there is no such table. */
  async load(): Promise<void> {
    const bytes = await readFileIfThere(this.#path, FILE_BYTES_MAX)
    if (bytes === undefined) return
    const signed = jsonOf(bytes.toString()) as SignedTable
    this.#kept = {...this.#opened(signed), chars: bytes.length, deltas: []}
    const lines = (await readFileIfThere(this.#deltasPath, FILE_BYTES_MAX))?.toString().split('\n') ?? []
    for (const line of lines) if (!this.#takesLine(line)) return
  }

  /**
   * Takes what is newer, once it is on stable storage: what could not be written is not taken, so that it is asked for again.
   * @throws {CreoError} `bad_signature`, `invalid_input`.
   */
  async accept(news: TableNews): Promise<'newer' | 'old'> {
    if (news.version <= this.version) return 'old'
    if (news.v === 'creo-table-v1') await this.#acceptWhole(news)
    else await this.#acceptDelta(news)
    this.#isWholeWanted = false
    return 'newer'
  }

  get #deltasPath(): string {
    return `${this.#path}.deltas`
  }

  async #acceptWhole(signed: SignedTable): Promise<void> {
    const opened = this.#opened(signed)
    const text = JSON.stringify(signed)
    await writeFileDurably(this.#path, text)
    // Those that are left begin at an older version, and are passed over.
    await rm(this.#deltasPath, {force: true})
    // Whoever sees the version finds its table in use a moment later, without a wait for the disk.
    this.#kept = {...opened, chars: text.length, deltas: []}
  }

  async #acceptDelta(signed: SignedTableDelta): Promise<void> {
    let next: Kept<T>
    try {
      next = this.#changedBy(signed)
    } catch (error) {
      this.#isWholeWanted = true
      throw error
    }
    await writeFileDurably(this.#deltasPath, next.deltas.join('\n'))
    this.#kept = next
  }

  #opened(signed: SignedTable): {readonly table: T; readonly version: number} {
    const table = openTable(signed, this.#form.schema, this.#trust)
    this.#form.check?.(table)
    return {table, version: signed.version}
  }

  #changedBy(signed: SignedTableDelta): Kept<T> {
    const delta = openTableDelta(signed, this.#form.deltaSchema, this.#trust)
    this.#form.check?.(delta)
    if (this.#kept === undefined || signed.since !== this.#kept.version) {
      throw new CreoError(
        'invalid_input',
        `What changed since version ${signed.since} says nothing of what changed since ${this.version}.`,
        {
          hint: 'Ask for the whole table.'
        }
      )
    }
    const {table, chars, deltas} = this.#kept
    return {table: this.#form.changed(table, delta), version: signed.version, chars, deltas: [...deltas, JSON.stringify(signed)]}
  }

  /** A line that is cut, or not of the table that is there, ends what is taken: the rest comes from the coordinator again. */
  #takesLine(line: string): boolean {
    try {
      this.#kept = this.#changedBy(jsonOf(line) as SignedTableDelta)
      return true
    } catch (error) {
      if (error instanceof CreoError) return false
      throw error
    }
  }
}

function charsOf(texts: readonly string[]): number {
  return texts.reduce((chars, text) => chars + text.length, 0)
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new CreoError('invalid_input', 'The stored table is not JSON.', {hint: 'It is fetched again.', cause})
  }
}
