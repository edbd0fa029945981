import {CreoCommand} from '../../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../../cli/flags.ts'

interface TestedWebhook {
  readonly org: string
  readonly delivery: string
  readonly status: number
  readonly tookMs: number
}

export default class RedemptionWebhookTest extends CreoCommand {
  static override summary = "Send the org's webhook an event that says nothing, and show how its server took it."
  static override examples = ['<%= config.bin %> <%= command.id %> --as colibris']
  static override flags = {...networkFlags, ...accountFlags}

  async run(): Promise<TestedWebhook> {
    const {flags} = await this.parse(RedemptionWebhookTest)
    const {openAccount} = await import('../../../developer/context.ts')
    const {client, account} = await openAccount(flags, this.abort)
    const tested = await client.webhook(account.name, this.abort).test()
    this.log(`Its server answered ${tested.status} after ${tested.tookMs} ms.`)
    return {org: account.name, ...tested}
  }
}
