import {CreoCommand} from '../../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../../cli/flags.ts'

interface RemovedWebhook {
  readonly org: string
  readonly status: 'removed' | 'already_removed'
}

export default class RedemptionWebhookRemove extends CreoCommand {
  static override summary = "Tell the org's server no more, and forget what was not told yet."
  static override description = 'What happened stays on record: creo redemption list.'
  static override examples = ['<%= config.bin %> <%= command.id %> --as colibris']
  static override flags = {...networkFlags, ...accountFlags}

  async run(): Promise<RemovedWebhook> {
    const {flags} = await this.parse(RedemptionWebhookRemove)
    const {openAccount} = await import('../../../developer/context.ts')
    const {client, account} = await openAccount(flags, this.abort)
    const {status} = await client.webhook(account.name, this.abort).remove()
    this.log(status === 'removed' ? `The webhook of ${account.name} is removed.` : `${account.name} has none.`)
    return {org: account.name, status}
  }
}
