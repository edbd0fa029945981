import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'
import type {ShownPayment} from '../../developer/payments.ts'

export default class AccountPay extends CreoCommand {
  static override summary = 'Pay another account, in Gutta or in an incentive that may be given away.'
  static override description =
    `Gutta goes to anybody; an incentive to the org that issued it, and to anybody if it was issued as transferable (creo incentive list). It can't be taken \
back. Payments stand in the public ledger, and so does what is said with them.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> ana 2.5 gutta',
    '<%= config.bin %> <%= command.id %> ana 10 colibris/LEAF --memo "for the flyers" --yes',
    '<%= config.bin %> <%= command.id %> ana 2.5 gutta --once wage-2026-11 --yes'
  ]
  static override args = {
    account: Args.string({required: true, description: 'Name or id of who is paid.'}),
    amount: Args.string({required: true, description: 'How much.'}),
    asset: Args.string({required: true, description: 'gutta, or ORG/CODE.'})
  }
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    memo: Flags.string({helpValue: 'TEXT', description: 'What it is for, at most 64 bytes. Everybody can read it.'}),
    once: Flags.string({
      helpValue: 'KEY',
      description: 'Your name for this payment: the same one pays once within a day, however often it is run.'
    }),
    'dry-run': Flags.boolean({default: false, description: 'Only say what it would do.'}),
    yes: Flags.boolean({char: 'y', default: false, description: 'Do not ask.'})
  }

  async run(): Promise<ShownPayment> {
    const {args, flags} = await this.parse(AccountPay)
    const [{openAccount}, {pay, planPayment, shownPayment}, {askYesNo}, {plainLine}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/payments.ts'),
      import('../../cli/prompt.ts'),
      import('../../cli/plain-line.ts')
    ])
    const {account: to, ...what} = args
    const context = await openAccount(flags, this.abort)
    const planned = await planPayment(context, {to, ...what, memo: flags.memo, once: flags.once}, this.abort)
    const {from, amount, asset} = planned
    const sentence = `${from} pays ${planned.to.name} ${amount} ${asset}`
    if (flags['dry-run']) {
      this.log(`${sentence}, and has ${planned.left} left. To do it: the same without --dry-run.`)
      return shownPayment(planned, 'dry_run')
    }
    const said = planned.memo === null ? '' : `, and says for everybody to read: "${plainLine(planned.memo)}"`
    if (!flags.yes && !(await askYesNo(`${sentence}${said}. It can't be taken back. Do it?`, this.abort))) {
      this.log('Nothing was paid.')
      return shownPayment(planned, 'declined')
    }
    const paid = await pay(context, planned, flags.once, this.abort)
    this.log(`${paid.transfer}: ${paid.from} paid ${paid.to} ${amount} ${asset}, and has ${paid.left} left.`)
    return paid
  }
}
