import type {LeaseView, RevisionView} from '../../src/core/protocol/api.ts'
import {planLeases, type SchedulingNode, type SchedulingWorld} from '../../src/core/scheduling.ts'

export const NOW_MS = 1_790_000_000_000
export const MINUTE_MS = 60_000
export const DAY_MS = 24 * 60 * MINUTE_MS
export const SETTINGS = {
  leaseTermMs: 7 * DAY_MS,
  leaseRenewMs: DAY_MS,
  renewEveryMs: MINUTE_MS,
  drainMs: 2 * MINUTE_MS,
  lostAfterMs: 10 * MINUTE_MS,
  endLostAfterMs: 70 * MINUTE_MS,
  leasesPerNodeMax: 256
}

export function node(id: string, changes: Partial<SchedulingNode> = {}): SchedulingNode {
  return {
    id: `node_${id}`,
    owner: `owner of ${id}`,
    architecture: 'amd64',
    earn: ['colibris/LEAF'],
    memoryBytes: 2 ** 30,
    cpuMillis: 2000,
    enforcesLimits: true,
    draining: false,
    leasesMax: 256,
    seenAtMs: NOW_MS,
    earnSinceMs: NOW_MS - DAY_MS,
    ...changes
  }
}

export function revision(id: number, changes: Partial<RevisionView> = {}, pays: number | null = 1000): RevisionView {
  const line = {incentive: 'colibris/LEAF', requestsPerMillionMinor: 5, mibMsPerMillionMinor: 5, dailyBudgetMinor: pays ?? 1}
  return {
    id: `rev_${id}`,
    org: 'colibris',
    app: 'garden',
    function: 'api',
    imageDigest: `sha256:${'a'.repeat(64)}`,
    current: true,
    percent: changes.current === false ? 0 : 100,
    tags: [],
    served: true,
    trafficAtMs: NOW_MS - DAY_MS,
    deployedAtMs: NOW_MS - DAY_MS,
    spec: {
      command: [],
      port: 8080,
      memoryBytes: 64 * 2 ** 20,
      cpuMillis: 100,
      concurrency: 10,
      timeoutMs: 1000,
      scaleMin: 0,
      scaleMax: 2,
      env: {},
      egress: [],
      rewards: pays === null ? [] : [line]
    },
    ...changes
  }
}

/** When something must have happened for the drain time and a request's longest time to be over. */
export const DRAINED_MS = NOW_MS - SETTINGS.drainMs - 1000

export const EXCHANGE = revision(9, {org: 'creometry', app: 'exchange'}, null)

export function lease(id: number, of: string, by: string, changes: Partial<LeaseView> & {readonly paid?: number} = {}): LeaseView {
  const {paid = 0, ...rest} = changes
  return {
    id: `lea_${id}`,
    node: `node_${by}`,
    revision: of,
    startsAtMs: NOW_MS - 10 * MINUTE_MS,
    endsAtMs: NOW_MS + 6 * DAY_MS,
    status: 'active',
    budgets: [{incentive: 'colibris/LEAF', reservedMinor: 500, paidMinor: paid}],
    ...rest
  }
}

export function world(changes: Partial<SchedulingWorld>): SchedulingWorld {
  return {
    nowMs: NOW_MS,
    startedAtMs: NOW_MS - DAY_MS,
    exchangeOrg: 'creometry',
    receiptGraceMs: DAY_MS,
    settings: SETTINGS,
    nodes: [],
    revisions: [],
    leases: [],
    pools: new Map([['colibris/LEAF', 100_000]]),
    ownerOf: (id) => changes.nodes?.find((one) => one.id === id)?.owner,
    ...changes
  }
}

/** The plan as lines a person can read. */
export function planned(changes: Partial<SchedulingWorld>): string[] {
  const plan = planLeases(world(changes))
  return [
    ...plan.grants.map(
      ({node: id, revision: of, budgets}) => `${id} gets ${of}${budgets.map((line) => ` with ${line.amountMinor}`).join('')}`
    ),
    ...plan.endings.map((ending) => `${ending.lease} ends: ${ending.reason}`),
    ...[...plan.shortOfPay].map(([id, reason]) => `${id} short: ${reason}`)
  ]
}
