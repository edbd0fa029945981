import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {networkFlags} from '../../cli/flags.ts'
import {auctionText, depthText, indicativeText, tickerText} from '../../cli/market-text.ts'
import type {ShownBook} from '../../developer/markets.ts'

const PIPED_WIDTH = 80

export default class TradeBook extends CreoCommand {
  static override summary = 'Show who would buy and sell an incentive, and at what price.'
  static override description =
    `Prices in Gutta per 1.00 of the incentive, the best ones in the middle; the bars say how much there is down to each. Above them stand the \
last price and what was traded in 24 hours.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> colibris/LEAF',
    '<%= config.bin %> <%= command.id %> colibris/LEAF --levels 30'
  ]
  static override args = {incentive: Args.string({required: true, description: 'ORG/CODE.'})}
  static override flags = {
    ...networkFlags,
    levels: Flags.integer({default: 10, min: 1, max: 100, helpValue: 'COUNT', description: 'So many prices a side.'})
  }

  async run(): Promise<ShownBook> {
    const {args, flags} = await this.parse(TradeBook)
    const [{openContext}, {readBook}] = await Promise.all([import('../../developer/context.ts'), import('../../developer/markets.ts')])
    const book = await readBook(await openContext(flags, this.abort), args.incentive, this.abort)
    this.log(`${book.incentive}: ${tickerText(book)}`)
    const auction = auctionText(book)
    if (auction !== undefined) this.log(auction)
    const indicative = indicativeText(book)
    if (indicative !== undefined) this.log(indicative)
    if (book.bids.length + book.asks.length === 0) this.log(`Nobody buys or sells ${book.incentive} now.`)
    else this.log(depthText(book, {width: process.stdout.columns ?? PIPED_WIDTH, levels: flags.levels}))
    return book
  }
}
