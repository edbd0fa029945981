import {Flags} from '@oclif/core'
import {CreoCommand} from '../../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../../cli/flags.ts'
import {renderTable} from '../../../cli/table.ts'
import type {ShownDelivery} from '../../../developer/webhooks.ts'

/** Of an RFC 3339 time, to the minute. */
const MINUTE_CHARS = 16

export default class RedemptionWebhookDeliveries extends CreoCommand {
  static override summary = "List what the org's server was told, or is to be told, newest first."
  static override examples = ['<%= config.bin %> <%= command.id %> --as colibris', '<%= config.bin %> <%= command.id %> --state waiting']
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    state: Flags.option({options: ['waiting', 'delivered', 'given_up'] as const, description: 'Only these.'})(),
    limit: Flags.integer({helpValue: 'N', default: 100, min: 1, max: 1000, description: 'So many.'})
  }

  async run(): Promise<{readonly org: string; readonly deliveries: readonly ShownDelivery[]}> {
    const {flags} = await this.parse(RedemptionWebhookDeliveries)
    const [{openAccount}, {shownDelivery}] = await Promise.all([
      import('../../../developer/context.ts'),
      import('../../../developer/webhooks.ts')
    ])
    const {client, account} = await openAccount(flags, this.abort)
    const {deliveries: views} = await client.webhook(account.name, this.abort).deliveries({state: flags.state, limit: flags.limit})
    const deliveries = views.map(shownDelivery)
    if (deliveries.length === 0) this.log('None.')
    else
      this.log(
        renderTable(deliveries, [
          {header: 'DELIVERY', value: (row) => row.delivery},
          {header: 'EVENT', value: (row) => `${row.type.replace('redemption.', '')} ${row.redemption}`},
          {header: 'AT', value: (row) => row.at.slice(0, MINUTE_CHARS)},
          {header: 'STATE', value: stateText},
          {header: 'SAID', value: (row) => row.said ?? ''}
        ])
      )
    return {org: account.name, deliveries}
  }
}

function stateText({state, attempts, nextAt}: ShownDelivery): string {
  if (state === 'given_up') return `given up after ${attempts}`
  if (state === 'delivered' || attempts === 0) return state
  return `waiting; attempt ${attempts + 1} at ${nextAt?.slice(0, MINUTE_CHARS)}`
}
