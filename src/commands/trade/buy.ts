import {CreoCommand} from '../../cli/base-command.ts'
import {orderArgs, orderChoice, orderFlags} from '../../cli/order-flags.ts'
import type {ShownOrder} from '../../developer/orders.ts'

export default class TradeBuy extends CreoCommand {
  static override summary = 'Buy an incentive for Gutta.'
  static override description =
    'The Gutta for it and the largest fee are held until it ends. What crosses the book trades at once at the better price; the rest waits.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> colibris/LEAF 4 --price 0.5',
    '<%= config.bin %> <%= command.id %> colibris/LEAF 4 --market',
    '<%= config.bin %> <%= command.id %> colibris/LEAF 4 --price 0.5 --tif GTT --expires 12h',
    '<%= config.bin %> <%= command.id %> colibris/LEAF 4 --price 0.5 --self-trade cancel-oldest'
  ]
  static override args = orderArgs
  static override flags = orderFlags

  async run(): Promise<ShownOrder> {
    const {args, flags} = await this.parse(TradeBuy)
    const [{openAccount}, {orderSentence, placeOrder}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/orders.ts')
    ])
    const context = await openAccount(flags, this.abort)
    const order = await placeOrder(context, {...args, side: 'buy', price: flags.price, ...orderChoice(flags)}, this.abort)
    this.log(orderSentence(order))
    return order
  }
}
