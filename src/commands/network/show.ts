import {CreoCommand} from '../../cli/base-command.ts'
import {networkFlags} from '../../cli/flags.ts'
import {formatDurationMs} from '../../cli/format.ts'
import type {NetworkTerms} from '../../developer/network-terms.ts'

export default class NetworkShow extends CreoCommand {
  static override summary = "Show a network's terms: what a trade costs, and how Gutta comes into being."
  static override description = 'They are in its genesis, whose hash is its id: nobody can change them.'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --network home']
  static override flags = {...networkFlags}

  async run(): Promise<NetworkTerms> {
    const {flags} = await this.parse(NetworkShow)
    const [{openContext}, {readTerms}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/network-terms.ts')
    ])
    const terms = await readTerms(await openContext(flags, this.abort), this.abort)
    const {epochMs, perEpochGutta, halvingEpochs, totalGutta} = terms.emission
    const halved = halvingEpochs === 0 ? '' : `, half as much after each ${halvingEpochs} epochs`
    this.log(`${terms.name}, a ${terms.network} network. Gutta is the incentive of ${terms.exchangeOrg}.`)
    this.log(`Id: ${terms.networkId}`)
    this.log(`Fee of each fill, in Gutta, rounded down: ${terms.takerFeePercent} % from whoever meets an order,`)
    this.log(`${terms.makerFeePercent} % from whoever waited in the book.`)
    if (terms.protection !== null) this.log(protectionText(terms.protection))
    this.log(`New Gutta: at most ${perEpochGutta} an epoch of ${formatDurationMs(epochMs)}${halved}; ${totalGutta} in all.`)
    return terms
  }
}

function protectionText({openingMs, auctionMs, staticPercent, dynamicPercent}: NonNullable<NetworkTerms['protection']>): string {
  const bands = [
    ...(staticPercent === null ? [] : [`${staticPercent} % of the last auction's price`]),
    ...(dynamicPercent === null ? [] : [`${dynamicPercent} % of the last trade's`])
  ]
  const opening = `Markets open by an auction of ${formatDurationMs(openingMs)}.`
  if (bands.length === 0) return opening
  const beyond = `what would go beyond begins an auction of ${formatDurationMs(auctionMs)}.`
  return `${opening}\nTrades stay within ${bands.join(' and ')};\n${beyond}`
}
