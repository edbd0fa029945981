import {CreoCommand} from '../../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../../cli/flags.ts'
import type {CancelledRecovery} from '../../../developer/recovery.ts'

export default class AccountRecoveryCancel extends CreoCommand {
  static override summary = 'Say no to a recovery of an account that has begun.'
  static override description =
    'If it was not you who began it, somebody has the recovery code: make a new one with creo account recovery renew.'
  static override examples = ['<%= config.bin %> <%= command.id %>']
  static override flags = {...networkFlags, ...accountFlags}

  async run(): Promise<CancelledRecovery> {
    const {flags} = await this.parse(AccountRecoveryCancel)
    const [{openAccount}, {cancelRecovery}] = await Promise.all([
      import('../../../developer/context.ts'),
      import('../../../developer/recovery.ts')
    ])
    const cancelled = await cancelRecovery(await openAccount(flags, this.abort))
    const isDone = cancelled.status === 'cancelled'
    this.log(isDone ? `The recovery of ${cancelled.account} is off; its keys stay as they are.` : `Nobody recovers ${cancelled.account}.`)
    if (isDone) this.logToStderr('If you did not begin it, make a new code: creo account recovery renew')
    return cancelled
  }
}
