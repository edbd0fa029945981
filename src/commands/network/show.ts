import {CreoCommand} from '../../cli/base-command.ts'
import {networkFlags} from '../../cli/flags.ts'
import type {NetworkTerms} from '../../developer/network-terms.ts'

export default class NetworkShow extends CreoCommand {
  static override summary = "Show a network's terms: what a trade costs, and how Gutta comes into being."
  static override description = 'They are in its genesis, whose hash is its id: nobody can change them.'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --network home']
  static override flags = {...networkFlags}

  async run(): Promise<NetworkTerms> {
    const {flags} = await this.parse(NetworkShow)
    const [{openContext}, {readTerms}, {genesisText}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/network-terms.ts'),
      import('../../cli/genesis-text.ts')
    ])
    const terms = await readTerms(await openContext(flags, this.abort), this.abort)
    this.log(`${terms.name}, a ${terms.network} network. Gutta is the incentive of ${terms.exchangeOrg}.`)
    this.log(`Id: ${terms.networkId}`)
    for (const line of genesisText(terms)) this.log(line)
    return terms
  }
}
