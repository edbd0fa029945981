import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {networkFlags} from '../../cli/flags.ts'
import {renderTable} from '../../cli/table.ts'
import type {ShownRedemption} from '../../developer/redemptions.ts'

export default class RedemptionList extends CreoCommand {
  static override summary = 'List redemptions: the public record of what was redeemed, and how fast.'
  static override examples = ['<%= config.bin %> <%= command.id %> --incentive colibris/LEAF --status held']
  static override flags = {
    ...networkFlags,
    incentive: Flags.string({helpValue: 'ORG/CODE', description: 'Only of this incentive.'}),
    status: Flags.option({options: ['held', 'captured', 'released'] as const, description: 'Only these.'})()
  }

  async run(): Promise<{readonly redemptions: readonly ShownRedemption[]}> {
    const {flags} = await this.parse(RedemptionList)
    const [{openContext}, {findIncentive}, {shownRedemption}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/incentives.ts'),
      import('../../developer/redemptions.ts')
    ])
    const context = await openContext(flags, this.abort)
    const incentive = flags.incentive === undefined ? {} : {incentive: (await findIncentive(context, flags.incentive, this.abort)).id}
    const filter = {...incentive, ...(flags.status === undefined ? {} : {status: flags.status})}
    const [{redemptions: views}, {incentives}] = await Promise.all([context.client.redemptions(filter), context.client.incentives()])
    const redemptions = views.map((view) => shownRedemption(view, incentives))
    if (redemptions.length === 0) this.log('None.')
    else
      this.log(
        renderTable(redemptions, [
          {header: 'REDEMPTION', value: (row) => row.redemption},
          {header: 'OFFER', value: (row) => `${row.quantity} × ${row.offer}`},
          {header: 'AMOUNT', value: (row) => `${row.amount} ${row.incentive}`, align: 'right'},
          {header: 'STATUS', value: (row) => (row.reason === null ? row.status : `${row.status}: ${row.reason}`)},
          {header: 'REQUESTED', value: (row) => row.requestedAt}
        ])
      )
    return {redemptions}
  }
}
