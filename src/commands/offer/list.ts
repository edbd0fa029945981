import {Args} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {networkFlags} from '../../cli/flags.ts'
import {renderTable} from '../../cli/table.ts'
import type {ShownOffer} from '../../developer/incentives.ts'

export default class OfferList extends CreoCommand {
  static override summary = 'List what incentives buy.'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> colibris/LEAF']
  static override args = {incentive: Args.string({description: 'ORG/CODE; all when left out.'})}
  static override flags = {...networkFlags}

  async run(): Promise<{readonly offers: readonly ShownOffer[]}> {
    const {args, flags} = await this.parse(OfferList)
    const [{openContext}, {findIncentive, shownOffer}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/incentives.ts')
    ])
    const context = await openContext(flags, this.abort)
    const filter = args.incentive === undefined ? {} : {incentive: (await findIncentive(context, args.incentive, this.abort)).id}
    const [{offers}, {incentives}] = await Promise.all([context.client.offers(filter), context.client.incentives()])
    const shown = offers.map((offer) => shownOffer(offer, incentives))
    if (shown.length === 0) this.log('Nothing is offered yet.')
    else
      this.log(
        renderTable(shown, [
          {header: 'OFFER', value: (row) => row.offer},
          {header: 'ITEM', value: (row) => row.item},
          {header: 'PRICE', value: (row) => `${row.price} ${row.incentive}`, align: 'right'},
          {header: 'STOCK', value: (row) => (row.stopped ? 'stopped' : String(row.stock)), align: 'right'},
          {header: 'WHERE', value: (row) => row.where}
        ])
      )
    return {offers: shown}
  }
}
