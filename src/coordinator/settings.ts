import {LEASES_PER_NODE_DEFAULT} from '../core/lease-count.ts'
import type {Genesis} from '../core/protocol/genesis.ts'
import type {SchedulingSettings} from '../core/scheduling.ts'

const SECOND_MS = 1000
const HOUR_MS = 3600 * SECOND_MS

/** How a coordinator of this kind of network works. None of it is part of the ledger's rules. */
export interface CoordinatorSettings {
  readonly scheduling: SchedulingSettings
  /** How often leases are planned even when nothing happened: ends and renewals come due by time alone. */
  readonly planEveryMs: number
  /** How long events are gathered before leases are planned for all of them. */
  readonly planDelayMs: number
  /** How often epochs and expiries are looked at. */
  readonly tickMs: number
  /** How often the registry deletes what nothing refers to, and for how long after its last use it is left. */
  readonly collectEveryMs: number
  readonly collectGraceMs: number
  /** Requests per second that one client address may make for long, and at once. */
  readonly requestsPerSecondMax: number
  readonly requestsBurstMax: number
}

const COMMON = {planDelayMs: 50, tickMs: SECOND_MS, collectEveryMs: 600 * SECOND_MS} as const
const REQUESTS_PER_SECOND = 2000
const BURST_SECONDS = 5
const LEASE_TERM_MS = 7 * 24 * HOUR_MS

/** What the operator may set. */
export interface OperatorSettings {
  readonly leasesPerNodeMax?: number | undefined
  readonly requestsPerSecondMax?: number | undefined
}

export function coordinatorSettings(network: Genesis['network'], operator: OperatorSettings = {}): CoordinatorSettings {
  const {leasesPerNodeMax = LEASES_PER_NODE_DEFAULT, requestsPerSecondMax = REQUESTS_PER_SECOND} = operator
  const common = {...COMMON, requestsPerSecondMax, requestsBurstMax: BURST_SECONDS * requestsPerSecondMax}
  if (network === 'development') {
    return {
      ...common,
      planEveryMs: 2 * SECOND_MS,
      collectGraceMs: HOUR_MS,
      scheduling: {
        leaseTermMs: LEASE_TERM_MS,
        leaseRenewMs: 24 * HOUR_MS,
        renewEveryMs: 5 * SECOND_MS,
        drainMs: 15 * SECOND_MS,
        lostAfterMs: 30 * SECOND_MS,
        endLostAfterMs: 150 * SECOND_MS,
        leasesPerNodeMax
      }
    }
  }
  return {
    ...common,
    planEveryMs: 5 * SECOND_MS,
    collectGraceMs: 24 * HOUR_MS,
    scheduling: {
      leaseTermMs: LEASE_TERM_MS,
      leaseRenewMs: 24 * HOUR_MS,
      renewEveryMs: 60 * SECOND_MS,
      drainMs: 300 * SECOND_MS,
      // Gateways notice within seconds and turn to other nodes; sooner would cost every idle node more than its data plan allows (core/idle-traffic.ts).
      lostAfterMs: 1800 * SECOND_MS,
      endLostAfterMs: 24 * HOUR_MS,
      leasesPerNodeMax
    }
  }
}
