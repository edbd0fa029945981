import type {RevisionSpec, RewardLine} from './protocol/revisions.ts'
import {AMOUNT_MAX, mulDivFloor} from './units.ts'

const PER_MILLION = 1_000_000
/** More requests than one node can answer in a millisecond, whatever it is. */
const REQUESTS_PER_MS_MAX = 20

/** A gateway ends its windows of work, and proposes them to the nodes that did it, at least this often. */
export const RECEIPT_WINDOW_MAX_MS = 60_000

/** Work that is paid: requests served, memory limit in MiB × running time in ms, and time in ms that was stood by for. */
export interface MeteredWork {
  readonly requests: number
  readonly mibMs: number
  readonly standbyMs?: number | undefined
}

/**
 * Pay of one reward line for one receipt, in the incentive's minor unit: floor((rate × units + carry) / 10^6), the rest carried.
 * `carry` (0 to 999,999 millionths of a minor unit) belongs to one (node, revision, line).
 */
export function rewardFor(line: RewardLine, work: MeteredWork, carry: number): {readonly amountMinor: number; readonly carry: number} {
  const forRequests = mulDivFloor(line.requestsPerMillionMinor, work.requests, PER_MILLION)
  const forTime = mulDivFloor(line.mibMsPerMillionMinor, work.mibMs, PER_MILLION)
  const forStandby = mulDivFloor(line.standbyMsPerMillionMinor ?? 0, work.standbyMs ?? 0, PER_MILLION)
  const rest = forRequests.remainder + forTime.remainder + forStandby.remainder + carry
  const whole = forRequests.quotient + forTime.quotient + forStandby.quotient
  const amountMinor = Math.min(AMOUNT_MAX, whole + Math.floor(rest / PER_MILLION))
  return {amountMinor, carry: rest % PER_MILLION}
}

/** What of the counted work one node can have done in a window: every instance that the revision allows running, or stood by for, all the time. */
export function plausibleWork(
  spec: Pick<RevisionSpec, 'memoryBytes' | 'scaleMax'>,
  windowMs: number,
  {requests, mibMs, standbyMs = 0}: MeteredWork
): Required<MeteredWork> {
  return {
    requests: Math.min(requests, REQUESTS_PER_MS_MAX * windowMs),
    mibMs: Math.min(mibMs, meteredMib(spec.memoryBytes) * windowMs * spec.scaleMax),
    standbyMs: Math.min(standbyMs, windowMs)
  }
}

/** Whole MiB of a memory limit, rounded up: what MiB·ms counts. */
export function meteredMib(memoryBytes: number): number {
  return Math.ceil(memoryBytes / 2 ** 20)
}

/** MiB·ms of an instance with this memory limit that ran for this long. */
export function instanceMibMs(memoryBytes: number, runningMs: number): number {
  return meteredMib(memoryBytes) * Math.max(0, Math.round(runningMs))
}
