import {Args} from '@oclif/core'
import {CreoCommand} from '../../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../../cli/flags.ts'
import {webhookLines} from '../../../cli/offers-text.ts'
import type {ShownWebhook} from '../../../developer/webhooks.ts'

export default class RedemptionWebhookSet extends CreoCommand {
  static override summary = "Have the org's own server told of each redemption."
  static override description =
    `The coordinator posts a signed event to this address when something is redeemed at the org, captured, released or has expired: at least once \
each, again and again for three days until the server answers 2xx. creo/client verifies it (docs/CLIENT.md). The address is kept out of the public \
journal.`
  static override examples = ['<%= config.bin %> <%= command.id %> https://shop.example.org/creo-webhook --as colibris']
  static override args = {url: Args.string({required: true, description: 'An https address in the public internet.'})}
  static override flags = {...networkFlags, ...accountFlags}

  async run(): Promise<ShownWebhook> {
    const {args, flags} = await this.parse(RedemptionWebhookSet)
    const [{openAccount}, {shownWebhook, webhookUrl}] = await Promise.all([
      import('../../../developer/context.ts'),
      import('../../../developer/webhooks.ts')
    ])
    const url = webhookUrl(args.url)
    const context = await openAccount(flags, this.abort)
    const {webhook} = await context.client.webhook(context.account.name, this.abort).set(url)
    const shown = shownWebhook(context, webhook)
    for (const line of webhookLines(shown)) this.log(line)
    this.log('Try it: creo redemption webhook test')
    return shown
  }
}
