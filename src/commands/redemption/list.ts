import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {networkFlags} from '../../cli/flags.ts'
import {renderTable} from '../../cli/table.ts'
import type {ShownRedemption} from '../../developer/redemptions.ts'

/** Of an RFC 3339 time, to the minute. */
const MINUTE_CHARS = 16

export default class RedemptionList extends CreoCommand {
  static override summary = 'List redemptions: the public record of what was redeemed, and how fast.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> --incentive colibris/LEAF --status held',
    '<%= config.bin %> <%= command.id %> --offer off_12 --limit 20'
  ]
  static override flags = {
    ...networkFlags,
    incentive: Flags.string({helpValue: 'ORG/CODE', description: 'Only of this incentive.'}),
    offer: Flags.string({helpValue: 'OFFER', description: 'Only for this offer.'}),
    status: Flags.option({options: ['held', 'captured', 'released'] as const, description: 'Only these.'})(),
    limit: Flags.integer({helpValue: 'N', default: 100, min: 1, max: 1000, description: 'So many, newest first.'}),
    cursor: Flags.string({helpValue: 'PLACE', description: 'Where the list before ended, as it said.'})
  }

  async run(): Promise<{readonly redemptions: readonly ShownRedemption[]; readonly next: string | null}> {
    const {flags} = await this.parse(RedemptionList)
    const [{openContext}, {findIncentive}, {shownRedemption}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/incentives.ts'),
      import('../../developer/redemptions.ts')
    ])
    const context = await openContext(flags, this.abort)
    const incentive = flags.incentive === undefined ? {} : {incentive: (await findIncentive(context, flags.incentive, this.abort)).id}
    const {offer, status, limit, cursor} = flags
    const filter = {...incentive, ...(offer !== undefined && {offer}), ...(status !== undefined && {status}), limit, cursor}
    const [{redemptions: views, next = null}, {incentives}] = await Promise.all([
      context.client.redemptionsPage(filter, this.abort),
      context.client.incentives(this.abort)
    ])
    const redemptions = views.map((view) => shownRedemption(view, incentives))
    if (redemptions.length === 0) this.log('None.')
    else
      this.log(
        renderTable(redemptions, [
          {header: 'REDEMPTION', value: (row) => row.redemption},
          {header: 'OFFER', value: (row) => `${row.quantity} × ${row.offer}`},
          {header: 'AMOUNT', value: (row) => `${row.amount} ${row.incentive}`, align: 'right'},
          {header: 'STATUS', value: (row) => (row.reason === null ? row.status : `${row.status}: ${row.reason}`)},
          {header: 'REQUESTED', value: (row) => row.requestedAt.slice(0, MINUTE_CHARS)}
        ])
      )
    if (next !== null) this.log(`There may be more: creo redemption list … --cursor ${next}`)
    return {redemptions, next}
  }
}
