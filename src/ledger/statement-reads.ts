import type Database from 'better-sqlite3'
import type {BalanceView} from '../core/protocol/api.ts'
import type {CommandType} from '../core/protocol/commands.ts'
import {accountNumbers} from './account-rows.ts'
import {expectKey, rowsOf} from './filtered-rows.ts'
import {NUMBERS_OF_COMMAND} from './gathered-statements.ts'
import type {EntryView, LedgerReads} from './port.ts'
import {decodeLines, type StatementLine} from './statement-lines.ts'

/** Blocks that are read from the file at a time. */
const BLOCKS_AT_ONCE = 16

const BLOCKS = `SELECT number, lines FROM statements WHERE holder = @holder AND number < @before ORDER BY number DESC LIMIT ${BLOCKS_AT_ONCE}`
const BLOCKS_OF_ASSET = `
SELECT number, lines FROM statements WHERE number IN (
  SELECT number FROM statement_slots WHERE number < @before AND slot IN (SELECT slot FROM balances WHERE account = @account AND asset = @asset)
  ORDER BY number DESC LIMIT ${BLOCKS_AT_ONCE} * (SELECT count(*) FROM balances WHERE account = @account AND asset = @asset)
) ORDER BY number DESC LIMIT ${BLOCKS_AT_ONCE}`
/** Where a balance's last change until a sequence is, and the block before. */
const BLOCKS_OF_SLOT = `
SELECT number, lines FROM statements WHERE number IN (
  SELECT number FROM statement_slots WHERE slot = @slot AND number < @before ORDER BY number DESC LIMIT 2
) ORDER BY number DESC`
const SLOTS = 'SELECT slot, asset, kind FROM balances WHERE account = ? ORDER BY asset, kind'
const TRANSFER = `
SELECT id AS account, name, memo FROM transfers JOIN accounts ON id = iif(sender = @account, recipient, sender) WHERE seq = @seq`

interface Block {
  readonly number: number
  readonly lines: Uint8Array
}

interface Slot {
  readonly slot: number
  readonly asset: string
  readonly kind: BalanceView['kind']
}

type Named<P, T> = Database.Statement<[P], T>

/** Statements of accounts, and what they held at a past moment, from the packed lines. */
export class StatementReads {
  readonly #numbers: Database.Statement<[string], number>
  readonly #blocks: Named<{holder: number; before: number}, Block>
  readonly #blocksOfAsset: Named<{account: string; asset: string; before: number}, Block>
  readonly #blocksOfSlot: Named<{slot: number; before: number}, Block>
  readonly #slots: Database.Statement<[string], Slot>
  readonly #types: Database.Statement<[], {number: number; type: CommandType}>
  readonly #transfer: Named<{account: string; seq: number}, {account: string; name: string; memo: string | null}>

  constructor(database: Database.Database) {
    this.#numbers = accountNumbers(database)
    this.#blocks = database.prepare(BLOCKS)
    this.#blocksOfAsset = database.prepare(BLOCKS_OF_ASSET)
    this.#blocksOfSlot = database.prepare(BLOCKS_OF_SLOT)
    this.#slots = database.prepare(SLOTS)
    this.#types = database.prepare('SELECT number, type FROM command_types')
    this.#transfer = database.prepare(TRANSFER)
  }

  entries({account, asset, limit, after}: Parameters<LedgerReads['entries']>[0]): EntryView[] {
    const holder = this.#numbers.get(account)
    if (holder === undefined) return []
    if (after !== undefined) expectKey({number: 'number'}, after)
    const before = Number(after?.[0] ?? Number.MAX_SAFE_INTEGER)
    const slots = new Map(this.#slots.all(account).map((slot) => [slot.slot, slot]))
    const types = new Map(this.#types.all().map(({number, type}) => [number, type]))
    const entries: EntryView[] = []
    const read = (lastBlock: number): Block[] =>
      asset === undefined ? this.#blocks.all({holder, before: lastBlock}) : this.#blocksOfAsset.all({account, asset, before: lastBlock})
    for (const line of newestFirst(read, before)) {
      for (const [index, {slot, ...amounts}] of [...line.entries.entries()].reverse()) {
        const number = line.seq * NUMBERS_OF_COMMAND + index
        const balance = slots.get(slot)
        if (number >= before || balance === undefined || (asset !== undefined && balance.asset !== asset)) continue
        if (entries.length === rowsOf(limit)) return entries
        const command = types.get(line.command) as CommandType
        const {asset: of, kind} = balance
        entries.push({
          number,
          seq: line.seq,
          atMs: line.atMs,
          command,
          asset: of,
          kind,
          ...amounts,
          ...this.#otherSide(account, line, command)
        })
      }
    }
    return entries
  }

  balancesAt({account, seq}: Parameters<LedgerReads['balancesAt']>[0]): BalanceView[] {
    const before = (seq + 1) * NUMBERS_OF_COMMAND
    const known = new Map<number, StatementLine[]>()
    const linesOf = ({number, lines}: Block): StatementLine[] => {
      const decoded = known.get(number) ?? decodeLines(lines)
      known.set(number, decoded)
      return decoded
    }
    return this.#slots.all(account).flatMap(({slot, asset, kind}) => {
      const lines = this.#blocksOfSlot.all({slot, before}).flatMap((block) => linesOf(block).toReversed())
      const last = lines.find((line) => line.seq <= seq && line.entries.some((entry) => entry.slot === slot))
      const amountMinor = last?.entries.find((entry) => entry.slot === slot)?.balanceMinor ?? 0
      return amountMinor === 0 ? [] : [{account, asset, kind, amountMinor}]
    })
  }

  /** Who was on the other side of a transfer, and what was said to it. */
  #otherSide(account: string, {seq}: StatementLine, command: CommandType): Pick<EntryView, 'counterparty' | 'memo'> {
    const transfer = command === 'account.transfer' ? this.#transfer.get({account, seq}) : undefined
    if (transfer === undefined) return {}
    const {memo, ...counterparty} = transfer
    return {counterparty, ...(memo !== null && {memo})}
  }
}

/** Lines of blocks that begin with the command of this place, or before it. */
function* newestFirst(read: (before: number) => Block[], place: number): Generator<StatementLine> {
  for (let before = (Math.floor(place / NUMBERS_OF_COMMAND) + 1) * NUMBERS_OF_COMMAND; ; ) {
    const blocks = read(before)
    for (const {lines} of blocks) yield* decodeLines(lines).reverse()
    if (blocks.length < BLOCKS_AT_ONCE) return
    before = blocks.at(-1)?.number ?? 0
  }
}
