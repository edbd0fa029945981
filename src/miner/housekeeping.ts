import type {ContainerRuntime, RuntimeInstance} from '../runtime/port.ts'
import type {Log} from '../telemetry/log.ts'
import {Backoff, pause} from './backoff.ts'
import type {ImageCache} from './image-cache.ts'
import type {InstanceNames} from './instance-names.ts'
import type {InstanceOrigin, Instances} from './instances.ts'
import type {Lease, LeaseBook, LeasedWork} from './lease-book.ts'
import type {LogPositions} from './log-positions.ts'
import type {MinerStore} from './miner-store.ts'
import type {Resting} from './resting.ts'
import type {SecretBook} from './secret-book.ts'
import type {WorkMeter} from './work-meter.ts'

const ROUND_MS = 1000
const STOP_GRACE_MS = 10_000
const RUNTIME_CALL_TIMEOUT_MS = 60_000
const PREFETCH_RETRY_FIRST_MS = 1000
const PREFETCH_RETRY_MOST_MS = 60_000
/** Instances of a gateway that is gone for so long are nobody's any more. */
const GATEWAY_LOST_MAX_MS = 600_000
/** Receipts and leases that are over are forgotten this often, and unused images are dropped. */
const PRUNE_EVERY_ROUNDS = 60

export interface HousekeepingOptions {
  readonly runtime: ContainerRuntime
  readonly book: LeaseBook
  readonly store: MinerStore
  readonly images: Pick<ImageCache, 'isReady' | 'ensure' | 'evict' | 'changes'>
  readonly secrets: Pick<SecretBook, 'sync'>
  readonly instances: Pick<Instances, 'live' | 'adopt' | 'discard' | 'end' | 'sweep'>
  readonly resting: Pick<Resting, 'adopt' | 'fit' | 'round' | 'takeChanged'>
  readonly names: Pick<InstanceNames, 'get' | 'keepOnly'>
  readonly positions: Pick<LogPositions, 'keepOnly'>
  readonly meter: WorkMeter
  /** Says to the gateways what waits here. */
  readonly tellResting: (waiting: Resting['all']) => void
  readonly isBudgetEmpty: (lease: string) => boolean
  /** Since when a gateway can't be reached, by the monotonic clock; undefined when it is connected. */
  readonly lostSinceMs: (gateway: string) => number | undefined
  readonly now: () => number
  readonly monotonicMs: () => number
  readonly random: () => number
  readonly log: Log
  readonly signal: AbortSignal
}

/** Keeps what runs, and what lies on disk, to what the leases say. */
export class Housekeeping {
  readonly #options: HousekeepingOptions
  /** Revisions whose image is being fetched ahead of need. */
  readonly #prefetching = new Set<string>()
  /** Entries of tables, as the store knows them. */
  readonly #remembered = new WeakSet<Lease>()
  #heldReady: {readonly current: readonly LeasedWork[]; readonly changes: number} | undefined

  constructor(options: HousekeepingOptions) {
    this.#options = options
  }

  /** Takes over instances whose lease still holds, running and waiting ones, and stops and removes the others. */
  async adopt(signal: AbortSignal): Promise<void> {
    const {runtime, names, positions, resting, log} = this.#options
    this.#rememberLeases()
    const timely = AbortSignal.any([signal, AbortSignal.timeout(RUNTIME_CALL_TIMEOUT_MS)])
    const found = await runtime.list(timely)
    for (const known of [names, positions]) known.keepOnly(new Set(found.map(({id}) => id)))
    const adopted = await Promise.all(found.map((instance) => this.#adoptOne(instance)))
    // One that runs may be found after one that waits in its place.
    await resting.fit()
    if (found.length > 0) log.info({found: found.length, adopted: adopted.filter(Boolean).length}, 'instances of an earlier process')
  }

  async #adoptOne(found: RuntimeInstance): Promise<boolean> {
    const {instances, resting} = this.#options
    const work = this.#workOfContainer(found)
    if (work !== undefined) {
      if (found.tier !== 'running' && (await resting.adopt(found, work.revision))) return true
      const origin = found.tier === 'running' ? this.#originOf(found, work) : undefined
      if (origin !== undefined) return (await instances.adopt(found, origin, work.revision)) === 'adopted'
    }
    await instances.discard(found)
    return false
  }

  /** The lease that it ran by; for one that waits, any of its revision that holds now and has budget left. */
  #workOfContainer({id, labels, tier}: RuntimeInstance): LeasedWork | undefined {
    const {book, names, isBudgetEmpty, now} = this.#options
    const asked = names.get(id)?.lease ?? labels.lease
    return book.current(now()).find(({lease, revision}) => {
      return revision.id === labels.revision && !isBudgetEmpty(lease.id) && (tier !== 'running' || lease.id === asked)
    })
  }

  /** Who asked for it last. */
  #originOf({id, labels}: RuntimeInstance, {lease, revision}: LeasedWork): InstanceOrigin | undefined {
    const {instance = id, gateway = labels.gateway} = this.#options.names.get(id) ?? {}
    if (gateway === undefined || !this.#options.book.gateways.some((known) => known.id === gateway)) return undefined
    return {instance, gateway, lease: lease.id, revision: revision.id}
  }

  /** A newer table: learn its leases and fetch their secrets and images ahead of need. */
  tableChanged(): void {
    this.#rememberLeases()
    const {book, now, images, secrets} = this.#options
    const current = book.current(now())
    secrets.sync(current.map(({revision}) => revision))
    for (const {revision} of current) {
      if (images.isReady(revision) || this.#prefetching.has(revision.id)) continue
      this.#prefetching.add(revision.id)
      void this.#prefetch(revision.id).finally(() => this.#prefetching.delete(revision.id))
    }
  }

  /** What gateways that left the table, or were left, had started or are starting is stopped. */
  gatewaysGone(gateways: readonly string[]): void {
    const {instances} = this.#options
    for (const held of instances.live) if (gateways.includes(held.gateway)) void instances.end(held.instance, STOP_GRACE_MS)
  }

  async run(signal: AbortSignal): Promise<void> {
    const {log} = this.#options
    for (let round = 1; !signal.aborted; round += 1) {
      await pause(ROUND_MS, signal)
      if (signal.aborted) return
      this.#stopUnleased()
      this.#holdReady()
      await this.#options.instances.sweep()
      this.#lookAfterResting()
      if (round % PRUNE_EVERY_ROUNDS !== 0) continue
      await this.prune(signal).catch((error: unknown) => log.warn({error: String(error)}, 'old images stay for now'))
    }
  }

  /** Leases whose image is there could be started at once: from then on this node stands by for them. */
  #holdReady(): void {
    const {book, images, meter, now} = this.#options
    const [current, {changes}] = [book.current(now()), images]
    if (this.#heldReady?.current === current && this.#heldReady.changes === changes) return
    this.#heldReady = {current, changes}
    const ready = current.filter(({revision}) => images.isReady(revision))
    meter.standby.hold(new Map(ready.map(({lease, revision}) => [lease.id, revision.id])))
  }

  #lookAfterResting(): void {
    const {resting, tellResting} = this.#options
    resting.round()
    const changed = resting.takeChanged()
    if (changed !== undefined) tellResting(changed)
  }

  #stopUnleased(): void {
    const {book, instances, isBudgetEmpty, lostSinceMs, now, monotonicMs} = this.#options
    const nowMs = monotonicMs()
    for (const held of instances.live) {
      const isLeft = (lostSinceMs(held.gateway) ?? nowMs) < nowMs - GATEWAY_LOST_MAX_MS
      if (isLeft || book.find(held.lease, now()) === undefined || isBudgetEmpty(held.lease))
        void instances.end(held.instance, STOP_GRACE_MS)
    }
  }

  async #prefetch(revision: string): Promise<void> {
    const {images, random, log, signal} = this.#options
    const backoff = new Backoff({firstMs: PREFETCH_RETRY_FIRST_MS, mostMs: PREFETCH_RETRY_MOST_MS, random})
    for (;;) {
      const work = this.#workOn(revision)
      if (work === undefined || signal.aborted) return
      try {
        await images.ensure(work.revision, signal, signal)
        log.info({revision}, 'image ready')
        return
      } catch (error) {
        if (!signal.aborted) log.warn({revision, error: String(error)}, 'the image is not there yet')
        await backoff.wait(signal)
      }
    }
  }

  #workOn(revision: string): LeasedWork | undefined {
    const {book, now} = this.#options
    return book.ofRevision(revision, now())
  }

  /** Forgets what is over: images and secrets that no lease needs, and receipts, leases and measured work that nobody asks about any more. */
  async prune(signal: AbortSignal): Promise<void> {
    const {book, images, secrets, store, meter, now} = this.#options
    const nowMs = now()
    const current = book.current(nowMs)
    secrets.sync(current.map(({revision}) => revision))
    await images.evict(new Set(current.map(({revision}) => revision.imageDigest)), signal)
    store.prune(nowMs)
    meter.keepOnly(store.leasedRevisions())
  }

  #rememberLeases(): void {
    const {book, store, now} = this.#options
    const works = book.current(now()).filter(({lease}) => !this.#remembered.has(lease))
    store.rememberLeases(
      works.map(({lease: {id, endsAtMs, budgets}, revision: {id: revision, spec}}) => {
        return {id, revision, endsAtMs, memoryBytes: spec.memoryBytes, rewards: spec.rewards, budgets}
      })
    )
    for (const {lease} of works) this.#remembered.add(lease)
  }
}
