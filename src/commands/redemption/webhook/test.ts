import {CreoCommand} from '../../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../../cli/flags.ts'
import {CreoError} from '../../../core/errors.ts'

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
    const {delivery, status, said, tookMs} = await client.webhook(account.name, this.abort).test()
    if (status === null)
      throw new CreoError('unavailable', `Its server did not take the event: ${said}`, {
        hint: 'Check the address, and that its server runs.'
      })
    if (status < 200 || status > 299)
      throw new CreoError('failed', `Its server answered ${status}, and 2xx is what says that it took the event.`, {
        hint: 'Look into the log of that server.'
      })
    this.log(`Its server answered ${status} after ${tookMs} ms.`)
    return {org: account.name, delivery, status, tookMs}
  }
}
