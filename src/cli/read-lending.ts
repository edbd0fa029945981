import {join, resolve} from 'node:path'
import {dataDirectory} from '../config/paths.ts'
import {type OwnerTerms, parseHours, parseMonthlyData} from '../core/availability.ts'
import {CreoError} from '../core/errors.ts'
import {parseBytes} from '../core/units.ts'
import {assertLendable} from '../miner/host-defaults.ts'
import {parseCpuMillis} from '../miner/settings.ts'

const MONTHLY = /^(none|[\d.]+ ?\w+\/month)$/
/** What somebody meant as an amount and wrote differently; a folder is never taken for it, nor it for a folder. */
const SIZE_LIKE = /^\d[\d.]*\s?([KMGT]i?B?|B)($|[/\s])/i

interface LendingFlags {
  readonly data: readonly string[] | undefined
  readonly earn: readonly string[] | undefined
  readonly cpu: string | undefined
  readonly memory: string | undefined
  readonly disk: string | undefined
  readonly functions: number | undefined
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
  refuseSize(folder ?? '')
  const given = {
    earn: flags.earn,
    cpuMillis: said(flags.cpu, parseCpuMillis),
    memoryBytes: said(flags.memory, parseBytes),
    diskBytes: said(flags.disk, parseBytes),
    dataBytesPerMonth: said(plan, parseMonthlyData),
    functionsMax: flags.functions,
    hours: said(flags.hours, parseHours),
    onlyIdle: flags['only-idle'],
    onBattery: said(flags['on-battery'], (text) => text === 'yes')
  }
  assertLendable(given)
  return {directory: nodeFolder(folder), given}
}

/** Where a node keeps its things. */
export function nodeFolder(folder: string | undefined): string {
  return folder === undefined ? join(dataDirectory(process.env), 'miner') : resolve(folder)
}

function refuseSize(folder: string): void {
  if (!SIZE_LIKE.test(folder)) return
  throw new CreoError('usage', `--data ${folder} is neither a folder nor an amount of data a month.`, {
    hint: `Write an amount as 20GB/month; a folder of that name is ./${folder}`
  })
}

function said<T>(text: string | undefined, read: (text: string) => T): T | undefined {
  return text === undefined ? undefined : read(text)
}
