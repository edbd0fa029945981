import {Args} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {networkFlags} from '../../cli/flags.ts'
import {renderTable} from '../../cli/table.ts'
import type {ShownBook} from '../../developer/orders.ts'

export default class TradeBook extends CreoCommand {
  static override summary = 'Show who would buy and sell an incentive, and at what price.'
  static override description = 'Prices in Gutta per 1.00 of the incentive, best first.'
  static override examples = ['<%= config.bin %> <%= command.id %> colibris/LEAF']
  static override args = {incentive: Args.string({required: true, description: 'ORG/CODE.'})}
  static override flags = {...networkFlags}

  async run(): Promise<ShownBook> {
    const {args, flags} = await this.parse(TradeBook)
    const [{openContext}, {readBook}] = await Promise.all([import('../../developer/context.ts'), import('../../developer/orders.ts')])
    const book = await readBook(await openContext(flags, this.abort), args.incentive, this.abort)
    const rows = Array.from({length: Math.max(book.bids.length, book.asks.length)}, (_, index) => ({
      bid: book.bids[index],
      ask: book.asks[index]
    }))
    if (rows.length === 0) this.log(`Nobody buys or sells ${book.incentive} now.`)
    else
      this.log(
        renderTable(rows, [
          {header: 'BUYING', value: ({bid}) => bid?.amount ?? '', align: 'right'},
          {header: 'BID', value: ({bid}) => bid?.price ?? '', align: 'right'},
          {header: 'ASK', value: ({ask}) => ask?.price ?? '', align: 'right'},
          {header: 'SELLING', value: ({ask}) => ask?.amount ?? '', align: 'right'}
        ])
      )
    return book
  }
}
