import {formatDurationMs} from './format.ts'
import {type Column, renderTable} from './table.ts'

interface FunctionRow {
  readonly name: string
  readonly requests: number
  readonly instances: number
}
interface AccountRow {
  readonly name: string
  readonly has: readonly string[]
}

/** What the live view of a development network shows; amounts as they are read. */
export interface LiveNetwork {
  readonly minersConnected: number
  readonly functions: readonly FunctionRow[]
  readonly accounts: readonly AccountRow[]
  readonly lastTrade: {readonly lots: number; readonly incentive: string; readonly priceGuttaPerLot: string} | undefined
  readonly addresses: readonly string[]
}

const FUNCTION_COLUMNS: readonly Column<FunctionRow>[] = [
  {header: 'Function', value: (row) => row.name},
  {header: 'Requests', value: (row) => String(row.requests), align: 'right'},
  {header: 'Instances', value: (row) => String(row.instances), align: 'right'}
]
const ACCOUNT_COLUMNS: readonly Column<AccountRow>[] = [
  {header: 'Account', value: (row) => row.name},
  {header: 'Has', value: (row) => row.has.join('  ')}
]

/** A terminal, where the view is drawn over itself, or any other stream, which gets it once. */
export interface LiveScreen {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}

/** Gives the function that draws the next state of the network, or why there is none. */
export function createLiveView(screen: LiveScreen): (network: LiveNetwork | Error, upMs: number) => void {
  let drawnLines = 0
  return (network, upMs) => {
    if (screen.isTTY !== true && drawnLines > 0) return
    const text =
      network instanceof Error
        ? `Up for ${formatDurationMs(upMs)}. No answer just now: ${network.message}\n`
        : render(network, upMs, screen.columns)
    screen.write(`${drawnLines > 0 ? `\x1b[${drawnLines}A\x1b[J` : ''}${text}`)
    drawnLines = text.split('\n').length - 1
  }
}

function render(network: LiveNetwork, upMs: number, columns: number | undefined): string {
  const width = columns ?? Number.POSITIVE_INFINITY
  const trade = network.lastTrade
  const lines = [
    '',
    `Up for ${formatDurationMs(upMs)}, ${network.minersConnected} miners connected.`,
    '',
    renderTable(network.functions, FUNCTION_COLUMNS, width),
    '',
    renderTable(network.accounts, ACCOUNT_COLUMNS, width),
    '',
    `Last trade: ${trade === undefined ? 'none yet' : `${trade.lots} lots of ${trade.incentive} at ${trade.priceGuttaPerLot} Gutta a lot`}`,
    '',
    ...network.addresses.map((address) => `Open ${address}`)
  ]
  return `${lines.join('\n')}\n`
}
