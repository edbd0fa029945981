import type {DataPlan} from './data-plan.ts'
import type {DiskRoom} from './disk-room.ts'
import type {GatewayLinks} from './gateway-links.ts'
import type {Heartbeats} from './heartbeats.ts'
import type {HostRules} from './host-rules.ts'
import type {ImageCache} from './image-cache.ts'
import type {Instances} from './instances.ts'
import type {LeaseBook} from './lease-book.ts'
import type {LogRing} from './log-ring.ts'
import type {MinerStore} from './miner-store.ts'
import type {HeldRestTier, Resting} from './resting.ts'
import type {MinerStatus} from './status-file.ts'

const REJECTED_SHOWN_MAX = 10

export interface StatusParts {
  readonly node: string
  readonly nowMs: number
  readonly startedAtMs: number
  readonly isDraining: boolean
  readonly heartbeats: Heartbeats
  readonly book: LeaseBook
  readonly links: GatewayLinks
  readonly images: ImageCache
  readonly instances: Instances
  readonly resting: Resting
  readonly store: MinerStore
  readonly logs: LogRing
  readonly rules: HostRules
  readonly data: DataPlan
  readonly disk: DiskRoom
}

/** What a node knows of itself, in one object. */
export function describeStatus(parts: StatusParts): MinerStatus {
  return {...describeNode(parts), leases: describeLeases(parts)}
}

export function describeLeases({nowMs, book, images, store}: StatusParts): MinerStatus['leases'] {
  return book.current(nowMs).map(({lease, revision}) => ({
    id: lease.id,
    function: `${revision.org}/${revision.app}/${revision.function}`,
    endsAtMs: lease.endsAtMs,
    budgetEmpty: store.emptyLeases.has(lease.id),
    imageReady: images.isReady(revision),
    imageProgress: images.progressOf(revision) ?? null
  }))
}

/** All of it but the leases. */
export function describeNode(parts: StatusParts): Omit<MinerStatus, 'leases'> {
  const {node, nowMs, startedAtMs, isDraining, heartbeats, book, links, images, instances, resting, store, logs, rules, data, disk} = parts
  return {
    node,
    pid: process.pid,
    startedAtMs,
    atMs: nowMs,
    draining: isDraining,
    restReason: rules.restReason,
    lastHeartbeatMs: heartbeats.lastAcceptedMs,
    heartbeatEveryMs: heartbeats.everyMs,
    heartbeatRefused: heartbeats.refusedCode,
    noWorkReason: heartbeats.noWorkReason,
    tableVersion: book.version,
    gateways: [...links.all],
    instances: instances.all.map(({instance, revision, gateway}) => ({instance, revision, gateway})),
    resting: {...countTiers(resting.all), memoryBytes: resting.heldBytes},
    earnings: [...store.earnings()],
    pendingReceipts: store.pendingCount(),
    rejectedReceipts: [...store.rejected(REJECTED_SHOWN_MAX)],
    bytesMoved: instances.connections.bytesMoved,
    imageBytes: images.bytesFetched,
    logLinesDropped: logs.droppedLines,
    dataUsedBytes: data.usedBytes,
    diskUsedBytes: disk.usedBytes
  }
}

function countTiers(waiting: Resting['all']): Record<HeldRestTier, number> {
  const counts = {frozen: 0, initialised: 0, created: 0}
  for (const {tier} of waiting) counts[tier] += 1
  return counts
}
