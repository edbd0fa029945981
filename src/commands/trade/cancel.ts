import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'
import {CreoError} from '../../core/errors.ts'

export default class TradeCancel extends CreoCommand {
  static override summary = 'Take back an order, or all of them.'
  static override examples = ['<%= config.bin %> <%= command.id %> ord_17', '<%= config.bin %> <%= command.id %> --all']
  static override args = {order: Args.string({description: 'The order, as trade orders shows it.'})}
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    all: Flags.boolean({default: false, description: 'Every open order of the account.'})
  }

  async run(): Promise<{readonly cancelled: readonly string[]}> {
    const {args, flags} = await this.parse(TradeCancel)
    if ((args.order === undefined) !== flags.all)
      throw new CreoError('usage', 'Name one order, or give --all.', {hint: 'creo trade orders'})
    const [{openAccount}, {cancelOrders}] = await Promise.all([import('../../developer/context.ts'), import('../../developer/orders.ts')])
    const cancelled = await cancelOrders(await openAccount(flags, this.abort), args.order, this.abort)
    this.log(cancelled.length === 0 ? 'There was no open order.' : `Cancelled ${cancelled.join(', ')}; what they held is available again.`)
    return {cancelled}
  }
}
