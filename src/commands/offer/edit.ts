import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'
import type {ShownOffer} from '../../developer/incentives.ts'

export default class OfferEdit extends CreoCommand {
  static override summary = 'Change what you offer: its price, its stock, its words, or whether there is any.'
  static override description =
    'Redemptions that wait keep what they hold. Who redeems with --price pays no more than that, whatever it costs by then.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> off_12 --price 3.50 --stock 40',
    '<%= config.bin %> <%= command.id %> off_12 --picture coffee.webp',
    '<%= config.bin %> <%= command.id %> off_12 --stop',
    '<%= config.bin %> <%= command.id %> off_12 --resume'
  ]
  static override args = {offer: Args.string({required: true, description: 'The offer, as offer list shows it.'})}
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    item: Flags.string({helpValue: 'ITEM', description: 'What it buys.'}),
    price: Flags.string({helpValue: 'AMOUNT', description: 'What one costs.'}),
    stock: Flags.integer({helpValue: 'N', min: 0, max: 1e9, description: 'How many there are, besides those that are set aside.'}),
    where: Flags.option({options: ['in-app', 'in-store'] as const, description: 'Where it is redeemed.'})(),
    picture: Flags.string({helpValue: 'FILE', description: 'Its picture: PNG, JPEG, WebP or AVIF, at most 64 KiB.'}),
    'no-picture': Flags.boolean({exclusive: ['picture'], description: 'Take its picture away.'}),
    stop: Flags.boolean({exclusive: ['resume'], description: 'Offer it no longer.'}),
    resume: Flags.boolean({description: 'Offer it again.'})
  }

  async run(): Promise<ShownOffer & {readonly seq: number}> {
    const {args, flags} = await this.parse(OfferEdit)
    const [{openAccount}, {editOffer}, {storePicture}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/incentives.ts'),
      import('../../developer/pictures.ts')
    ])
    const stopped = flags.stop ? true : flags.resume ? false : undefined
    const {item, price, stock, where} = flags
    const context = await openAccount(flags, this.abort)
    const stored = flags.picture === undefined ? undefined : await storePicture(context, flags.picture, this.abort)
    const picture = flags['no-picture'] ? null : stored
    const edited = await editOffer(context, args.offer, {item, price, stock, where, picture, stopped}, this.abort)
    const left = edited.stopped ? 'offered no longer' : `${edited.stock} left`
    this.log(`${edited.offer}: ${edited.item} for ${edited.price} ${edited.incentive}, ${edited.where}, ${left}.`)
    return edited
  }
}
