import {Args} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'
import type {OwnRedemption} from '../../developer/redemptions.ts'

export default class RedemptionShow extends CreoCommand {
  static override summary = 'Show a redemption of yours, and the code by which you claim it.'
  static override description = 'The code is made anew from the key that made the redemption; nobody else can, and it is kept nowhere.'
  static override examples = ['<%= config.bin %> <%= command.id %> red_31']
  static override args = {redemption: Args.string({required: true, description: 'The redemption, as redeem or redemption list shows it.'})}
  static override flags = {...networkFlags, ...accountFlags}

  async run(): Promise<OwnRedemption> {
    const {args, flags} = await this.parse(RedemptionShow)
    const [{openAccount}, {ownRedemption}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/redemptions.ts')
    ])
    const shown = await ownRedemption(await openAccount(flags, this.abort), args.redemption, this.abort)
    const {redemption, quantity, offer, amount, incentive, status, code} = shown
    this.log(`${redemption}: ${quantity} × ${offer} for ${amount} ${incentive}, ${status}.`)
    this.log(code === null ? 'Its code was made by another key, or there is none.' : `Code: ${code}`)
    return shown
  }
}
