import {formatBytes} from '../core/units.ts'
import type {ShownTerms} from '../miner/shown-terms.ts'

/** What a node lends, in two sentences. */
export function termsText(terms: ShownTerms): string {
  const {earn, cpu, memoryBytes, diskBytes, dataBytesPerMonth, functionsMax, hours, onlyIdle, onBattery} = terms
  const data = dataBytesPerMonth === null ? 'any amount of data' : `${formatBytes(dataBytesPerMonth)} of data a month`
  const when = [hours ?? 'at any hour', ...(onlyIdle ? ['only while idle'] : []), onBattery ? 'on battery too' : 'not on battery'].join(
    ', '
  )
  return [
    `Works for ${earn.join(', ')}, ${when}.`,
    `Lends ${cpu === '1' ? '1 CPU' : `${cpu} CPUs`}, ${formatBytes(memoryBytes)} of memory, ${formatBytes(diskBytes)} of disk, ${data}, to at most ${functionsMax} functions.`
  ].join('\n')
}
