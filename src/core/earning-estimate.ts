import type {OwnerTerms} from './availability.ts'
import {instanceMibMs, rewardFor} from './metering.ts'
import type {RevisionSpec, RewardLine} from './protocol/revisions.ts'
import {mulDivFloor} from './units.ts'

export const DAY_MS = 86_400_000
const MINUTES_PER_DAY = 1440

/** What one function has paid of one incentive to all its nodes, and over how long. */
interface PaidSoFar {
  readonly paidMinor: number
  readonly overMs: number
  /** Nodes that would share the work from now on, this one included. */
  readonly nodes: number
}

export interface EarningEstimate {
  /** By what was paid so far, shared with the other nodes, which demand decides; at least what standing by pays. */
  readonly expectedMinor: number
  /** By running time alone, with every instance that fits this machine running whenever it may, or by standing by: what nobody can promise. */
  readonly mostMinor: number
}

/** What one reward line of a function would pay one machine in a day, in minor units. */
export function estimatePerDay(
  line: RewardLine,
  spec: Pick<RevisionSpec, 'memoryBytes' | 'cpuMillis' | 'scaleMax'>,
  terms: Pick<OwnerTerms, 'memoryBytes' | 'cpuMillis' | 'hours'>,
  sofar: PaidSoFar
): EarningEstimate {
  const instances = Math.min(spec.scaleMax, Math.floor(terms.memoryBytes / spec.memoryBytes), Math.floor(terms.cpuMillis / spec.cpuMillis))
  const mibMs = instances * instanceMibMs(spec.memoryBytes, workingMsPerDay(terms))
  const byTime = rewardFor(line, {requests: 0, mibMs}, 0).amountMinor
  const standbyMs = instances === 0 ? 0 : workingMsPerDay(terms)
  const byStandby = rewardFor(line, {requests: 0, mibMs: 0, standbyMs}, 0).amountMinor
  const paidPerDay = mulDivFloor(sofar.paidMinor, DAY_MS, Math.max(DAY_MS, sofar.overMs)).quotient
  const share = Math.floor(paidPerDay / Math.max(1, sofar.nodes))
  // Standing by is paid whatever demand is, as far as the daily budget goes round.
  const sureMinor = Math.min(byStandby, Math.floor(line.dailyBudgetMinor / Math.max(1, sofar.nodes)))
  return {
    expectedMinor: instances === 0 ? 0 : Math.min(Math.max(share, sureMinor), line.dailyBudgetMinor),
    mostMinor: Math.min(Math.max(byTime, byStandby), line.dailyBudgetMinor)
  }
}

function workingMsPerDay({hours}: Pick<OwnerTerms, 'hours'>): number {
  if (hours === null) return DAY_MS
  const minutes = (hours.toMinute - hours.fromMinute + MINUTES_PER_DAY) % MINUTES_PER_DAY
  return (minutes * DAY_MS) / MINUTES_PER_DAY
}

/** How an issuer has treated those who gave value back. */
export interface RedemptionRecord {
  readonly captured: number
  readonly released: number
  readonly held: number
  /** Of those that ended; null when none has. */
  readonly capturedShare: number | null
  /** Median of what was captured. */
  readonly medianMs: number | null
}

export function redemptionRecord(
  redemptions: readonly {
    readonly status: 'held' | 'captured' | 'released'
    readonly requestedAtMs: number
    readonly endedAtMs: number | null
  }[]
): RedemptionRecord {
  const of = (status: string): number => redemptions.filter((one) => one.status === status).length
  const [captured, released] = [of('captured'), of('released')]
  const times = redemptions
    .flatMap(({status, requestedAtMs, endedAtMs}) => (status === 'captured' && endedAtMs !== null ? [endedAtMs - requestedAtMs] : []))
    .sort((a, b) => a - b)
  return {
    captured,
    released,
    held: of('held'),
    capturedShare: captured + released === 0 ? null : captured / (captured + released),
    medianMs: times[Math.floor((times.length - 1) / 2)] ?? null
  }
}
