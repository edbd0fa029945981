import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {networkFlags} from '../../cli/flags.ts'
import type {MiningOffers} from '../../miner/mining-offers.ts'

export default class MineOffers extends CreoCommand {
  static override summary = 'Show what this machine could earn, and what that buys.'
  static override description =
    `For each incentive what it buys and how reliably it was redeemed; what it pays for which work, reckoned for a day of this \
machine; and only then its price. Estimates share what was paid in the last week with the nodes that work for it already.`
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --network main --json']
  static override flags = {
    ...networkFlags,
    data: Flags.string({helpValue: 'DIR', description: 'Folder of the node. Default: miner in the data folder of creo.'})
  }

  async run(): Promise<MiningOffers> {
    const {flags} = await this.parse(MineOffers)
    const [{openContext}, {miningOffers, termsHere}, {nodeFolder}, {offersText}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../miner/mining-offers.ts'),
      import('../../cli/read-lending.ts'),
      import('../../cli/offers-text.ts')
    ])
    const {client} = await openContext(flags, this.abort)
    const offers = await miningOffers({client, ...(await termsHere(nodeFolder(flags.data))), nowMs: Date.now()}, this.abort)
    this.log(offersText(offers))
    return offers
  }
}
