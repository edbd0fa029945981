import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'

export default class OfferAdd extends CreoCommand {
  static override summary = 'Offer something for your incentive.'
  static override description = 'Of a picture only what is seen is sent: where and when it was taken, and by whom, is left out.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> colibris/LEAF --item "Coffee" --price 3 --stock 100 --where in-store',
    '<%= config.bin %> <%= command.id %> colibris/LEAF --item "Coffee" --price 3 --stock 100 --picture coffee.webp'
  ]
  static override args = {incentive: Args.string({required: true, description: 'ORG/CODE.'})}
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    item: Flags.string({helpValue: 'ITEM', required: true, description: 'What it buys.'}),
    price: Flags.string({required: true, helpValue: 'AMOUNT', description: 'What one costs.'}),
    stock: Flags.integer({helpValue: 'N', required: true, min: 0, max: 1e9, description: 'How many there are.'}),
    where: Flags.option({options: ['in-app', 'in-store'] as const, default: 'in-app' as const, description: 'Where it is redeemed.'})(),
    picture: Flags.string({helpValue: 'FILE', description: 'Its picture: PNG, JPEG, WebP or AVIF, at most 64 KiB.'})
  }

  async run(): Promise<{readonly offer: string; readonly incentive: string; readonly seq: number}> {
    const {args, flags} = await this.parse(OfferAdd)
    const [{openAccount}, {findIncentive, offerFrom}, {storePicture}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/incentives.ts'),
      import('../../developer/pictures.ts')
    ])
    const context = await openAccount(flags, this.abort)
    const {id, decimals} = await findIncentive(context, args.incentive, this.abort)
    const {picture: file, ...terms} = flags
    // What is wrong with the words is said before anything is sent.
    const offer = offerFrom(terms, decimals)
    const picture = file === undefined ? {} : {picture: await storePicture(context, file, this.abort)}
    const {seq} = await context.client.submit({type: 'offer.add', incentive: id, offer: {...offer, ...picture}})
    this.log(`${flags.price} ${id} buy: ${flags.item} (off_${seq}).`)
    return {offer: `off_${seq}`, incentive: id, seq}
  }
}
