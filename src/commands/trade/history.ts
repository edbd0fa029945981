import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {networkFlags} from '../../cli/flags.ts'
import {renderTable} from '../../cli/table.ts'
import {candleSpans} from '../../core/candle-spans.ts'
import type {ShownCandle, ShownTrade} from '../../developer/markets.ts'

const ROWS_MAX = 1000
type Shown = {readonly incentive: string; readonly trades?: readonly ShownTrade[]; readonly candles?: readonly ShownCandle[]}

export default class TradeHistory extends CreoCommand {
  static override summary = 'Show what an incentive was traded for.'
  static override description =
    'Newest first, prices in Gutta per 1.00. With --span the trades of each minute, hour or day together, as far as they are kept.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> colibris/LEAF',
    '<%= config.bin %> <%= command.id %> colibris/LEAF --span 1d --limit 30'
  ]
  static override args = {incentive: Args.string({required: true, description: 'ORG/CODE.'})}
  static override flags = {
    ...networkFlags,
    span: Flags.option({options: candleSpans, description: 'By spans of time.'})(),
    limit: Flags.integer({default: 20, min: 1, max: ROWS_MAX, helpValue: 'COUNT', description: 'The newest ones.'})
  }

  async run(): Promise<Shown> {
    const {args, flags} = await this.parse(TradeHistory)
    const [{openContext}, {readCandles, readTrades}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/markets.ts')
    ])
    const context = await openContext(flags, this.abort)
    const {span, limit} = flags
    if (span === undefined) {
      const shown = await readTrades(context, {...args, limit}, this.abort)
      this.#table(shown.incentive, shown.trades, [
        {header: 'TIME', value: ({at}) => timeOf(at)},
        {header: 'SIDE', value: ({side}) => side},
        {header: 'AMOUNT', value: ({amount}) => amount, align: 'right'},
        {header: 'PRICE', value: ({price}) => price, align: 'right'}
      ])
      return shown
    }
    const shown = await readCandles(context, {...args, span, limit}, this.abort)
    this.#table(shown.incentive, shown.candles, [
      {header: 'FROM', value: ({at}) => timeOf(at)},
      {header: 'OPEN', value: ({open}) => open, align: 'right'},
      {header: 'HIGH', value: ({high}) => high, align: 'right'},
      {header: 'LOW', value: ({low}) => low, align: 'right'},
      {header: 'CLOSE', value: ({close}) => close, align: 'right'},
      {header: 'AMOUNT', value: ({amount}) => amount, align: 'right'},
      {header: 'GUTTA', value: ({gutta}) => gutta, align: 'right'},
      {header: 'TRADES', value: ({trades}) => String(trades), align: 'right'}
    ])
    return shown
  }

  #table<Row>(incentive: string, rows: readonly Row[], columns: Parameters<typeof renderTable<Row>>[1]): void {
    this.log(rows.length === 0 ? `${incentive} was not traded yet: creo trade book ${incentive}` : renderTable(rows, columns))
  }
}

function timeOf(at: string): string {
  return at.slice(0, 19).replace('T', ' ')
}
