import {formatHours, type OwnerTerms} from '../core/availability.ts'
import {formatDecimal} from '../core/units.ts'

const CPU_DECIMALS = 3

/** What a node lends, as `--json` shows it. */
export interface ShownTerms {
  readonly earn: readonly string[]
  readonly cpu: string
  readonly memoryBytes: number
  readonly functionsMax: number
  readonly diskBytes: number
  readonly dataBytesPerMonth: number | null
  readonly hours: string | null
  readonly onlyIdle: boolean
  readonly onBattery: boolean
}

export function shownTerms({cpuMillis, hours, earn, ...same}: OwnerTerms): ShownTerms {
  return {...same, earn: [...earn], cpu: formatDecimal(cpuMillis, CPU_DECIMALS), hours: hours === null ? null : formatHours(hours)}
}
