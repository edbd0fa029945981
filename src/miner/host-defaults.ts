import {cpus, hostname, totalmem} from 'node:os'
import type {OwnerTerms} from '../core/availability.ts'
import {DISK_BYTES_DEFAULT, type MinerSettings} from './settings.ts'

/** A volunteer keeps at least half of the machine's memory. */
const MEMORY_SHARE = 0.5
const MILLIS_PER_CPU = 1000

/** What a first start lends where its flags say nothing. */
export function hostDefaults(): Pick<MinerSettings, 'name' | 'memoryBytes' | 'cpuMillis' | 'runtime'> {
  const memoryBytes = Math.floor(totalmem() * MEMORY_SHARE)
  return {name: hostname().slice(0, 60) || 'node', memoryBytes, cpuMillis: cpus().length * MILLIS_PER_CPU, runtime: 'podman'}
}

/** The same as terms, for a machine that is no node yet. */
export function defaultTerms(): OwnerTerms {
  const {memoryBytes, cpuMillis} = hostDefaults()
  const unlimited = {dataBytesPerMonth: null, hours: null, onlyIdle: false, onBattery: false}
  return {earn: [], memoryBytes, cpuMillis, diskBytes: DISK_BYTES_DEFAULT, ...unlimited}
}
