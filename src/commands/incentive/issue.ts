import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'

export default class IncentiveIssue extends CreoCommand {
  static override summary = 'Issue an incentive: value that is redeemable in your app.'
  static override description = `Code, scope, decimals, lot and supply are fixed for ever. The first offer says what it buys. The limit is \
the Gutta for which it may be traded in 24 hours; you can change it later.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> LEAF --supply 100000 --limit 500 --offer "Delivery in town" --offer-price 2 --offer-stock 500'
  ]
  static override args = {code: Args.string({required: true, description: '2 to 10 capital letters and digits.'})}
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    name: Flags.string({helpValue: 'NAME', description: 'What people call it; its code when left out.'}),
    supply: Flags.string({required: true, helpValue: 'AMOUNT', description: 'How much there will ever be.'}),
    decimals: Flags.integer({helpValue: 'N', default: 2, min: 0, max: 6, description: 'Digits behind the point.'}),
    lot: Flags.string({default: '1', helpValue: 'AMOUNT', description: 'The step in which it is traded.'}),
    limit: Flags.string({required: true, helpValue: 'GUTTA', description: 'Trade volume limit of 24 hours.'}),
    'owner-share': Flags.integer({
      helpValue: 'PERCENT',
      min: 1,
      max: 100,
      description: 'Of that limit, what one account may take; 25 when left out. You can change it later.'
    }),
    scope: Flags.string({helpValue: 'APP/FUNCTION', description: 'The one function it may pay for; all of your functions when left out.'}),
    captured: Flags.option({
      options: ['burn', 'return'] as const,
      default: 'burn' as const,
      description: 'What becomes of what is redeemed.'
    })(),
    transferable: Flags.boolean({
      default: false,
      description: 'For ever: holders may give it to anybody (creo account pay), past the market and its limit.'
    }),
    offer: Flags.string({required: true, helpValue: 'ITEM', description: 'What it buys first.'}),
    'offer-price': Flags.string({required: true, helpValue: 'AMOUNT', description: 'What one item costs.'}),
    'offer-stock': Flags.integer({helpValue: 'N', required: true, min: 0, max: 1e9, description: 'How many items there are.'}),
    'offer-where': Flags.option({
      options: ['in-app', 'in-store'] as const,
      default: 'in-app' as const,
      description: 'Where it is redeemed.'
    })()
  }

  async run(): Promise<{readonly incentive: string; readonly offer: string; readonly seq: number}> {
    const {args, flags} = await this.parse(IncentiveIssue)
    const [{openAccount}, {issueIncentive, OWNER_SHARE_PERCENT}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/incentives.ts')
    ])
    const context = await openAccount(flags, this.abort)
    const offer = {item: flags.offer, price: flags['offer-price'], stock: flags['offer-stock'], where: flags['offer-where']}
    const issued = await issueIncentive(context, {
      ...flags,
      ownerSharePercent: flags['owner-share'] ?? OWNER_SHARE_PERCENT,
      scope: flags.scope,
      code: args.code,
      name: flags.name ?? args.code,
      offer
    })
    this.log(`Issued ${flags.supply} ${issued.incentive}; ${flags['offer-price']} of it buy: ${flags.offer} (${issued.offer}).`)
    this.log(`Next, so that miners can earn it: creo incentive fund ${issued.incentive} AMOUNT`)
    return issued
  }
}
