import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'
import {CreoError} from '../../core/errors.ts'
import type {ShownSwap} from '../../developer/swaps.ts'

export default class TradeSwap extends CreoCommand {
  static override summary = 'Swap one incentive for another, whole or not at all.'
  static override description =
    'It is sold for Gutta and the other one bought with that, in one step. What does not pay for another lot is left over as Gutta. --dry-run says what it would come to.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> colibris/LEAF agora/NUT --send 10 --dry-run',
    '<%= config.bin %> <%= command.id %> colibris/LEAF agora/NUT --send 10 --worst 3.5',
    '<%= config.bin %> <%= command.id %> colibris/LEAF agora/NUT --receive 4'
  ]
  static override args = {
    from: Args.string({required: true, description: 'ORG/CODE of what is sent.'}),
    to: Args.string({required: true, description: 'ORG/CODE of what is received.'})
  }
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    send: Flags.string({helpValue: 'AMOUNT', exclusive: ['receive'], description: 'Send exactly this, for as much as it brings.'}),
    receive: Flags.string({helpValue: 'AMOUNT', description: 'Receive exactly this, for as little as it takes.'}),
    worst: Flags.string({
      helpValue: 'AMOUNT',
      description: 'The least to receive with --send, the most to send with --receive; 1 % from what it comes to now when left out.'
    }),
    'dry-run': Flags.boolean({default: false, description: 'Only say what it would come to now.'}),
    'self-trade': Flags.option({
      options: ['refuse', 'cancel-oldest'] as const,
      default: 'refuse' as const,
      description: 'What becomes of it when it meets an order of your own: nothing is swapped, or that order is cancelled.'
    })()
  }

  async run(): Promise<ShownSwap> {
    const {args, flags} = await this.parse(TradeSwap)
    const {send, receive, worst} = flags
    const amount = send ?? receive
    if (amount === undefined) {
      throw new CreoError('usage', 'How much is not said.', {hint: 'Give --send AMOUNT or --receive AMOUNT.'})
    }
    const [{openAccount}, {swap, swapSentence}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/swaps.ts')
    ])
    const exact = send === undefined ? 'receive' : 'send'
    const input = {...args, exact, amount, worst, cancelsOwn: flags['self-trade'] === 'cancel-oldest'} as const
    const swapped = await swap(await openAccount(flags, this.abort), input, flags['dry-run'], this.abort)
    this.log(swapSentence(swapped))
    return swapped
  }
}
