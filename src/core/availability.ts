import {CreoError} from './errors.ts'
import {LEASES_PER_NODE_DEFAULT} from './lease-count.ts'
import {formatBytes, parseBytes} from './units.ts'

/** What the owner of a machine lends of it, and when. */
export interface OwnerTerms {
  /** What to work for, best first: `gutta`, `org/CODE` or `org:NAME`. */
  readonly earn: readonly string[]
  /** All instances together. */
  readonly memoryBytes: number
  /** All instances together, thousandths of a CPU. */
  readonly cpuMillis: number
  /** Functions that it may be leased, whether they run or not. */
  readonly functionsMax: number
  /** Images, fetched and unpacked. */
  readonly diskBytes: number
  /** Images, requests, answers and functions' way out in one calendar month; null for no limit. */
  readonly dataBytesPerMonth: number | null
  /** When to work, by the clock of the machine; null for always. */
  readonly hours: Hours | null
  /** Work only while nobody else needs the machine. */
  readonly onlyIdle: boolean
  /** Work on battery too. */
  readonly onBattery: boolean
}

/** What a heartbeat says of it: to how many functions only where it is not as many as usual. */
export function lent({earn, memoryBytes, cpuMillis, functionsMax}: OwnerTerms): {
  readonly earn: string[]
  readonly memoryBytes: number
  readonly cpuMillis: number
  readonly leasesMax?: number
} {
  const isUsual = functionsMax === LEASES_PER_NODE_DEFAULT
  return {earn: [...earn], memoryBytes, cpuMillis, ...(!isUsual && {leasesMax: functionsMax})}
}

/** Minutes of the day, the end excluded; an end before the start is on the next day. */
export interface Hours {
  readonly fromMinute: number
  readonly toMinute: number
}

/** What the machine tells at one moment. */
export interface Readings {
  readonly nowMs: number
  readonly timeZone: string
  readonly dataUsedBytes: number
  /** Null where there is no battery. */
  readonly isOnBattery: boolean | null
  /** How long others have left the CPUs alone; null where the machine does not tell. */
  readonly idleForMs: number | null
  /** Why what must be on disk can't be written, in a sentence; null when it can. */
  readonly diskFault: string | null
}

/** Whether a node may work; if not, by which of its owner's rules, and whether requests under way may still finish. */
export type Availability =
  | {readonly mayWork: true}
  | {
      readonly mayWork: false
      readonly rule: 'data' | 'disk' | 'battery' | 'hours' | 'idle'
      readonly reason: string
      readonly ends: 'finish' | 'at-once'
    }

/** Others must have left the machine alone for so long before work begins. */
export const IDLE_BEFORE_WORK_MS = 60_000
/** New work ends a little before the month's data do, so that what is under way can finish: this share of it, and at most so much. */
const DATA_RESERVE_SHARE = 0.01
const DATA_RESERVE_BYTES_MAX = 50_000_000
const MINUTES_PER_HOUR = 60
const HOURS_TEXT = /^([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/

const MONTHLY = /^(.{1,20})\/month$/

/** "20GB/month" → bytes; "none" → null. @throws {CreoError} `invalid_input`. */
export function parseMonthlyData(text: string): number | null {
  if (text === 'none') return null
  const size = MONTHLY.exec(text)?.[1]
  if (size !== undefined) return parseBytes(size)
  throw new CreoError('invalid_input', `"${text}" is not an amount of data a month.`, {hint: 'Write for example 20GB/month, or none.'})
}

/**
 * Whether another instance fits what the owner lends. Every running instance counts with its whole limits, idle or not: each may use them at any
 * moment, and a promise to the owner is kept by what could happen. Answers what is short, or undefined.
 */
export function capExceeded(
  caps: Pick<OwnerTerms, 'memoryBytes' | 'cpuMillis'>,
  running: readonly Pick<OwnerTerms, 'memoryBytes' | 'cpuMillis'>[]
): 'memory' | 'cpu' | undefined {
  if (running.reduce((sum, {memoryBytes}) => sum + memoryBytes, 0) > caps.memoryBytes) return 'memory'
  return running.reduce((sum, {cpuMillis}) => sum + cpuMillis, 0) > caps.cpuMillis ? 'cpu' : undefined
}

/** The calendar month in which data are counted: "2026-11", where the machine is. */
export function monthOf(nowMs: number, timeZone: string): string {
  const parts = new Intl.DateTimeFormat('en-CA', {timeZone, year: 'numeric', month: '2-digit'}).formatToParts(nowMs)
  const part = (type: 'year' | 'month'): string => parts.find((one) => one.type === type)?.value ?? ''
  return `${part('year').padStart(4, '0')}-${part('month')}`
}

/**
 * What counts against a month: its own bytes and those of later months, which were counted while the clock was wrong. So a clock that is
 * set back never makes room.
 */
export function dataUsed(months: Readonly<Record<string, number>>, month: string): number {
  return Object.entries(months).reduce((sum, [name, bytes]) => (name >= month ? sum + bytes : sum), 0)
}

/**
 * What the owner's rules say now. Every rule is judged by the readings alone, so a clock that steps, or a machine that slept, is right again at
 * the next look.
 */
export function decideAvailability(terms: OwnerTerms, readings: Readings, isWorking: boolean): Availability {
  const rest = (rule: 'disk' | 'battery' | 'hours' | 'idle', reason: string): Availability => ({
    mayWork: false,
    rule,
    reason,
    ends: 'finish'
  })
  const {dataUsedBytes, isOnBattery, idleForMs, diskFault, nowMs, timeZone} = readings
  const cap = terms.dataBytesPerMonth
  if (cap !== null && dataUsedBytes + Math.min(cap * DATA_RESERVE_SHARE, DATA_RESERVE_BYTES_MAX) >= cap) {
    const reason = `${formatBytes(dataUsedBytes)} of this month's ${formatBytes(cap)} of data are used (--data).`
    return {mayWork: false, rule: 'data', reason, ends: dataUsedBytes >= cap ? 'at-once' : 'finish'}
  }
  if (diskFault !== null) return rest('disk', diskFault)
  if (!terms.onBattery && isOnBattery === true) return rest('battery', 'The machine runs on battery (--on-battery=no).')
  if (terms.hours !== null && !isWithin(terms.hours, minuteOfDay(nowMs, timeZone))) {
    return rest('hours', `It is outside the hours ${formatHours(terms.hours)} (--hours).`)
  }
  if (!terms.onlyIdle) return {mayWork: true}
  if (idleForMs === null) return rest('idle', 'This system does not tell how busy it is, so --only-idle lets nothing run.')
  if (isWorking ? idleForMs > 0 : idleForMs >= IDLE_BEFORE_WORK_MS) return {mayWork: true}
  return rest('idle', 'Somebody else uses the machine (--only-idle).')
}

/** "22:00-06:00" → minutes of the day; "always" → null. @throws {CreoError} `invalid_input`. */
export function parseHours(text: string): Hours | null {
  if (text === 'always') return null
  const match = HOURS_TEXT.exec(text)
  const [fromMinute, toMinute] = [minutes(match?.[1], match?.[2]), minutes(match?.[3] ?? '24', match?.[4])]
  const hint = 'Write for example 22:00-06:00, or always.'
  if (match === null) throw new CreoError('invalid_input', `"${text}" is not a span of hours.`, {hint})
  if (fromMinute === toMinute) throw new CreoError('invalid_input', `Beginning and end of "${text}" are the same.`, {hint})
  return {fromMinute, toMinute}
}

export function formatHours({fromMinute, toMinute}: Hours): string {
  const time = (minute: number): string =>
    [Math.floor(minute / MINUTES_PER_HOUR), minute % MINUTES_PER_HOUR].map((part) => String(part).padStart(2, '0')).join(':')
  return `${time(fromMinute)}-${time(toMinute)}`
}

function minutes(hour = '0', minute = '0'): number {
  return Number(hour) * MINUTES_PER_HOUR + Number(minute)
}

function isWithin({fromMinute, toMinute}: Hours, minute: number): boolean {
  return fromMinute < toMinute ? minute >= fromMinute && minute < toMinute : minute >= fromMinute || minute < toMinute
}

function minuteOfDay(nowMs: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en-GB', {timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23'}).formatToParts(nowMs)
  const part = (type: 'hour' | 'minute'): string | undefined => parts.find((one) => one.type === type)?.value
  return minutes(part('hour'), part('minute'))
}

/** Whether `bytes` more may pass this month. */
export function hasDataRoom(terms: Pick<OwnerTerms, 'dataBytesPerMonth'>, usedBytes: number, bytes: number): boolean {
  return terms.dataBytesPerMonth === null || usedBytes + bytes <= terms.dataBytesPerMonth
}
