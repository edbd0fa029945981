import {LRUCache} from 'lru-cache'
import type {Heartbeat} from '../core/protocol/api.ts'

/** Nodes whose last heartbeat is kept; the longest silent one is forgotten first. */
const NODES_MAX = 100_000

export interface NodePresence {
  readonly heartbeat: Omit<Heartbeat, 'logs'>
  readonly seenAtMs: number
  /** When the owner's selection last changed. */
  readonly earnSinceMs: number
  /** The same, but for a node that was only ever heard with this selection: a restart is no change. */
  readonly reselectedAtMs?: number
}

/** Which nodes are there and what they offer: in memory alone, told anew every few seconds, never journaled. */
export class PresenceBoard {
  readonly #nodes: LRUCache<string, NodePresence>

  constructor(nodesMax: number = NODES_MAX) {
    this.#nodes = new LRUCache({max: nodesMax})
  }

  /** Says whether anything changed that decides about leases. */
  record(heartbeat: Heartbeat, nowMs: number): 'changed' | 'same' {
    const {logs: _, ...said} = heartbeat
    const before = this.#nodes.get(said.node)
    const sameEarn = before !== undefined && String(before.heartbeat.earn) === String(said.earn)
    const earnSinceMs = sameEarn ? before.earnSinceMs : nowMs
    const reselectedAtMs = before === undefined || sameEarn ? before?.reselectedAtMs : nowMs
    this.#nodes.set(said.node, {heartbeat: said, seenAtMs: nowMs, earnSinceMs, ...(reselectedAtMs !== undefined && {reselectedAtMs})})
    return sameEarn && offerOf(before.heartbeat) === offerOf(said) ? 'same' : 'changed'
  }

  of(node: string): NodePresence | undefined {
    return this.#nodes.get(node, {updateAgeOnGet: false})
  }

  all(): IterableIterator<NodePresence> {
    return this.#nodes.values()
  }

  get size(): number {
    return this.#nodes.size
  }
}

function offerOf({architecture, memoryBytes, cpuMillis, enforcesLimits, draining, leasesMax}: Omit<Heartbeat, 'logs'>): string {
  return [architecture, memoryBytes, cpuMillis, enforcesLimits, draining, leasesMax].join()
}
