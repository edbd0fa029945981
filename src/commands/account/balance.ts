import {Args} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'
import {renderTable} from '../../cli/table.ts'
import type {ShownBalance} from '../../developer/balances.ts'

export default class AccountBalance extends CreoCommand {
  static override summary = 'Show what an account holds.'
  static override description = `available can be used; held waits for orders and redemptions; pool pays miners; reserved is promised to \
leases; issued is what the account has given out, below zero.`
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> colibris --json']
  static override args = {name: Args.string({description: 'Name or id; your own when left out.'})}
  static override flags = {...networkFlags, ...accountFlags}

  async run(): Promise<{readonly account: string; readonly balances: readonly ShownBalance[]}> {
    const {args, flags} = await this.parse(AccountBalance)
    const [{openAccount, openContext}, {balancesOf}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/balances.ts')
    ])
    const context = await openContext(flags, this.abort)
    const account = args.name ?? (await openAccount(flags, this.abort)).account.name
    const balances = await balancesOf(context, account, this.abort)
    if (balances.length === 0) this.log(`${account} holds nothing yet.`)
    else
      this.log(
        renderTable(balances, [
          {header: 'ASSET', value: (row) => row.asset},
          {header: 'KIND', value: (row) => row.kind},
          {header: 'AMOUNT', value: (row) => row.amount, align: 'right'}
        ])
      )
    return {account, balances}
  }
}
