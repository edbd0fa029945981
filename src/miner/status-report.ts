import type {ReputationView} from '../core/protocol/conduct.ts'
import {formatDecimal} from '../core/units.ts'
import type {ShownTerms} from './shown-terms.ts'
import type {MinerStatus} from './status-file.ts'

/** A miner that has written nothing for this long does not run: it writes every few seconds (`HEARTBEAT_MS`), unless its disk is slow. */
const STALE_AFTER_MS = 60_000

/** What the coordinator adds; left out when it can't be asked. */
export interface NetworkFacts {
  /** What gateways think of this node; null where the coordinator does not say. */
  readonly reputation: ReputationView | null
  readonly owner: string
  readonly decimals: ReadonlyMap<string, number>
  /** What the owner has available, by asset. */
  readonly available: readonly {readonly asset: string; readonly amountMinor: number; readonly decimals: number}[]
}

/** `creo mine status --json`: fields are only added. */
export interface StatusReport {
  readonly node: string
  readonly running: boolean
  readonly draining: boolean
  readonly lastHeartbeat: string | null
  /** How often the coordinator hears of this node when nothing is new. */
  readonly heartbeatEveryMs: number
  /** One sentence; null when there is work, or nothing stands in its way. */
  readonly noWork: string | null
  /** What the owner lends. */
  readonly lends: ShownTerms
  readonly gateways: readonly (Omit<MinerStatus['gateways'][number], 'leftUntilMs' | 'reachedAtMs' | 'unreachedSinceMs'> & {
    /** When it is tried again, for one that was left since it had nothing signed. */
    readonly leftUntil: string | null
    /** When a request from its public address last came to this machine, and its answer back. */
    readonly reachedAt: string | null
    /** Since when none does; null while it does, and before the first test. */
    readonly unreachedSince: string | null
  })[]
  readonly leases: readonly {
    readonly id: string
    readonly function: string
    readonly ends: string
    readonly budgetEmpty: boolean
    readonly imageReady: boolean
    readonly imageProgress: {readonly doneBytes: number; readonly totalBytes: number} | null
  }[]
  readonly instances: MinerStatus['instances']
  /** Containers that wait for the next request, by tier. */
  readonly resting: MinerStatus['resting']
  /** By incentive; without the coordinator the decimals are not known and amounts are null. */
  readonly earnings: readonly {
    readonly incentive: string
    readonly paid: string | null
    readonly pending: string | null
    readonly paidMinor: string
    readonly pendingMinor: string
  }[]
  readonly owner: {readonly account: string; readonly available: readonly {readonly asset: string; readonly amount: string}[]} | null
  /** Null while the coordinator does not answer. */
  readonly reputation: ReputationView | null
  readonly receiptsWaiting: number
  readonly receiptsRejected: MinerStatus['rejectedReceipts']
  readonly dataMovedBytes: number
  readonly imageBytes: number
  /** In this calendar month, images included. */
  readonly dataUsedBytes: number
  readonly diskUsedBytes: number
}

/** Puts what the node knows of itself and what the network says of it into one answer. */
export function reportStatus(status: MinerStatus, facts: NetworkFacts | undefined, lends: ShownTerms, nowMs: number): StatusReport {
  const running = nowMs - status.atMs < STALE_AFTER_MS && !(status.draining && status.instances.length === 0)
  const amount = (incentive: string, minor: number): string | null => {
    const decimals = facts?.decimals.get(incentive)
    return decimals === undefined ? null : formatDecimal(minor, decimals)
  }
  return {
    node: status.node,
    running,
    draining: status.draining,
    lastHeartbeat: timeOrNull(status.lastHeartbeatMs),
    heartbeatEveryMs: status.heartbeatEveryMs,
    noWork: whyNoWork(status, running),
    lends,
    gateways: status.gateways.map(({leftUntilMs, reachedAtMs, unreachedSinceMs, ...reach}) => ({
      ...reach,
      leftUntil: timeOrNull(leftUntilMs),
      reachedAt: timeOrNull(reachedAtMs),
      unreachedSince: timeOrNull(unreachedSinceMs)
    })),
    leases: status.leases.map(({endsAtMs, ...lease}) => ({...lease, ends: rfc3339(endsAtMs)})),
    instances: status.instances,
    resting: status.resting,
    earnings: status.earnings.map(({incentive, paidMinor, pendingMinor}) => ({
      incentive,
      paid: amount(incentive, paidMinor),
      pending: amount(incentive, pendingMinor),
      paidMinor: String(paidMinor),
      pendingMinor: String(pendingMinor)
    })),
    owner:
      facts === undefined
        ? null
        : {
            account: facts.owner,
            available: facts.available.map(({asset, amountMinor, decimals}) => ({asset, amount: formatDecimal(amountMinor, decimals)}))
          },
    reputation: facts?.reputation ?? null,
    receiptsWaiting: status.pendingReceipts,
    receiptsRejected: status.rejectedReceipts,
    dataMovedBytes: status.bytesMoved,
    imageBytes: status.imageBytes,
    dataUsedBytes: status.dataUsedBytes,
    diskUsedBytes: status.diskUsedBytes
  }
}

function whyNoWork(status: MinerStatus, running: boolean): string | null {
  if (!running) return 'The miner does not run.'
  if (status.restReason !== null) return status.restReason
  if (status.draining) return 'The miner is stopping and takes no new work.'
  if (status.leases.length > 0 && status.leases.every((lease) => lease.budgetEmpty)) return 'The budgets of all leases are used up.'
  if (status.noWorkReason !== null) return status.noWorkReason
  if (status.leases.length > 0 && !status.gateways.some((gateway) => gateway.connected)) {
    const left = status.gateways.find(({leftUntilMs}) => leftUntilMs !== null)
    return left === undefined ? 'No gateway can be reached.' : `${leftText(left.name)}.`
  }
  if (status.leases.length > 0 && status.instances.length === 0 && !status.gateways.some(({roundTripMs}) => roundTripMs !== null))
    return 'No gateway has answered through its tunnel yet.'
  if (status.leases.length === 0 && status.heartbeatRefused !== null) return `The coordinator does not answer (${status.heartbeatRefused}).`
  if (status.leases.length === 0) return 'The coordinator has not leased anything to this node yet.'
  return status.instances.length > 0 || status.leases.some((lease) => lease.imageReady)
    ? null
    : 'The images of the leased functions are still being fetched.'
}

/** Why a gateway was left, up to the full stop. */
export function leftText(name: string): string {
  return `Gateway ${name} was left: functions here worked for it, and it had no receipt of that signed in three windows`
}

function timeOrNull(ms: number | null): string | null {
  return ms === null ? null : rfc3339(ms)
}

function rfc3339(ms: number): string {
  return new Date(ms).toISOString()
}
