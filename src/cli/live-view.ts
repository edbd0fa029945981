import {stripVTControlCharacters} from 'node:util'
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

/** What is seen from outside: how long the network is up, and roles that ended without having been asked. */
export interface SeenOutside {
  readonly upMs: number
  readonly gone: readonly string[]
}

/** A terminal, where the view is drawn over itself, or any other stream, which gets it once. */
export interface LiveScreen {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly rows?: number | undefined
  write(text: string): unknown
}

/** Gives the function that draws the next state of the network, or why there is none. */
export function createLiveView(screen: LiveScreen): (network: LiveNetwork | Error, seen: SeenOutside) => void {
  let drawnRows = 0
  return (network, seen) => {
    if (screen.isTTY !== true && drawnRows > 0) return
    const {columns = Number.POSITIVE_INFINITY, rows = Number.POSITIVE_INFINITY} = screen
    const lines = fitting([...head(network, seen), ...(network instanceof Error ? [] : body(network, columns))], columns, rows)
    screen.write(`${drawnRows > 0 ? `\x1b[${drawnRows}A\x1b[J` : ''}${lines.join('\n')}\n`)
    drawnRows = lines.reduce((sum, line) => sum + rowsOf(line, columns), 0)
  }
}

/** As many lines as the window shows above the cursor's: what has scrolled out of it can't be drawn over. */
function fitting(lines: readonly string[], columns: number, rows: number): readonly string[] {
  const rowsMax = Math.max(1, rows - 1)
  const total = lines.reduce((sum, line) => sum + rowsOf(line, columns), 0)
  if (total <= rowsMax) return lines
  const kept: string[] = []
  let used = 1
  for (const line of lines) {
    used += rowsOf(line, columns)
    if (used > rowsMax) break
    kept.push(line)
  }
  return [...kept, '… more in a higher window'.slice(0, columns)]
}

function rowsOf(line: string, columns: number): number {
  return Math.max(1, Math.ceil(stripVTControlCharacters(line).length / columns))
}

function head(network: LiveNetwork | Error, {upMs, gone}: SeenOutside): readonly string[] {
  const up = `Up for ${formatDurationMs(upMs)}`
  const ended = gone.length === 0 ? [] : [`Ended without being asked: ${gone.join(', ')}.`]
  if (network instanceof Error) return [`${up}. No answer just now: ${network.message.replaceAll(/\s+/g, ' ')}`, ...ended]
  const {minersConnected: miners} = network
  return ['', `${up}, ${miners} ${miners === 1 ? 'miner' : 'miners'} connected.`, ...ended, '']
}

function body(network: LiveNetwork, columns: number): readonly string[] {
  const trade = network.lastTrade
  return [
    ...functionLines(network.functions, columns),
    '',
    ...renderTable(network.accounts, ACCOUNT_COLUMNS, columns).split('\n'),
    '',
    `Last trade: ${trade === undefined ? 'none yet' : `${trade.lots} lots of ${trade.incentive} at ${trade.priceGuttaPerLot} Gutta a lot`}`,
    '',
    ...network.addresses.map((address) => `Open ${address}`)
  ]
}

function functionLines(functions: readonly FunctionRow[], columns: number): readonly string[] {
  if (functions.length > 0) return renderTable(functions, FUNCTION_COLUMNS, columns).split('\n')
  return ['Nothing is deployed yet. Make an app with "creo init DIRECTORY --org ORG", then "creo deploy DIRECTORY --as ORG".']
}
