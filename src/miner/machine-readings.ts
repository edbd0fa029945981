import {readdir, readFile} from 'node:fs/promises'
import {cpus} from 'node:os'
import {join} from 'node:path'

/** Others use the machine when they take more than this share of its CPUs, in two looks one after the other. */
const BUSY_SHARE = 0.2
const BUSY_LOOKS = 2
const MICROS_PER_MS = 1000
/** The kernel counts CPU time in hundredths of a second, whatever its own clock. */
const MICROS_PER_TICK = 10_000
/** Of the line `cpu` in /proc/stat: user, nice, system, (idle, iowait), irq, softirq, steal. */
const BUSY_FIELDS = [1, 2, 3, 6, 7, 8]

export interface MachineReadingsOptions {
  readonly monotonicMs: () => number
  /** CPU time that this node's own work has used, in microseconds. */
  readonly ownCpuMicros: () => Promise<number>
  /** Where the kernel tells; `/proc` and `/sys`. */
  readonly proc?: string
  readonly sys?: string
}

interface Look {
  readonly atMs: number
  readonly busyMicros: number
  readonly ownMicros: number
}

/** What a machine tells of its battery, and of what others do on it. */
export class MachineReadings {
  readonly #options: MachineReadingsOptions
  #last: Look | undefined
  #idleSinceMs: number | undefined
  #busyLooks = 0

  constructor(options: MachineReadingsOptions) {
    this.#options = options
  }

  /** Null where there is no battery; a mouse's does not count. */
  async isOnBattery(): Promise<boolean | null> {
    const folder = join(this.#options.sys ?? '/sys', 'class/power_supply')
    const names = await readdir(folder).catch(() => [])
    const read = async (name: string, fact: string): Promise<string> => await textOf(join(folder, name, fact))
    let isDischarging: boolean | null = null
    for (const name of names) {
      const type = await read(name, 'type')
      if (type !== 'Battery' && (await read(name, 'online')) === '1') return false
      if (type === 'Battery' && (await read(name, 'scope')) !== 'Device') {
        isDischarging = isDischarging === true || (await read(name, 'status')) === 'Discharging'
      }
    }
    return isDischarging
  }

  /** How long others have left the CPUs alone, by what was used since the last call; null where /proc does not tell. */
  async idleForMs(): Promise<number | null> {
    const {monotonicMs, ownCpuMicros, proc} = this.#options
    const [cpu = ''] = (await textOf(join(proc ?? '/proc', 'stat'))).split('\n')
    if (!cpu.startsWith('cpu ')) return null
    const fields = cpu.split(/\s+/)
    const busyMicros = BUSY_FIELDS.reduce((sum, field) => sum + Number(fields[field] ?? 0), 0) * MICROS_PER_TICK
    const now = {atMs: monotonicMs(), busyMicros, ownMicros: await ownCpuMicros()}
    const last = this.#last
    this.#last = now
    if (last !== undefined && now.atMs > last.atMs) this.#judge(last, now)
    this.#idleSinceMs ??= this.#busyLooks === 0 ? now.atMs : undefined
    return this.#idleSinceMs === undefined ? 0 : now.atMs - this.#idleSinceMs + 1
  }

  #judge(last: Look, now: Look): void {
    const ownMicros = Math.max(0, now.ownMicros - last.ownMicros)
    const othersMicros = Math.max(0, now.busyMicros - last.busyMicros - ownMicros)
    const isBusy = othersMicros > BUSY_SHARE * cpus().length * (now.atMs - last.atMs) * MICROS_PER_MS
    this.#busyLooks = isBusy ? this.#busyLooks + 1 : 0
    if (this.#busyLooks >= BUSY_LOOKS) this.#idleSinceMs = undefined
  }
}

async function textOf(path: string): Promise<string> {
  return (await readFile(path, 'utf8').catch(() => '')).trim()
}
