import {randomBytes} from 'node:crypto'
import {CreoError} from '../core/errors.ts'
import type {LeaseEntry} from '../core/protocol/tables.ts'
import type {MinerLink} from '../tunnel/miner-link.ts'
import type {RevisionPool} from './revision-pool.ts'

/** An image may have to be fetched first, over a slow line. */
const START_TIMEOUT_MS = 180_000
/** A node that failed to start a revision is left out for so long, doubled with each failure in a row. */
const COOLING_FIRST_MS = 1000
/** The same where only the table with its lease is late: gateway and node learn of a deploy at about the same moment. */
const COOLING_EARLY_MS = 100
const COOLING_MAX_MS = 60_000
const COOLING_DOUBLINGS_MAX = 6
/** A node that sent other bytes than a revision is made of runs it no further for so long. */
const DISTRUSTED_MS = 300_000
const INSTANCE_ID_BYTES = 9

/** What a miner says when a start failed by the function itself. */
const FAILED_BY_FUNCTION: ReadonlySet<string> = new Set(['crash', 'oom', 'timeout', 'unhealthy'])
/** What a miner says when a start failed by nobody's doing. */
const NOBODYS_FAULT: ReadonlySet<string> = new Set([
  'draining',
  'expired',
  'reward_pool_empty',
  'overloaded',
  'conflict',
  'interrupted',
  'stopped',
  'invalid_input'
])

/** Whose doing it is that a start failed: the function's own when it crashes, needs too much memory, never listens or never answers its health path. */
export type FailedBy = 'node' | 'function' | 'nobody'

/** One instance that a miner was asked to start. */
export interface Start {
  readonly instance: string
  readonly pool: RevisionPool
  readonly lease: LeaseEntry
  readonly link: MinerLink
  readonly askedAtMs: number
}

interface Pending extends Start {
  readonly timer: NodeJS.Timeout
}

/** Instances that were asked for and are not there yet, and which nodes failed lately. */
export class Starts {
  readonly #pending = new Map<string, Pending>()
  readonly #cooling = new Map<string, {failures: number; untilMs: number}>()
  readonly #distrusted = new Map<string, number>()
  readonly #monotonicMs: () => number
  readonly #onFailed: (start: Start, reason: CreoError, by: FailedBy) => void

  constructor(options: {readonly monotonicMs: () => number; onFailed(start: Start, reason: CreoError, by: FailedBy): void}) {
    this.#monotonicMs = options.monotonicMs
    this.#onFailed = options.onFailed
  }

  /** @returns the id of the instance that was asked for. */
  ask({pool, lease, link}: Pick<Start, 'pool' | 'lease' | 'link'>): string {
    const instance = `${pool.entry.id.replace('_', '-')}-${randomBytes(INSTANCE_ID_BYTES).toString('hex')}`
    const timer = setTimeout(() => {
      link.send({type: 'stop', instance, graceMs: 0})
      this.fail(link, instance, new CreoError('timeout', 'The miner did not start the instance in time.'))
    }, START_TIMEOUT_MS)
    this.#pending.set(instance, {instance, pool, lease, link, timer, askedAtMs: this.#monotonicMs()})
    pool.starting += 1
    pool.stuckSinceMs = undefined
    link.send({type: 'start', instance, revision: pool.entry.id, lease: lease.id})
    return instance
  }

  /** The start that this answer of a miner ends; undefined when nothing of the kind was asked of it. */
  done(link: MinerLink, instance: string): Start | undefined {
    const start = this.#take(link, instance)
    if (start !== undefined) this.#cooling.delete(coolingKey(start.pool.entry.id, link.node))
    return start
  }

  /** `by` says whose doing it is; of one whose lease has not reached its node yet (`isEarly`) the node is asked again soon. */
  fail(
    link: MinerLink,
    instance: string,
    reason: CreoError,
    {by = 'node', isEarly = false}: {readonly by?: FailedBy; readonly isEarly?: boolean} = {}
  ): void {
    const start = this.#take(link, instance)
    if (start === undefined) return
    const key = coolingKey(start.pool.entry.id, link.node)
    const failures = Math.min(COOLING_DOUBLINGS_MAX, (this.#cooling.get(key)?.failures ?? 0) + 1)
    const coolingMs = Math.min(COOLING_MAX_MS, (isEarly ? COOLING_EARLY_MS : COOLING_FIRST_MS) * 2 ** (failures - 1))
    this.#cooling.set(key, {failures, untilMs: this.#monotonicMs() + coolingMs})
    this.#onFailed(start, reason, by)
  }

  /** The session ended: whatever was asked in it will not be answered. */
  failAll(link: MinerLink): void {
    for (const {instance} of [...this.#pending.values()].filter((start) => start.link === link)) {
      this.fail(link, instance, new CreoError('unavailable', 'The miner has gone.'), {by: 'nobody'})
    }
  }

  isCooling(revision: string, node: string): boolean {
    return (this.#cooling.get(coolingKey(revision, node))?.untilMs ?? 0) > this.#monotonicMs() || this.isDistrusted(revision, node)
  }

  distrust(revision: string, node: string): void {
    this.#distrusted.set(coolingKey(revision, node), this.#monotonicMs() + DISTRUSTED_MS)
  }

  isDistrusted(revision: string, node: string): boolean {
    return (this.#distrusted.get(coolingKey(revision, node)) ?? 0) > this.#monotonicMs()
  }

  /** Of all nodes that may run a revision: waiting brings no other one. */
  distrustsAll(leases: readonly LeaseEntry[]): boolean {
    return leases.length > 0 && leases.every(({revision, node}) => this.isDistrusted(revision, node))
  }

  /** An instance leaves this node: what had no room there beside it is tried again at once. */
  roomOn(node: string): void {
    for (const key of this.#cooling.keys()) if (key.endsWith(` ${node}`)) this.#cooling.delete(key)
  }

  /** Forgets failures of revisions that are gone. */
  keepOnly(isThere: (revision: string) => boolean): void {
    for (const known of [this.#cooling, this.#distrusted])
      for (const key of known.keys()) if (!isThere(key.slice(0, key.indexOf(' ')))) known.delete(key)
  }

  countOn(node: string): number {
    let count = 0
    for (const start of this.#pending.values()) if (start.link.node === node) count += 1
    return count
  }

  close(): void {
    for (const {timer} of this.#pending.values()) clearTimeout(timer)
    this.#pending.clear()
  }

  #take(link: MinerLink, instance: string): Start | undefined {
    const start = this.#pending.get(instance)
    if (start === undefined || start.link !== link) return undefined
    clearTimeout(start.timer)
    this.#pending.delete(instance)
    start.pool.starting -= 1
    return start
  }
}

function coolingKey(revision: string, node: string): string {
  return `${revision} ${node}`
}

/** By what a miner says of a start that failed. */
export function failedBy(code: string): FailedBy {
  if (FAILED_BY_FUNCTION.has(code)) return 'function'
  return NOBODYS_FAULT.has(code) ? 'nobody' : 'node'
}
