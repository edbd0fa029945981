import {CreoCommand} from '../../cli/base-command.ts'
import {networkFlags} from '../../cli/flags.ts'
import {renderTable} from '../../cli/table.ts'
import type {ShownIncentive} from '../../developer/incentives.ts'

export default class IncentiveList extends CreoCommand {
  static override summary = 'List the incentives of the network.'
  static override description =
    'Traded in 24 hours: for how much it was, and for how much it may be. Given on: whether holders may pay anybody with it (creo account pay).'
  static override examples = ['<%= config.bin %> <%= command.id %>']
  static override flags = {...networkFlags}

  async run(): Promise<{readonly incentives: readonly ShownIncentive[]}> {
    const {flags} = await this.parse(IncentiveList)
    const [{openContext}, {shownIncentive}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/incentives.ts')
    ])
    const {client} = await openContext(flags, this.abort)
    const incentives = (await client.incentives()).incentives.map(shownIncentive)
    if (incentives.length === 0) this.log('None yet. Issue one: creo incentive issue CODE')
    else
      this.log(
        renderTable(incentives, [
          {header: 'INCENTIVE', value: (row) => row.incentive},
          {header: 'NAME', value: (row) => row.name},
          {header: 'PAYS FOR', value: (row) => row.scope},
          {header: 'SUPPLY', value: (row) => row.supply, align: 'right'},
          {header: 'LOT', value: (row) => row.lot, align: 'right'},
          {header: 'GIVEN ON', value: (row) => (row.transferable ? 'yes' : 'no')},
          {header: 'TRADED IN 24 H', value: (row) => `${row.usedGutta} of ${row.limitGutta} Gutta`, align: 'right'}
        ])
      )
    return {incentives}
  }
}
