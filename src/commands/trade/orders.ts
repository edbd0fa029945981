import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'
import {renderTable} from '../../cli/table.ts'
import type {ShownOrder} from '../../developer/orders.ts'

export default class TradeOrders extends CreoCommand {
  static override summary = 'List your orders.'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --status filled']
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    status: Flags.option({options: ['open', 'filled', 'cancelled', 'expired'] as const, description: 'Only these.'})()
  }

  async run(): Promise<{readonly orders: readonly ShownOrder[]}> {
    const {flags} = await this.parse(TradeOrders)
    const [{openAccount}, {shownOrder}] = await Promise.all([import('../../developer/context.ts'), import('../../developer/orders.ts')])
    const {client, account} = await openAccount(flags, this.abort)
    const filter = flags.status === undefined ? {} : {status: flags.status}
    const [{orders: views}, {incentives}] = await Promise.all([client.orders(account.id, filter), client.incentives()])
    const orders = views.flatMap((view) => {
      const units = incentives.find(({id}) => id === view.incentive)
      return units === undefined ? [] : [shownOrder(view, units)]
    })
    if (orders.length === 0) this.log('None.')
    else
      this.log(
        renderTable(orders, [
          {header: 'ORDER', value: (row) => row.order},
          {header: 'SIDE', value: (row) => row.side},
          {header: 'AMOUNT', value: (row) => `${row.amount} ${row.incentive}`, align: 'right'},
          {header: 'PRICE', value: (row) => row.price, align: 'right'},
          {header: 'FILLED', value: (row) => row.filled, align: 'right'},
          {header: 'STATUS', value: (row) => (row.reason === null ? row.status : `${row.status} (${row.reason})`)}
        ])
      )
    return {orders}
  }
}
