import {Args} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'

export default class RedemptionRelease extends CreoCommand {
  static override summary = 'Give back what a redemption holds.'
  static override examples = ['<%= config.bin %> <%= command.id %> red_31']
  static override args = {redemption: Args.string({required: true, description: 'The redemption, as its holder shows it.'})}
  static override flags = {...networkFlags, ...accountFlags}

  async run(): Promise<{readonly redemption: string; readonly status: 'released'; readonly seq: number}> {
    const {args, flags} = await this.parse(RedemptionRelease)
    const [{openAccount}, {endRedemption}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/redemptions.ts')
    ])
    const seq = await endRedemption(await openAccount(flags, this.abort), args.redemption, 'release')
    this.log(`${args.redemption} is released.`)
    return {redemption: args.redemption, status: 'released', seq}
  }
}
