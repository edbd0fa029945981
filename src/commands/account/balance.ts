import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'
import {parseSinceMs} from '../../cli/format.ts'
import {renderTable} from '../../cli/table.ts'
import type {ShownBalance} from '../../developer/balances.ts'

export default class AccountBalance extends CreoCommand {
  static override summary = 'Show what an account holds.'
  static override description = `available can be used; held waits for orders and redemptions; pool pays miners; reserved is promised to \
leases; issued is what the account has given out, below zero.`
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> colibris --json',
    '<%= config.bin %> <%= command.id %> --at 24h'
  ]
  static override args = {name: Args.string({description: 'Name or id; your own when left out.'})}
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    at: Flags.string({helpValue: 'MOMENT', description: "As it was then: a command's number in the ledger, 24h, or 2026-11-22T18:00:00Z."})
  }

  async run(): Promise<{readonly account: string; readonly sequence: number; readonly balances: readonly ShownBalance[]}> {
    const {args, flags} = await this.parse(AccountBalance)
    const [{openAccount, openContext}, {balancesOf}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/balances.ts')
    ])
    const context = await openContext(flags, this.abort)
    const account = args.name ?? (await openAccount(flags, this.abort)).account.name
    const {sequence, balances} = await balancesOf(context, {idOrName: account, at: pastMoment(flags.at)}, this.abort)
    if (balances.length === 0) this.log(flags.at === undefined ? `${account} holds nothing yet.` : `${account} held nothing then.`)
    else
      this.log(
        renderTable(balances, [
          {header: 'ASSET', value: (row) => row.asset},
          {header: 'KIND', value: (row) => row.kind},
          {header: 'AMOUNT', value: (row) => row.amount, align: 'right'}
        ])
      )
    return {account, sequence, balances}
  }
}

/** @throws {CreoError} `invalid_input` */
function pastMoment(text: string | undefined): {readonly seq: number} | {readonly atMs: number} | undefined {
  if (text === undefined) return undefined
  return /^\d{1,15}$/.test(text) ? {seq: Number(text)} : {atMs: parseSinceMs(text, Date.now())}
}
