import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'
import {selfTradeChoice, selfTradeFlag} from '../../cli/order-flags.ts'
import {CreoError} from '../../core/errors.ts'
import type {ReplacedOrder} from '../../developer/orders.ts'

export default class TradeReplace extends CreoCommand {
  static override summary = 'Give an open order another price or amount, in one step.'
  static override description =
    'Smaller at the same price it keeps its place in the queue; else it stands behind the others, or trades at once. Refused, it stays as it was.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> ord_17 --price 0.45',
    '<%= config.bin %> <%= command.id %> ord_17 --amount 3'
  ]
  static override args = {order: Args.string({required: true, description: 'The order, as trade orders shows it.'})}
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    amount: Flags.string({helpValue: 'AMOUNT', description: 'Its whole amount from now on, with what is filled of it.'}),
    price: Flags.string({helpValue: 'GUTTA', description: 'Gutta per 1.00 from now on.'}),
    'post-only': Flags.boolean({default: false, description: 'Refuse it where it would trade at once.'}),
    'self-trade': selfTradeFlag
  }

  async run(): Promise<ReplacedOrder> {
    const {args, flags} = await this.parse(TradeReplace)
    const {amount, price} = flags
    if (amount === undefined && price === undefined) {
      throw new CreoError('usage', 'Nothing is said to change.', {hint: 'Give --price, --amount, or both.'})
    }
    const [{openAccount}, {orderSentence, replaceOrder}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/orders.ts')
    ])
    const change = {order: args.order, amount, price, isPostOnly: flags['post-only'], selfTrade: selfTradeChoice(flags['self-trade'])}
    const order = await replaceOrder(await openAccount(flags, this.abort), change, this.abort)
    this.log(orderSentence(order))
    if (order.keptPriority) this.log('It kept its place in the queue.')
    return order
  }
}
