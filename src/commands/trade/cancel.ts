import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'
import {CreoError} from '../../core/errors.ts'

export default class TradeCancel extends CreoCommand {
  static override summary = 'Take back an order, or all of them.'
  static override description = 'What they held is available again at once. With --all up to 1,000 go in one step, in which nothing trades.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> ord_17',
    '<%= config.bin %> <%= command.id %> --all',
    '<%= config.bin %> <%= command.id %> --all --market colibris/LEAF --side sell'
  ]
  static override args = {order: Args.string({description: 'The order, as trade orders shows it.'})}
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    all: Flags.boolean({default: false, description: 'Every open order of the account.'}),
    market: Flags.string({helpValue: 'ORG/CODE', dependsOn: ['all'], description: 'With --all: only orders of this incentive.'}),
    side: Flags.option({options: ['buy', 'sell'] as const, dependsOn: ['all'], description: 'With --all: only these.'})()
  }

  async run(): Promise<{readonly cancelled: readonly string[]}> {
    const {args, flags} = await this.parse(TradeCancel)
    if ((args.order === undefined) !== flags.all)
      throw new CreoError('usage', 'Name one order, or give --all.', {hint: 'creo trade orders'})
    const [{openAccount}, orders] = await Promise.all([import('../../developer/context.ts'), import('../../developer/orders.ts')])
    const context = await openAccount(flags, this.abort)
    if (args.order !== undefined) await orders.cancelOrder(context, args.order)
    const chosen = {incentive: flags.market, side: flags.side}
    const cancelled = args.order === undefined ? await orders.cancelOrders(context, chosen, this.abort) : [args.order]
    this.log(cancelled.length === 0 ? 'There was no open order.' : `Cancelled ${cancelled.join(', ')}; what they held is available again.`)
    return {cancelled}
  }
}
