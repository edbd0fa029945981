import {Args} from '@oclif/core'
import {CreoCommand} from '../../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../../cli/flags.ts'

export default class RedemptionWebhookRetry extends CreoCommand {
  static override summary = "Tell the org's server again what was given up, or at once what waits."
  static override examples = ['<%= config.bin %> <%= command.id %> --as colibris', '<%= config.bin %> <%= command.id %> evt_31_0']
  static override args = {delivery: Args.string({description: 'Only this one; all that were given up when left out.'})}
  static override flags = {...networkFlags, ...accountFlags}

  async run(): Promise<{readonly org: string; readonly retried: number}> {
    const {args, flags} = await this.parse(RedemptionWebhookRetry)
    const [{openAccount}, {deliveryId}] = await Promise.all([
      import('../../../developer/context.ts'),
      import('../../../developer/webhooks.ts')
    ])
    const delivery = args.delivery === undefined ? undefined : deliveryId(args.delivery)
    const {client, account} = await openAccount(flags, this.abort)
    const {retried} = await client.webhook(account.name, this.abort).retry(delivery)
    this.log(retried === 0 ? 'None was given up.' : `${retried} ${retried === 1 ? 'is' : 'are'} told again now.`)
    return {org: account.name, retried}
  }
}
