import {Args} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'
import {formatSpanMs} from '../../cli/format.ts'

export default class IncentiveLimit extends CreoCommand {
  static override summary = 'Change the trade volume limit of your incentive.'
  static override description =
    'It holds from the next order on. Below what was traded already it leaves nothing until that counts no more.'
  static override examples = ['<%= config.bin %> <%= command.id %> colibris/LEAF 1000']
  static override args = {
    incentive: Args.string({required: true, description: 'ORG/CODE.'}),
    limit: Args.string({
      required: true,
      description: 'Gutta for which it may be traded in 24 hours (in a development network 24 minutes), above zero.'
    })
  }
  static override flags = {...networkFlags, ...accountFlags}

  async run(): Promise<{readonly incentive: string; readonly limitGutta: string; readonly seq: number; readonly warning: string | null}> {
    const {args, flags} = await this.parse(IncentiveLimit)
    const [{openAccount}, {findIncentive, limitWarning}, {readVolumeWindowMs}, {positiveAmount}, {GUTTA_DECIMALS}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/incentives.ts'),
      import('../../developer/network-terms.ts'),
      import('../../core/market-units.ts'),
      import('../../core/units.ts')
    ])
    const tradeVolumeLimitMicroGutta = positiveAmount(args.limit, GUTTA_DECIMALS, 'trade volume limit')
    const context = await openAccount(flags, this.abort)
    const {id} = await findIncentive(context, args.incentive, this.abort)
    const {seq} = await context.client.submit({type: 'incentive.limit', incentive: id, tradeVolumeLimitMicroGutta})
    const windowMs = await readVolumeWindowMs(context, this.abort)
    this.log(`${id} may be traded for ${args.limit} Gutta in ${formatSpanMs(windowMs)}.`)
    const warning = await limitWarning(context, id, tradeVolumeLimitMicroGutta, this.abort)
    if (warning !== null) this.warn(warning)
    return {incentive: id, limitGutta: args.limit, seq, warning}
  }
}
