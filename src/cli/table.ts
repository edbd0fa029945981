import {styleText} from 'node:util'
import {plainLine} from './plain-line.ts'

export interface Column<Row> {
  readonly header: string
  readonly value: (row: Row) => string
  /** Numbers stand right. */
  readonly align?: 'left' | 'right'
}

const GAP = '  '
/** No column is cut below this many characters. */
const COLUMN_WIDTH_MIN = 6

/**
 * Rows as lines of text under bold headers. On a terminal the widest columns are cut to its width; elsewhere nothing is cut and
 * nothing is coloured.
 */
export function renderTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[], width: number = terminalWidth()): string {
  const cells = rows.map((row) => columns.map((column) => plainLine(column.value(row))))
  const natural = columns.map((column, index) => Math.max(...[column.header, ...cells.map((line) => line[index] ?? '')].map(lengthOf)))
  const widths = fitWidths(natural, width)
  const layOut = (line: readonly string[]): string =>
    line
      .map((cell, index) => pad(cut(cell, widths[index] ?? 0), widths[index] ?? 0, columns[index]?.align ?? 'left'))
      .join(GAP)
      .trimEnd()
  const header = styleText('bold', layOut(columns.map((column) => column.header)), {stream: process.stdout})
  return [header, ...cells.map(layOut)].join('\n')
}

function terminalWidth(): number {
  return process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY
}

/** Takes characters from the widest column until all fit or none can give more. */
function fitWidths(natural: readonly number[], width: number): number[] {
  const widths = [...natural]
  let excess = widths.reduce((sum, one) => sum + one, GAP.length * (widths.length - 1)) - width
  while (excess > 0) {
    const widest = Math.max(...widths)
    if (widest <= COLUMN_WIDTH_MIN) break
    widths[widths.indexOf(widest)] = widest - 1
    excess -= 1
  }
  return widths
}

function lengthOf(text: string): number {
  return [...text].length
}

function cut(text: string, width: number): string {
  return lengthOf(text) <= width ? text : `${[...text].slice(0, width - 1).join('')}…`
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - lengthOf(text)))
  return align === 'right' ? space + text : text + space
}
