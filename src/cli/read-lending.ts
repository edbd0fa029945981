import {join, resolve} from 'node:path'
import {dataDirectory} from '../config/paths.ts'
import {type OwnerTerms, parseHours, parseMonthlyData} from '../core/availability.ts'
import {CreoError} from '../core/errors.ts'
import {parseBytes} from '../core/units.ts'
import {parseCpuMillis} from '../miner/settings.ts'

const MONTHLY = /^(none|[\d.]+ ?\w+\/month)$/

interface LendingFlags {
  readonly data: readonly string[] | undefined
  readonly earn: readonly string[] | undefined
  readonly cpu: string | undefined
  readonly memory: string | undefined
  readonly disk: string | undefined
  readonly hours: string | undefined
  readonly 'only-idle': boolean | undefined
  readonly 'on-battery': string | undefined
}

/**
 * The folder of the node and what was said about lending, in the units of the settings.
 * @throws {CreoError} `invalid_input`; `usage` for two folders or two amounts.
 */
export function readLending(flags: LendingFlags): {
  readonly directory: string
  readonly given: {readonly [Name in keyof OwnerTerms]?: OwnerTerms[Name] | undefined}
} {
  const [plan, secondPlan] = (flags.data ?? []).filter((text) => MONTHLY.test(text))
  const [folder, secondFolder] = (flags.data ?? []).filter((text) => !MONTHLY.test(text))
  if (secondPlan !== undefined || secondFolder !== undefined) {
    throw new CreoError('usage', '--data was given twice for the same thing.', {hint: 'Give one folder and one amount such as 20GB/month.'})
  }
  return {
    directory: nodeFolder(folder),
    given: {
      earn: flags.earn,
      cpuMillis: said(flags.cpu, parseCpuMillis),
      memoryBytes: said(flags.memory, parseBytes),
      diskBytes: said(flags.disk, parseBytes),
      dataBytesPerMonth: said(plan, parseMonthlyData),
      hours: said(flags.hours, parseHours),
      onlyIdle: flags['only-idle'],
      onBattery: said(flags['on-battery'], (text) => text === 'yes')
    }
  }
}

/** Where a node keeps its things. */
export function nodeFolder(folder: string | undefined): string {
  return folder === undefined ? join(dataDirectory(process.env), 'miner') : resolve(folder)
}

function said<T>(text: string | undefined, read: (text: string) => T): T | undefined {
  return text === undefined ? undefined : read(text)
}
