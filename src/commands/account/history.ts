import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'
import {parseSinceMs} from '../../cli/format.ts'
import {renderTable} from '../../cli/table.ts'
import type {ShownEntry} from '../../developer/balances.ts'

const ENTRIES_MAX = 1_000_000
const CSV_FIELDS = ['at', 'seq', 'command', 'asset', 'kind', 'change', 'balance', 'counterparty', 'memo'] as const

export default class AccountHistory extends CreoCommand {
  static override summary = "Show an account's statement: every change of what it holds."
  static override description =
    `Newest first. Each line is one balance that a command changed, by how much and to what: what is available, where it names no other kind. The number is \
the command's in the ledger, and creo account balance --at NUMBER shows all balances as they were after it.`
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> colibris --since 7d --asset colibris/LEAF',
    '<%= config.bin %> <%= command.id %> --since 2026-01-01 --limit 100000 --csv > 2026.csv'
  ]
  static override args = {name: Args.string({description: 'Name or id; your own when left out.'})}
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    asset: Flags.string({helpValue: 'ASSET', description: 'Of this asset alone: gutta or ORG/CODE.'}),
    since: Flags.string({helpValue: 'TIME', description: 'Since then: 10m, 7d or 2026-11-22T18:00:00Z.'}),
    limit: Flags.integer({default: 100, min: 1, max: ENTRIES_MAX, helpValue: 'COUNT', description: 'The newest ones.'}),
    csv: Flags.boolean({default: false, exclusive: ['json'], description: 'As comma-separated values, with a header.'})
  }

  async run(): Promise<{readonly account: string; readonly entries: readonly ShownEntry[]}> {
    const {args, flags} = await this.parse(AccountHistory)
    const [{openAccount, openContext}, {statementOf}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/balances.ts')
    ])
    const sinceMs = flags.since === undefined ? undefined : parseSinceMs(flags.since, Date.now())
    const context = await openContext(flags, this.abort)
    const account = args.name ?? (await openAccount(flags, this.abort)).account.name
    const entries: ShownEntry[] = []
    if (flags.csv) this.log(CSV_FIELDS.join(','))
    for await (const entry of statementOf(context, {idOrName: account, asset: flags.asset, sinceMs, limit: flags.limit}, this.abort)) {
      if (flags.csv) this.log(CSV_FIELDS.map((field) => csvCell(entry[field])).join(','))
      else entries.push(entry)
    }
    if (!flags.csv) this.#show(account, entries, flags.limit)
    return {account, entries}
  }

  #show(account: string, entries: readonly ShownEntry[], limit: number): void {
    if (entries.length === 0) this.log(`Nothing has changed of what ${account} holds.`)
    else
      this.log(
        renderTable(entries, [
          {header: 'TIME', value: ({at}) => at.slice(0, 16).replace('T', ' ')},
          {header: 'NUMBER', value: ({seq}) => String(seq), align: 'right'},
          {header: 'WHAT', value: whatText},
          {header: 'CHANGE', value: ({change}) => (change.startsWith('-') ? change : `+${change}`), align: 'right'},
          {header: 'BALANCE', value: ({balance}) => balance, align: 'right'},
          {header: 'ASSET', value: ({asset, kind}) => (kind === 'available' ? asset : `${asset} ${kind}`)}
        ])
      )
    if (entries.length === limit) this.logToStderr(`The newest ${limit}; there may be more: --limit ${limit * 10}`)
  }
}

/** The command, or with whom a payment was: `to ana: for the flyers`. */
function whatText({command, change, counterparty, memo}: ShownEntry): string {
  if (counterparty === undefined) return command
  return `${change.startsWith('-') ? 'to' : 'from'} ${counterparty}${memo === undefined ? '' : `: ${memo}`}`
}

/** Quoted where it has to be. What others wrote must not be a formula of the spreadsheet that opens it: an apostrophe before it makes it text. */
function csvCell(value: string | number = ''): string {
  const text = String(value)
  if (/^-?[\d.]+$/.test(text)) return text
  const plain = /^[=+\-@]/.test(text) ? `'${text}` : text
  return /[",'\s]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain
}
