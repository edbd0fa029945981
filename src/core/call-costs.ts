import {meteredMib} from './metering.ts'
import type {RewardLine} from './protocol/revisions.ts'
import {AMOUNT_MAX, formatDecimal} from './units.ts'

const CALLS = 1000n
/** While nothing was measured, a call is taken to keep its instance busy for so long, alone. */
export const ASSUMED_CALL_MS = 100
/** Rates are per 10^6 units. */
const RATE_DECIMALS = 6

/** What a function did within a day. */
export interface MeasuredTraffic {
  readonly requests: number
  readonly mibMs: number
}

/** What a thousand calls cost in one incentive, as decimals of it. */
export interface CallCosts {
  readonly incentive: string
  readonly perThousandCalls: string
  /** The part that is paid for each request, and the part for running time. */
  readonly forRequests: string
  readonly forTime: string
  /** Running time of a call: its share of all time that instances ran within the last day, or what is assumed. */
  readonly msPerCall: number
  readonly isMeasured: boolean
}

/**
 * rate of requests × 1000 / 10^6 + rate of MiB·ms × MiB × ms a call × 1000 / 10^6. With traffic the running time is what instances ran, idle times
 * between calls included, since that is paid as well. Standing by is paid by the day and not in it.
 */
export function callCosts(
  line: RewardLine,
  {
    memoryBytes,
    decimals,
    traffic
  }: {readonly memoryBytes: number; readonly decimals: number; readonly traffic?: MeasuredTraffic | undefined}
): CallCosts {
  const mib = meteredMib(memoryBytes)
  const isMeasured = traffic !== undefined && traffic.requests > 0
  const mibMs = isMeasured ? (BigInt(traffic.mibMs) * CALLS) / BigInt(traffic.requests) : BigInt(mib * ASSUMED_CALL_MS) * CALLS
  const forRequests = BigInt(line.requestsPerMillionMinor) * CALLS
  const forTime = BigInt(line.mibMsPerMillionMinor) * mibMs
  const text = (millionths: bigint): string => formatDecimal(bounded(millionths), decimals + RATE_DECIMALS)
  return {
    incentive: line.incentive,
    perThousandCalls: text(forRequests + forTime),
    forRequests: text(forRequests),
    forTime: text(forTime),
    msPerCall: isMeasured ? Math.round(traffic.mibMs / traffic.requests / mib) : ASSUMED_CALL_MS,
    isMeasured
  }
}

/** No rate that means anything comes near the limit. */
function bounded(millionths: bigint): number {
  return Number(millionths > BigInt(AMOUNT_MAX) ? BigInt(AMOUNT_MAX) : millionths)
}
