import {LEASES_PER_NODE_DEFAULT} from '../core/lease-count.ts'
import type {Genesis} from '../core/protocol/genesis.ts'
import type {SchedulingSettings} from '../core/scheduling.ts'
import type {Rate} from './http/rate-limit.ts'

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
  /** Requests of one client address, signed or not. */
  readonly addressRequests: Rate
  /** Commands of one client address that bring their own key: new accounts, accepted invitations, nodes that enrol. */
  readonly addressNewcomers: Rate
  /** Signed requests of one account, or of one node. A node's own make one in fifteen seconds at most, but for what it says at once. */
  readonly accountRequests: Rate
  /** Commands of one account. */
  readonly accountCommands: Rate
  /** Proxies that are believed for whom they ask: addresses and networks. */
  readonly trustedProxies: readonly string[]
}

const COMMON = {planDelayMs: 50, tickMs: SECOND_MS, collectEveryMs: 600 * SECOND_MS} as const
/** Of each limit for long: what may come at once is that of so many seconds. */
const BURST_SECONDS = 5
export const REQUESTS_PER_SECOND_DEFAULT = 2000
export const ACCOUNT_REQUESTS_PER_SECOND_DEFAULT = 200
export const ACCOUNT_COMMANDS_PER_SECOND_DEFAULT = 1000
/** A new account is a line in the ledger for ever. */
const REQUESTS_PER_NEWCOMER = 40
const NEWCOMERS_BURST_SECONDS = 20
const LEASE_TERM_MS = 7 * 24 * HOUR_MS

/** What the operator may set. */
export interface OperatorSettings {
  readonly leasesPerNodeMax?: number | undefined
  /** Of one address, one account or node, and commands of one account. */
  readonly requestsPerSecondMax?: number | undefined
  readonly accountRequestsPerSecondMax?: number | undefined
  readonly accountCommandsPerSecondMax?: number | undefined
  readonly trustedProxies?: readonly string[] | undefined
}

export function coordinatorSettings(network: Genesis['network'], operator: OperatorSettings = {}): CoordinatorSettings {
  const {leasesPerNodeMax = LEASES_PER_NODE_DEFAULT, trustedProxies = []} = operator
  const common = {...COMMON, ...limitsOf(operator), trustedProxies}
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

function limitsOf(
  operator: OperatorSettings
): Pick<CoordinatorSettings, 'addressRequests' | 'addressNewcomers' | 'accountRequests' | 'accountCommands'> {
  const {
    requestsPerSecondMax = REQUESTS_PER_SECOND_DEFAULT,
    accountRequestsPerSecondMax = ACCOUNT_REQUESTS_PER_SECOND_DEFAULT,
    accountCommandsPerSecondMax = ACCOUNT_COMMANDS_PER_SECOND_DEFAULT
  } = operator
  return {
    addressRequests: rate(requestsPerSecondMax),
    addressNewcomers: rate(requestsPerSecondMax / REQUESTS_PER_NEWCOMER, NEWCOMERS_BURST_SECONDS),
    accountRequests: rate(accountRequestsPerSecondMax),
    accountCommands: rate(accountCommandsPerSecondMax)
  }
}

/** At least one at once. */
function rate(perSecond: number, burstSeconds = BURST_SECONDS): Rate {
  return {perSecond, burst: Math.max(1, Math.floor(perSecond * burstSeconds))}
}
