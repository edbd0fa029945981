import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'
import {endedLines} from '../../cli/offers-text.ts'
import {CreoError} from '../../core/errors.ts'
import type {EndedRedemptions} from '../../developer/redemptions.ts'

export default class RedemptionCapture extends CreoCommand {
  static override summary = 'Take what a redemption holds, once the holder has the item.'
  static override description =
    'What was captured stays so: what it held is burnt, or the issuer’s, as the incentive says. On a terminal --all says how many there are, and asks.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> 7p8m-x9tw-4awm',
    '<%= config.bin %> <%= command.id %> red_31',
    'cat handed-over.txt | <%= config.bin %> <%= command.id %> -',
    '<%= config.bin %> <%= command.id %> --all --offer off_12'
  ]
  static override args = {
    redemption: Args.string({description: 'The code that its holder shows, or the redemption; - for several, from a pipe.'})
  }
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    all: Flags.boolean({default: false, description: 'All that wait at the account.'}),
    yes: Flags.boolean({char: 'y', default: false, dependsOn: ['all'], description: 'With --all: do not ask.'}),
    incentive: Flags.string({helpValue: 'ORG/CODE', dependsOn: ['all'], description: 'With --all: only of this incentive.'}),
    offer: Flags.string({helpValue: 'OFFER', dependsOn: ['all'], description: 'With --all: only of this offer.'})
  }

  async run(): Promise<EndedRedemptions & {readonly redemption: string | null; readonly status: 'captured'; readonly seq: number | null}> {
    const {args, flags} = await this.parse(RedemptionCapture)
    if ((args.redemption === undefined) !== flags.all)
      throw new CreoError('usage', 'Name one redemption or its code, or give --all.', {hint: 'creo redemption list --status held'})
    const [{openAccount}, redemptions] = await Promise.all([import('../../developer/context.ts'), import('../../developer/redemptions.ts')])
    const context = await openAccount(flags, this.abort)
    const end = {how: 'capture'} as const
    if (args.redemption === '-') {
      const {readNames} = await import('../../cli/read-names.ts')
      const outcome = await redemptions.endNamed(context, await readNames(this.abort), end, this.abort)
      for (const line of endedLines(outcome, 'captured')) this.log(line)
      return {redemption: null, status: 'captured', seq: null, ...outcome}
    }
    if (args.redemption === undefined) {
      const ids = await redemptions.waitingRedemptions(context, flags, this.abort)
      if (ids.length > 0 && !flags.yes && !this.jsonEnabled() && process.stdin.isTTY) {
        const {askYesNo} = await import('../../cli/prompt.ts')
        if (
          !(await askYesNo(
            `Capture all ${ids.length} that wait? What they hold is burnt or yours then, and can't be given back by creo.`,
            this.abort
          ))
        ) {
          this.log('Nothing was captured.')
          return {redemption: null, status: 'captured', seq: null, ended: [], failed: []}
        }
      }
      const outcome = await redemptions.endRedemptions(context, ids, end, this.abort)
      for (const line of endedLines(outcome, 'captured')) this.log(line)
      return {redemption: null, status: 'captured', seq: null, ...outcome}
    }
    const {redemption, seq} = await redemptions.endRedemption(context, args.redemption, end, this.abort)
    this.log(`${redemption} is captured.`)
    return {redemption, status: 'captured', seq, ended: [{redemption, seq}], failed: []}
  }
}
