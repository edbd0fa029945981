import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'
import {formatSpanMs} from '../../cli/format.ts'
import type {LimitedVolume} from '../../developer/incentives.ts'

export default class IncentiveLimit extends CreoCommand {
  static override summary = 'Change the trade volume limit of your incentive.'
  static override description =
    'It holds from the next order on. Below what was traded already it leaves nothing until that counts no more. One account may take a share of it by orders that trade at once, so that nobody takes all.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> colibris/LEAF 1000',
    '<%= config.bin %> <%= command.id %> colibris/LEAF 1000 --owner-share 50'
  ]
  static override args = {
    incentive: Args.string({required: true, description: 'ORG/CODE.'}),
    limit: Args.string({
      required: true,
      description: 'Gutta for which it may be traded in 24 hours (in a development network 24 minutes), above zero.'
    })
  }
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    'owner-share': Flags.integer({
      helpValue: 'PERCENT',
      min: 1,
      max: 100,
      description: 'Of that limit, what one account may take; as it was when left out.'
    })
  }

  async run(): Promise<LimitedVolume> {
    const {args, flags} = await this.parse(IncentiveLimit)
    const [{openAccount}, {limitTradeVolume}, {readVolumeWindowMs}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/incentives.ts'),
      import('../../developer/network-terms.ts')
    ])
    const context = await openAccount(flags, this.abort)
    const limited = await limitTradeVolume(context, {...args, ownerSharePercent: flags['owner-share']}, this.abort)
    const windowMs = await readVolumeWindowMs(context, this.abort)
    const {incentive, ownerSharePercent, warning} = limited
    this.log(
      `${incentive} may be traded for ${args.limit} Gutta in ${formatSpanMs(windowMs)}; one account may take ${ownerSharePercent} % of that.`
    )
    if (warning !== null) this.warn(warning)
    return limited
  }
}
