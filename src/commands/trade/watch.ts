import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {networkFlags} from '../../cli/flags.ts'
import {auctionText, bestText, sparkline, tickerText, tradeText} from '../../cli/market-text.ts'
import type {ShownPhase} from '../../developer/markets.ts'

const TRADES_MAX = 1_000_000
/** Prices that the line on a terminal has room for. */
const PRICES_SHOWN = 20
/** Clears the line that the cursor is in, and goes to its start. */
const CLEAR_LINE = '\r\u001b[2K'

export default class TradeWatch extends CreoCommand {
  static override summary = 'Watch an incentive being traded.'
  static override description =
    `Each trade as it is committed, until Ctrl-C or --count; on a terminal with a line of the last prices below, and of what is offered at best. A line to the coordinator \
that is cut is opened again and goes on after the last trade; what is too long ago by then shows in the market's line alone. Auctions are told when they begin and end. Under --json one object a line.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> colibris/LEAF',
    '<%= config.bin %> <%= command.id %> colibris/LEAF --count 1 --json'
  ]
  static override args = {incentive: Args.string({required: true, description: 'ORG/CODE.'})}
  static override flags = {
    ...networkFlags,
    count: Flags.integer({min: 1, max: TRADES_MAX, helpValue: 'COUNT', description: 'End after so many trades.'})
  }

  #isDrawn = false
  #best = ''

  async run(): Promise<{readonly incentive: string; readonly trades: number}> {
    const {args, flags} = await this.parse(TradeWatch)
    const [{openContext}, {watchMarket}] = await Promise.all([import('../../developer/context.ts'), import('../../developer/markets.ts')])
    const context = await openContext(flags, this.abort)
    const prices: number[] = []
    let trades = 0
    try {
      for await (const news of watchMarket(context, args.incentive, this.abort)) {
        if ('best' in news) this.#best = bestText(news.best)
        else if ('ticker' in news) {
          this.#print(`${args.incentive}: ${tickerText(news.ticker)}`)
          this.#tell(news.ticker, '')
        } else if ('phase' in news) {
          this.#tell(news.phase, 'Orders trade as they come again.')
          this.logJsonLine(news.phase)
        } else {
          const {trade} = news
          trades += 1
          prices.push(Number(trade.price))
          if (prices.length > PRICES_SHOWN) prices.shift()
          this.#print(tradeText(trade))
          this.logJsonLine(trade)
        }
        this.#draw(prices)
        if (flags.count !== undefined && trades >= flags.count) break
      }
    } finally {
      if (this.#isDrawn) process.stdout.write('\n')
    }
    return {incentive: args.incentive, trades}
  }

  #tell(phase: ShownPhase, otherwise: string): void {
    const text = auctionText(phase) ?? otherwise
    if (text !== '') this.#print(text)
  }

  #print(line: string): void {
    this.log(this.#isDrawn ? `${CLEAR_LINE}${line}` : line)
  }

  /** Below the last trade; the next one is written over it. */
  #draw(prices: readonly number[]): void {
    if (!process.stdout.isTTY || this.jsonEnabled() || (this.#best === '' && prices.length === 0)) return
    const last = prices.length === 0 ? '' : `${sparkline(prices)}  ${prices.at(-1)} Gutta  `
    const line = `${last}${this.#best}`.slice(0, process.stdout.columns - 1)
    process.stdout.write(this.#isDrawn ? `${CLEAR_LINE}${line}` : line)
    this.#isDrawn = true
  }
}
