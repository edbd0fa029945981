import {cpus, hostname, totalmem} from 'node:os'
import type {OwnerTerms} from '../core/availability.ts'
import {CreoError} from '../core/errors.ts'
import {LEASES_PER_NODE_DEFAULT} from '../core/lease-count.ts'
import {MEMORY_BYTES_MIN} from '../core/protocol/revisions.ts'
import {formatBytes} from '../core/units.ts'
import {DISK_BYTES_DEFAULT, type MinerSettings} from './settings.ts'

/** A volunteer keeps at least half of the machine's memory. */
const MEMORY_SHARE = 0.5
const MILLIS_PER_CPU = 1000
const MIB = 2 ** 20
const SIZES = [
  ['--memory', 'memoryBytes'],
  ['--disk', 'diskBytes'],
  ['--data', 'dataBytesPerMonth']
] as const

/** What a first start lends where its flags say nothing. */
export function hostDefaults(): Pick<MinerSettings, 'name' | 'memoryBytes' | 'cpuMillis' | 'runtime'> {
  const memoryBytes = Math.floor(totalmem() * MEMORY_SHARE)
  return {name: hostname().slice(0, 60) || 'node', memoryBytes, cpuMillis: cpus().length * MILLIS_PER_CPU, runtime: 'podman'}
}

/** The same as terms, for a machine that is no node yet. */
export function defaultTerms(): OwnerTerms {
  const {memoryBytes, cpuMillis} = hostDefaults()
  const unlimited = {dataBytesPerMonth: null, hours: null, onlyIdle: false, onBattery: false}
  return {earn: [], memoryBytes, cpuMillis, functionsMax: LEASES_PER_NODE_DEFAULT, diskBytes: DISK_BYTES_DEFAULT, ...unlimited}
}

/**
 * Refuses what could never hold or never let a function run.
 * @throws {CreoError} `runtime_missing` where there are no Linux containers; `invalid_input` for more than the machine has, or less than the smallest
 * function's memory.
 */
export function assertLendable(given: {readonly [Name in keyof OwnerTerms]?: OwnerTerms[Name] | undefined}): void {
  if (process.platform !== 'linux') {
    throw new CreoError('runtime_missing', `A miner needs Linux, whose containers it runs; this is ${process.platform}.`, {
      hint: 'Lend a Linux machine, or a virtual one on this. All else of creo works here.'
    })
  }
  const {cpuMillis = 0, memoryBytes = 0} = given
  const cpuCount = cpus().length
  if (cpuMillis > cpuCount * MILLIS_PER_CPU) {
    throw new CreoError('invalid_input', `This machine has ${cpuCount} CPUs.`, {hint: `Lend at most --cpu ${cpuCount}`})
  }
  if (memoryBytes > totalmem()) {
    throw new CreoError('invalid_input', `This machine has ${formatBytes(totalmem())} of memory.`, {
      hint: `Lend at most --memory ${Math.floor(totalmem() / MIB)}MiB`
    })
  }
  for (const [flag, name] of SIZES) {
    const bytes = given[name] ?? MEMORY_BYTES_MIN
    if (bytes >= MEMORY_BYTES_MIN) continue
    const least = `${MEMORY_BYTES_MIN / MIB}MiB${name === 'dataBytesPerMonth' ? '/month' : ''}`
    throw new CreoError('invalid_input', `With ${flag} ${formatBytes(bytes)} not even the smallest function could run.`, {
      hint: `Lend at least ${flag} ${least}`
    })
  }
}
