import {SCALE_SETTINGS, SCALE_TICK_MS, type ScaleSettings} from '../core/autoscaling.ts'
import {CreoError} from '../core/errors.ts'
import type {LeaseEntry, RevisionEntry} from '../core/protocol/tables.ts'
import type {Caller, InstanceTier, MinerMessage} from '../core/protocol/tunnel.ts'
import type {Destination} from '../core/routing.ts'
import type {Log} from '../telemetry/log.ts'
import type {MinerLink} from '../tunnel/miner-link.ts'
import {candidatesAmong, chooseLease, type LeaseCandidate} from './choose-lease.ts'
import type {NodeConduct} from './conduct.ts'
import type {Verdict} from './ejections.ts'
import {Instance} from './instance.ts'
import {type KnownCaller, knownCaller} from './known-caller.ts'
import type {LeaseBudgets} from './lease-budgets.ts'
import type {Work, WorkOf} from './meter.ts'
import {RestingSeen} from './resting-seen.ts'
import {noInstance, RevisionPool} from './revision-pool.ts'
import {RevisionPools} from './revision-pools.ts'
import {ServedRevisions} from './served-revisions.ts'
import type {StandbyWatch} from './standby-watch.ts'
import {type FailedBy, failedBy, type Start, Starts} from './starts.ts'
import {TableIndex} from './table-index.ts'

/** A function gets this long to end after its last request. */
const STOP_GRACE_MS = 10_000
/** How long requests wait when no miner can be asked: one may be dialling in again, or a lease be on its way. */
const STUCK_MAX_MS = 5000
const STUCK_RETRY_MS = 200

export interface FleetOptions {
  readonly budgets: LeaseBudgets
  readonly links: ReadonlyMap<string, MinerLink>
  readonly now: () => number
  readonly monotonicMs: () => number
  readonly random: () => number
  readonly log: Log
  readonly scale?: ScaleSettings
  readonly tickMs?: number
  readonly standby: StandbyWatch
  readonly conduct: NodeConduct
  onWork(of: WorkOf, work: Work): void
  /** An instance was asked for and is there, from the tier that it waited at. */
  onColdStart(revision: RevisionEntry, start: {readonly ms: number; readonly tier: InstanceTier}): void
  /** The last instance of a miner that is leaving has ended: its work should be signed for while it is still there. */
  onDrained(): void
}

/** All instances of this gateway: starts them when requests wait, scales them by load, and ends them. */
export class Fleet {
  readonly #options: FleetOptions
  readonly #scale: ScaleSettings
  readonly #pools: RevisionPools = new RevisionPools({current: (id) => this.#served.current(id), make: (entry) => this.#newPool(entry)})
  readonly #instances = new Map<string, Instance>()
  readonly #draining = new WeakSet<MinerLink>()
  readonly #greeted = new WeakSet<MinerLink>()
  readonly resting = new RestingSeen()
  readonly #starts: Starts
  readonly #served = new ServedRevisions(this.#pools, (missed) => this.#startOne(missed))
  #table = new TableIndex({leases: [], revisions: [], apps: []})
  readonly #ticker: NodeJS.Timeout
  #retry: NodeJS.Timeout | undefined

  constructor(options: FleetOptions) {
    this.#options = options
    this.#scale = options.scale ?? SCALE_SETTINGS
    this.#starts = new Starts({monotonicMs: options.monotonicMs, onFailed: (start, reason, by) => this.#startFailed(start, reason, by)})
    this.#ticker = setInterval(() => this.tick(), options.tickMs ?? SCALE_TICK_MS)
  }

  /** Of the revisions that are used. */
  get pools(): Iterable<RevisionPool> {
    return this.#pools
  }

  get served(): ServedRevisions['all'] {
    return this.#served.all
  }

  update(table: TableIndex): void {
    this.#table = table
    this.#served.update(table)
    this.#pools.update(table.revisions)
    this.#starts.keepOnly((revision) => table.revision(revision) !== undefined)
    this.#settle()
  }

  /** Where a request goes, see `ServedRevisions`. */
  poolFor(destination: Destination, refused?: ReadonlySet<RevisionPool>): RevisionPool | undefined {
    return this.#served.choose(destination, refused)
  }

  /** Who calls, if this gateway may believe it; see `knownCaller`. */
  callerOf(caller: Caller): KnownCaller | undefined {
    return knownCaller(caller, {instance: this.#instances.get(caller.instance), table: this.#table, nowMs: this.#options.now()})
  }

  handleMessage(link: MinerLink, message: MinerMessage): void {
    if (message.type === 'ready') {
      this.#greeted.add(link)
      for (const found of message.instances) this.#adopt(link, found)
    } else if (message.type === 'started') this.#started(link, message)
    else if (message.type === 'resting') this.resting.told(link, message.waiting)
    else if (message.type === 'start_failed') {
      const code = message.code === 'reward_pool_empty' ? 'reward_pool_empty' : 'failed'
      this.#starts.fail(link, message.instance, new CreoError(code, message.message), {
        by: failedBy(message.code),
        isEarly: message.code === 'expired'
      })
    } else if (message.type === 'ended') this.#ended(link, message.instance)
    else if (message.type === 'draining') {
      this.#draining.add(link)
      for (const instance of this.#of(link)) this.#drain(instance)
      if (this.#of(link).length === 0) this.#options.onDrained()
    } else if (message.type === 'budget_empty') {
      this.#options.budgets.refuse(message.lease)
      for (const instance of this.#instances.values()) if (instance.lease.id === message.lease) this.#drain(instance)
    }
  }

  /** The session ended. Requests under way go on over their own connections. */
  lose(link: MinerLink): void {
    const held = this.#of(link)
    if (!this.#draining.has(link) && (held.some(({inFlight}) => inFlight > 0) || this.#starts.countOn(link.node) > 0))
      this.#options.conduct.cut(link.node)
    for (const instance of held) {
      this.#forget(instance)
      instance.leave()
    }
    this.#starts.failAll(link)
  }

  release(pool: RevisionPool, instance: Instance, verdict: Verdict): void {
    pool.release(instance, verdict)
    if (instance.draining && instance.inFlight === 0 && this.#instances.has(instance.id)) this.#stop(instance)
  }

  /** What it sent is not what its revision is made of: its node gets no more requests for that, and runs it no further for a while. */
  distrust({revision, node}: Instance): void {
    this.#starts.distrust(revision.id, node)
    for (const instance of this.#instances.values())
      if (instance.revision.id === revision.id && instance.node === node) this.#drain(instance)
  }

  /** Starts an instance as if a client had asked. @returns its id; undefined when none can be started now, or one is there already. */
  activate({id, node, revision}: LeaseEntry): string | undefined {
    const [pool, link] = [this.#pools.wake(revision), this.#options.links.get(node)]
    if (pool === undefined || pool.starting > 0 || link === undefined) return undefined
    const candidates = this.#candidates(pool).filter(({lease, instancesHere}) => lease.id === id && instancesHere === 0)
    const choice = chooseLease(candidates, this.#options.now())
    return 'refused' in choice ? undefined : this.#starts.ask({pool, lease: choice.lease, link})
  }

  /** Counts running time into the meter. Called before each save and window. */
  accrue(): void {
    const monotonicMs = this.#options.monotonicMs()
    for (const instance of this.#instances.values()) this.#count(instance, monotonicMs)
  }

  /** Samples the load and decides by it. */
  tick(): void {
    for (const pool of this.#pools) {
      pool.sample(this.#scale.stableWindowMs)
      pool.missed = false
    }
    this.#settle()
    for (const pool of this.#pools) this.#pools.rest(pool)
  }

  /** Ends what no lease covers any more, or what has earned its lease's budget. */
  endUnleased(): void {
    const nowMs = this.#options.now()
    const standing = (lease: LeaseEntry): boolean => lease.endsAtMs > nowMs && !this.#options.budgets.isEmpty(lease.id)
    for (const instance of this.#instances.values()) {
      const listed = this.#table.lease(instance.lease.id)
      const pool = this.#pools.get(instance.revision.id)
      const goesOn = listed === undefined ? standing(instance.lease) && this.#awaitsSuccessor(instance, pool, standing) : standing(listed)
      if (!goesOn) this.#drain(instance)
    }
  }

  /** A lease that a newer one of its revision has followed is served by until an instance under the newer one is warm. */
  #awaitsSuccessor(instance: Instance, pool: RevisionPool | undefined, standing: (lease: LeaseEntry) => boolean): boolean {
    const successors = this.#table.leasesOf(instance.revision.id).filter(standing)
    if (pool === undefined || successors.length === 0) return false
    if ([...pool.instances].some((other) => !other.draining && successors.some(({id}) => id === other.lease.id))) return false
    if (pool.starting === 0) this.#startOne(pool)
    return true
  }

  /** Starts and stops what load and table ask for. */
  #settle(): void {
    this.endUnleased()
    for (const pool of this.#pools) {
      const standsIn = this.#served.stillStandsIn(pool)
      const successor = standsIn ? this.#served.successorOf(pool) : undefined
      if (successor !== undefined) this.#startOne(successor)
      if (this.#served.isCurrent(pool.entry)) this.#scalePool(pool)
      else if (!standsIn) this.#retire(pool)
    }
  }

  close(): void {
    clearInterval(this.#ticker)
    clearTimeout(this.#retry)
    this.#starts.close()
    for (const pool of this.#pools)
      pool.refuseWaiting(new CreoError('unavailable', 'The gateway is stopping.', {hint: 'Try again in a moment.'}))
    for (const instance of [...this.#instances.values()]) {
      instance.link.send({type: 'stop', instance: instance.id, graceMs: STOP_GRACE_MS})
      this.#forget(instance)
      instance.cut()
    }
  }

  #newPool(entry: RevisionEntry): RevisionPool {
    const {random, monotonicMs} = this.#options
    return new RevisionPool({entry, random, monotonicMs, onWaiting: (pool) => this.#help(pool)})
  }

  /** A request waits: the first instance is started at once, further ones are the autoscaler's decision. */
  #help(pool: RevisionPool): void {
    if (pool.warmCount + pool.starting > 0 || pool.waiting === 0) return
    const refused = this.#startOne(pool)
    if (refused === undefined) return
    const nowMs = this.#options.monotonicMs()
    pool.stuckSinceMs ??= nowMs
    if (refused === 'reward_pool_empty') {
      pool.refuseWaiting(
        new CreoError(refused, 'The reward pool of this function is used up.', {hint: 'Its owner can fund it: creo incentive fund'})
      )
    } else if (nowMs - pool.stuckSinceMs >= STUCK_MAX_MS || this.#starts.distrustsAll(this.#table.leasesOf(pool.entry.id))) {
      pool.refuseWaiting(noInstance('No miner can run this function now.'))
    } else {
      this.#retry ??= setTimeout(() => {
        this.#retry = undefined
        for (const stuck of this.#pools) this.#help(stuck)
      }, STUCK_RETRY_MS)
    }
  }

  #startOne(pool: RevisionPool): 'no_instance' | 'reward_pool_empty' | undefined {
    const choice = chooseLease(this.#candidates(pool), this.#options.now())
    if ('refused' in choice) return choice.refused
    const link = this.#options.links.get(choice.lease.node)
    if (link === undefined) return 'no_instance'
    this.#starts.ask({pool, lease: choice.lease, link})
    return undefined
  }

  #candidates(pool: RevisionPool): LeaseCandidate[] {
    const {links, budgets} = this.#options
    const [greeted, draining, starts, resting] = [this.#greeted, this.#draining, this.#starts, this.resting]
    const seen = {links, greeted, budgets, draining, starts, resting, here: pool.instances, all: this.#instances.values()}
    return candidatesAmong(this.#table.leasesOf(pool.entry.id), seen)
  }

  #started(link: MinerLink, {instance: id, tier}: {readonly instance: string; readonly tier: InstanceTier}): void {
    const start = this.#starts.done(link, id)
    if (start === undefined) {
      if (!this.#instances.has(id)) link.send({type: 'stop', instance: id, graceMs: 0})
      return
    }
    this.resting.taken(link, start.pool.entry.id)
    this.#options.conduct.placeOf(link.node, start.pool.entry).started += 1
    this.#options.onColdStart(start.pool.entry, {ms: this.#options.monotonicMs() - start.askedAtMs, tier})
    this.#options.standby.started(this.#add(start.pool, link, id, start.lease))
    this.#settle()
  }

  #startFailed({pool, lease, instance}: Start, reason: CreoError, by: FailedBy): void {
    if (by === 'node') this.#options.conduct.placeOf(lease.node, pool.entry).startsFailed += 1
    this.#options.log.warn({instance, revision: pool.entry.id, node: lease.node, code: reason.code, reason: reason.message}, 'start failed')
    if (reason.code === 'reward_pool_empty') this.#options.budgets.refuse(lease.id)
    this.#options.standby.failed(lease, instance, by)
    this.#help(pool)
  }

  /** An instance that ran before this session: used when its lease still stands, else stopped. */
  #adopt(link: MinerLink, found: {readonly instance: string; readonly revision: string; readonly lease: string}): void {
    const [lease, pool] = [this.#table.lease(found.lease), this.#pools.wake(found.revision)]
    const known = this.#instances.get(found.instance)
    if (known?.link === link) return
    if (known !== undefined) {
      this.#forget(known)
      known.leave()
    }
    const isListed = lease?.node === link.node && lease.revision === found.revision
    if (!isListed || pool === undefined || this.#starts.isDistrusted(found.revision, link.node)) {
      link.send({type: 'stop', instance: found.instance, graceMs: STOP_GRACE_MS})
      return
    }
    this.#add(pool, link, found.instance, lease)
  }

  #add(pool: RevisionPool, link: MinerLink, id: string, lease: LeaseEntry): Instance {
    const instance = new Instance({id, revision: pool.entry, lease, link, monotonicMs: this.#options.monotonicMs()})
    this.#instances.set(id, instance)
    this.#options.standby.runs(instance.work, 1)
    pool.add(instance)
    return instance
  }

  #ended(link: MinerLink, id: string): void {
    this.#starts.fail(link, id, new CreoError('failed', 'The instance ended before it was ready.'), {by: 'function'})
    const instance = this.#instances.get(id)
    if (instance === undefined || instance.link !== link) return
    this.#forget(instance)
    instance.cut()
    const pool = this.#pools.get(instance.revision.id)
    if (pool !== undefined) this.#help(pool)
  }

  #scalePool(pool: RevisionPool): void {
    const desired = pool.decideScale(this.#options.monotonicMs(), this.#scale)
    for (let missing = desired - pool.warmCount - pool.starting; missing > 0; missing -= 1) if (this.#startOne(pool) !== undefined) break
    const surplus = [...pool.instances].filter((instance) => !instance.draining).sort((a, b) => a.inFlight - b.inFlight)
    for (const instance of surplus.slice(0, Math.max(0, pool.warmCount - desired))) this.#drain(instance, true)
    this.#help(pool)
  }

  #retire(pool: RevisionPool): void {
    for (const instance of pool.instances) this.#drain(instance)
    pool.refuseWaiting(noInstance('A newer revision has taken over.'))
    if (pool.instances.size === 0 && pool.starting === 0 && pool.waiting === 0) this.#pools.drop(pool)
  }

  #drain(instance: Instance, mayRest = false): void {
    instance.mayRest = mayRest
    this.#pools.get(instance.revision.id)?.drain(instance)
    if (instance.inFlight === 0) this.#stop(instance)
  }

  #stop(instance: Instance): void {
    this.#forget(instance)
    instance.leave()
    instance.link.send({type: 'stop', instance: instance.id, graceMs: STOP_GRACE_MS, ...(instance.mayRest && {rest: true})})
    this.#starts.roomOn(instance.node)
  }

  /** From here on it is not metered and gets no request. */
  #forget(instance: Instance): void {
    this.#count(instance, this.#options.monotonicMs())
    if (this.#instances.delete(instance.id)) this.#options.standby.runs(instance.work, -1)
    this.#pools.get(instance.revision.id)?.remove(instance)
    if (this.#draining.has(instance.link) && this.#of(instance.link).length === 0) this.#options.onDrained()
  }

  #of(link: MinerLink): Instance[] {
    return [...this.#instances.values()].filter((instance) => instance.link === link)
  }

  #count(instance: Instance, monotonicMs: number): void {
    const mibMs = instance.takeMibMs(monotonicMs)
    if (mibMs > 0) this.#options.onWork(instance.work, {mibMs})
  }
}
