import {CreoCommand} from '../../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../../cli/flags.ts'
import {webhookLines} from '../../../cli/offers-text.ts'
import type {ShownWebhook} from '../../../developer/webhooks.ts'

export default class RedemptionWebhookShow extends CreoCommand {
  static override summary = "Show the org's webhook: where it goes, how that goes, and what its server verifies by."
  static override examples = ['<%= config.bin %> <%= command.id %> --as colibris']
  static override flags = {...networkFlags, ...accountFlags}

  async run(): Promise<ShownWebhook> {
    const {flags} = await this.parse(RedemptionWebhookShow)
    const [{openAccount}, {shownWebhook}] = await Promise.all([
      import('../../../developer/context.ts'),
      import('../../../developer/webhooks.ts')
    ])
    const context = await openAccount(flags, this.abort)
    const {webhook} = await context.client.webhook(context.account.name, this.abort).show()
    const shown = shownWebhook(context, webhook)
    for (const line of webhookLines(shown)) this.log(line)
    return shown
  }
}
