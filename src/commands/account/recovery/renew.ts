import {CreoCommand} from '../../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../../cli/flags.ts'
import {recoveryCodeText} from '../../../cli/recovery-text.ts'
import type {RenewedRecovery} from '../../../developer/recovery.ts'

export default class AccountRecoveryRenew extends CreoCommand {
  static override summary = 'Make a new recovery code for an account; the old one is worth nothing from then on.'
  static override examples = ['<%= config.bin %> <%= command.id %>']
  static override flags = {...networkFlags, ...accountFlags}

  async run(): Promise<RenewedRecovery> {
    const {flags} = await this.parse(AccountRecoveryRenew)
    const [{openAccount}, {renewRecovery}] = await Promise.all([
      import('../../../developer/context.ts'),
      import('../../../developer/recovery.ts')
    ])
    const renewed = await renewRecovery(await openAccount(flags, this.abort), (code) => this.log(recoveryCodeText(code)))
    this.log(`${renewed.account} has a new recovery code${renewed.replaces.length === 0 ? '' : '; the old one is worth nothing now'}.`)
    return renewed
  }
}
