import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../cli/base-command.ts'
import {accountFlags, networkFlags} from '../cli/flags.ts'
import type {OwnRedemption} from '../developer/redemptions.ts'

export default class Redeem extends CreoCommand {
  static override summary = 'Redeem an incentive for what its issuer offers.'
  static override description =
    'The price is held until the issuer captures it, when you have what you asked for, or releases it. After a time it is released by itself.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> off_12',
    '<%= config.bin %> <%= command.id %> off_12 --quantity 3 --price 2.50'
  ]
  static override args = {offer: Args.string({required: true, description: 'The offer, as offer list shows it.'})}
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    price: Flags.string({helpValue: 'AMOUNT', description: 'The most that one may cost: its price can change at any time.'}),
    quantity: Flags.integer({helpValue: 'N', default: 1, min: 1, max: 1e6, description: 'How many.'})
  }

  async run(): Promise<OwnRedemption> {
    const {args, flags} = await this.parse(Redeem)
    const [{openAccount}, {redeem}] = await Promise.all([import('../developer/context.ts'), import('../developer/redemptions.ts')])
    const {quantity, price} = flags
    const redemption = await redeem(await openAccount(flags, this.abort), {offer: args.offer, quantity, price}, this.abort)
    this.log(
      `${redemption.redemption}: ${redemption.amount} ${redemption.incentive} are held for ${args.offer}.\nCode: ${redemption.code}\nShow the code to the issuer, and to nobody else. To see it again: creo redemption show ${redemption.redemption}`
    )
    return redemption
  }
}
