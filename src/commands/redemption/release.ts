import {Args} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'

export default class RedemptionRelease extends CreoCommand {
  static override summary = 'Give back what a redemption holds.'
  static override examples = ['<%= config.bin %> <%= command.id %> red_31', '<%= config.bin %> <%= command.id %> 7p8m-x9tw-4awm']
  static override args = {redemption: Args.string({required: true, description: 'The code that its holder shows, or the redemption.'})}
  static override flags = {...networkFlags, ...accountFlags}

  async run(): Promise<{readonly redemption: string; readonly status: 'released'; readonly seq: number}> {
    const {args, flags} = await this.parse(RedemptionRelease)
    const [{openAccount}, {endRedemption}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/redemptions.ts')
    ])
    const {redemption, seq} = await endRedemption(await openAccount(flags, this.abort), args.redemption, 'release', this.abort)
    this.log(`${redemption} is released.`)
    return {redemption, status: 'released', seq}
  }
}
