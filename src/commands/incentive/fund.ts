import {Args} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'

export default class IncentiveFund extends CreoCommand {
  static override summary = 'Put some of your incentive into its reward pool.'
  static override description =
    'Leases reserve from the pool what miners may earn, so nobody earns a promise. What a function pays from it stands in its creo.yaml, under rewards.'
  static override examples = ['<%= config.bin %> <%= command.id %> colibris/LEAF 20000']
  static override args = {
    incentive: Args.string({required: true, description: 'ORG/CODE.'}),
    amount: Args.string({required: true, description: 'How much.'})
  }
  static override flags = {...networkFlags, ...accountFlags}

  async run(): Promise<{readonly incentive: string; readonly amount: string; readonly seq: number}> {
    const {args, flags} = await this.parse(IncentiveFund)
    const [{openAccount}, {findIncentive, isPaidIn}, {positiveAmount}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/incentives.ts'),
      import('../../core/market-units.ts')
    ])
    const context = await openAccount(flags, this.abort)
    const {id, decimals} = await findIncentive(context, args.incentive, this.abort)
    const amountMinor = positiveAmount(args.amount, decimals, 'amount')
    const {seq} = await context.client.submit({type: 'pool.fund', incentive: id, amountMinor})
    this.log(`${args.amount} ${id} are in the reward pool.`)
    if (!(await isPaidIn(context, id, this.abort)))
      this.log(`No app pays in it yet. Next, so that hosts earn it: creo deploy FOLDER --pay-in ${id.split('/')[1]} --per-month NUMBER`)
    return {incentive: id, amount: args.amount, seq}
  }
}
