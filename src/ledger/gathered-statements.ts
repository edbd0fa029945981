import type Database from 'better-sqlite3'
import type {EntryEffect} from '../core/exchange/outcome.ts'
import type {GatheredBalances} from './gathered-rows.ts'
import {decodeLines, LineWriter, type StatementEntry} from './statement-lines.ts'

/** A block that has so many bytes is not written into any more: what changes again and again stays small, and a page holds a few. */
const BLOCK_BYTES = 1024
/** Holders whose newest block is known without a look into the file. */
const NEWEST_MAX = 4096

/** Line and block numbers that one command has at most: its sequence is what they are above that. */
export const NUMBERS_OF_COMMAND = 2 ** 16

/** Lines of one holder, which begin with those of the command that the number says. */
interface Block {
  readonly number: number
  readonly holder: number
  readonly lines: LineWriter
  /** Those whose index knows of this block. */
  readonly slots: Set<number>
  isStored: boolean
  isChanged: boolean
}

interface Occasion {
  readonly seq: number
  readonly atMs: number
  readonly command: string
}

/**
 * Statements: every change of a balance, packed into blocks of one holder each. Where blocks begin depends on the entries alone, never on how groups came
 * together in transactions, so that projections made afresh are the same byte for byte.
 */
export class GatheredStatements {
  readonly #balances: GatheredBalances
  readonly #types: CommandTypes
  readonly #newestOf: Database.Statement<[number], {number: number; lines: Uint8Array}>
  readonly #insert: Database.Statement
  readonly #update: Database.Statement
  readonly #index: Database.Statement
  readonly #newest = new Map<number, Block>()
  readonly #changed: Block[] = []
  /** Balances that are in a block for the first time. */
  #indexed: {readonly slot: number; readonly number: number}[] = []
  /** What one command changed, by holder. */
  readonly #open = new Map<number, StatementEntry[]>()

  constructor(database: Database.Database, balances: GatheredBalances) {
    this.#balances = balances
    this.#types = new CommandTypes(database)
    this.#newestOf = database.prepare('SELECT number, lines FROM statements WHERE holder = ? ORDER BY number DESC LIMIT 1')
    this.#insert = database.prepare('INSERT INTO statements VALUES (?, ?, ?)')
    this.#update = database.prepare('UPDATE statements SET lines = ? WHERE number = ?')
    this.#index = database.prepare('INSERT INTO statement_slots VALUES (?, ?)')
  }

  add(entry: EntryEffect): void {
    const {holder, slot} = this.#balances.set(entry)
    const {deltaMinor, balanceMinor} = entry
    const entries = this.#open.get(holder)
    if (entries === undefined) this.#open.set(holder, [{slot, deltaMinor, balanceMinor}])
    else entries.push({slot, deltaMinor, balanceMinor})
  }

  /** After the last effect of a command. */
  endCommand({seq, atMs, command}: Occasion): void {
    if (this.#open.size === 0) return
    const type = this.#types.numberOf(command)
    let begun = seq * NUMBERS_OF_COMMAND
    for (const [holder, entries] of this.#open) {
      let block = this.#newestBlock(holder)
      if (block === undefined || block.lines.length >= BLOCK_BYTES) {
        block = {number: begun, holder, lines: new LineWriter(), slots: new Set(), isStored: false, isChanged: false}
        begun += 1
        this.#newest.set(holder, block)
      }
      block.lines.write({seq, atMs, command: type, entries})
      this.#note(block, entries)
    }
    this.#open.clear()
  }

  flush(): void {
    this.#changed.sort((one, other) => one.number - other.number)
    for (const block of this.#changed) {
      if (block.isStored) this.#update.run(block.lines.written, block.number)
      else this.#insert.run(block.number, block.holder, block.lines.written)
      block.isStored = true
      block.isChanged = false
    }
    this.#changed.length = 0
    this.#indexed.sort((one, other) => one.slot - other.slot)
    for (const {slot, number} of this.#indexed) this.#index.run(slot, number)
    this.#indexed = []
    if (this.#newest.size > NEWEST_MAX) this.#newest.clear()
  }

  #note(block: Block, entries: readonly StatementEntry[]): void {
    if (!block.isChanged) this.#changed.push(block)
    block.isChanged = true
    for (const {slot} of entries) {
      if (block.slots.has(slot)) continue
      block.slots.add(slot)
      this.#indexed.push({slot, number: block.number})
    }
  }

  #newestBlock(holder: number): Block | undefined {
    const known = this.#newest.get(holder)
    if (known !== undefined) return known
    const row = this.#newestOf.get(holder)
    if (row === undefined) return undefined
    const written = decodeLines(row.lines)
    const slots = new Set(written.flatMap(({entries}) => entries.map(({slot}) => slot)))
    const lines = LineWriter.after(row.lines, written.at(-1))
    const block = {number: row.number, holder, lines, slots, isStored: true, isChanged: false}
    this.#newest.set(holder, block)
    return block
  }
}

/** Numbers of the types of commands, in the order in which they first changed a balance. */
class CommandTypes {
  readonly #number: Database.Statement<[string], number>
  readonly #insert: Database.Statement
  readonly #known = new Map<string, number>()

  constructor(database: Database.Database) {
    this.#number = database.prepare<[string], number>('SELECT number FROM command_types WHERE type = ?').pluck()
    this.#insert = database.prepare('INSERT INTO command_types VALUES (NULL, ?)')
  }

  numberOf(type: string): number {
    let number = this.#known.get(type)
    if (number === undefined) {
      number = this.#number.get(type) ?? Number(this.#insert.run(type).lastInsertRowid)
      this.#known.set(type, number)
    }
    return number
  }
}
