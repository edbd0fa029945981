import {randomBytes} from 'node:crypto'
import type {RevisionEntry} from '../core/protocol/tables.ts'
import {giveUp, type RestTier} from '../core/readiness.ts'
import type {HeldTier, RuntimeInstance, WaitingTier} from '../runtime/port.ts'
import {type ContainerSurroundings, HeldContainer, NOBODY} from './held-container.ts'
import {RestPlanner, type RestPlannerOptions} from './rest-planner.ts'

const FREEZE_TIMEOUT_MS = 5000
const CREATE_TIMEOUT_MS = 30_000
const STATS_TIMEOUT_MS = 5000
/** A frozen process that ends for good gets this long, where there is memory for it to run. */
const END_GRACE_MS = 2000
/** A container that could not be made ready is not tried again for so long. */
const CREATE_AGAIN_MS = 60_000
const ID_BYTES = 9

/** Where containers wait: as a runtime holds them. */
export type HeldRestTier = HeldTier['tier']

export interface RestingOptions extends ContainerSurroundings, Omit<RestPlannerOptions, 'waiting'> {
  /** Digest of the prepared image for this machine; undefined while it is not there. */
  readonly preparedImage: (revision: RevisionEntry) => string | undefined
  readonly signal: AbortSignal
}

interface Entry {
  readonly revision: string
  readonly tier: HeldRestTier
  readonly container: HeldContainer
  /** The function's limit, which it may use whenever it runs. */
  readonly limitBytes: number
  /** Memory of its process, as it was measured last; left out when it has none. */
  processBytes?: number
  /** What it counts with against what the owner lends. */
  heldBytes: number
}

/**
 * Containers that nobody asks for at the moment, at most one a revision: frozen ones that ran, and others made ready ahead of need. No gateway
 * knows them, nothing of them is metered, and what they hold never exceeds what the owner lends and running instances leave.
 */
export class Resting {
  readonly #options: RestingOptions
  readonly #waiting = new Map<string, Entry>()
  readonly #ending = new Set<Entry>()
  readonly #planner: RestPlanner
  /** By revision: when a container may be made ready again. */
  readonly #failedUntilMs = new Map<string, number>()
  #creating = false
  #isChanged = false
  #endedWaysOutBytes = 0

  constructor(options: RestingOptions) {
    this.#options = options
    this.#planner = new RestPlanner({...options, waiting: this.#waiting})
  }

  /** What waits, and at which tier. */
  get all(): readonly {readonly revision: string; readonly tier: HeldRestTier}[] {
    return [...this.#waiting.values()].map(({revision, tier}) => ({revision, tier}))
  }

  /** The same, when it is something else than at the last call. */
  takeChanged(): Resting['all'] | undefined {
    const isChanged = this.#isChanged
    this.#isChanged = false
    return isChanged ? this.all : undefined
  }

  get count(): number {
    return this.#waiting.size + this.#ending.size
  }

  /** Memory that those that wait, and those that are being ended, have of what the owner lends. */
  get heldBytes(): number {
    return this.#entries.reduce((sum, {heldBytes}) => sum + heldBytes, 0)
  }

  get waysOutBytes(): number {
    return this.#entries.reduce((sum, {container}) => sum + container.waysOutBytes, this.#endedWaysOutBytes)
  }

  get containers(): readonly HeldContainer[] {
    return this.#entries.map(({container}) => container)
  }

  get #entries(): readonly Entry[] {
    return [...this.#waiting.values(), ...this.#ending]
  }

  /** The container that waits for this revision, if there is one: from now on it is the caller's, who lets it run. */
  take(revision: string): {readonly container: HeldContainer; readonly tier: HeldRestTier} | undefined {
    this.#planner.asked(revision)
    const entry = this.#waiting.get(revision)
    if (entry === undefined) return undefined
    this.#waiting.delete(revision)
    this.#isChanged = true
    return entry
  }

  /**
   * Takes a container over whose process runs, if it is worth its memory; it still runs, and `freeze` must follow.
   * Answers false when the container stays the caller's.
   */
  accept(container: HeldContainer, of: {readonly revision: string; readonly memoryBytes: number}, processBytes: number): boolean {
    const before = this.#waiting.get(of.revision)
    const {revision, memoryBytes} = of
    const plan = this.#planner.plan({revision, processBytes, running: (this.#options.running().get(revision) ?? 0) - 1}, memoryBytes)
    if (before?.tier === 'frozen' || plan.get(revision) !== 'frozen') return false
    if (before !== undefined) void this.#end(before)
    this.#add({revision, tier: 'frozen', container, limitBytes: memoryBytes, processBytes, heldBytes: memoryBytes})
    return true
  }

  /** Freezes what was accepted. What can't be frozen is ended, with `graceMs` for its process. */
  async freeze(container: HeldContainer, graceMs: number): Promise<void> {
    const {signal} = this.#options
    const entry = this.#entries.find((other) => other.container === container)
    if (entry === undefined) return
    try {
      await container.freeze(AbortSignal.any([signal, AbortSignal.timeout(FREEZE_TIMEOUT_MS)]))
      await this.#measure(entry)
    } catch (error) {
      this.#options.log.info({revision: entry.revision, error: String(error)}, 'an instance could not be frozen')
      if (this.#waiting.get(entry.revision) === entry) await this.#end(entry, graceMs)
    }
  }

  /** Takes over what waits since an earlier process. Answers false when it is not wanted; it is the caller's to remove. */
  async adopt(runtime: RuntimeInstance, revision: RevisionEntry): Promise<boolean> {
    const {tier} = runtime
    if (tier === 'running' || !this.#options.tiers.some((offered) => offered.tier === tier)) return false
    const container = new HeldContainer(runtime.id, this.#options, NOBODY)
    container.adopt(runtime)
    const limitBytes = revision.spec.memoryBytes
    const entry: Entry = {revision: revision.id, tier, container, limitBytes, heldBytes: limitBytes}
    await this.#measure(entry).catch(() => undefined)
    const {processBytes} = entry
    const change = {revision: revision.id, now: tier, ...(processBytes !== undefined && {processBytes})}
    const isWanted = (): boolean => !this.#waiting.has(revision.id) && this.#planner.plan(change).get(revision.id) === tier
    if (!isWanted()) return false
    // Before anybody can take it: one that runs without its ways out would be refused by whatever it calls.
    const isOpen = await container.openWaysOut(revision).then(
      () => true,
      () => false
    )
    if (!(isOpen && isWanted())) await this.discard(container, {revision: revision.id, memoryBytes: limitBytes})
    else {
      this.#add(entry)
      if (tier === 'frozen') container.watch(runtime, revision.id)
    }
    return true
  }

  /** Ends a container that is the caller's and of no use any more; it counts until nothing of it is left. */
  async discard(container: HeldContainer, of: {readonly revision: string; readonly memoryBytes: number}): Promise<void> {
    const entry: Entry = {revision: of.revision, tier: 'created', container, limitBytes: of.memoryBytes, heldBytes: of.memoryBytes}
    this.#watch(entry)
    await this.#end(entry)
  }

  /** Ends a container of this revision that holds what is not to be used any more; one without a process holds nothing yet. */
  dropFrozen(revision: string): void {
    const entry = this.#waiting.get(revision)
    if (entry?.tier === 'frozen') void this.#end(entry, this.#grace(entry))
  }

  /** Ends as many as it takes for all that run to have what they may use. Answers whether they have. */
  async fit(): Promise<boolean> {
    const {lentBytes, runningBytes, monotonicMs} = this.#options
    const overBytes = (): number => runningBytes() + this.heldBytes - lentBytes()
    if (overBytes() <= 0) return true
    const endingBytes = [...this.#ending].reduce((sum, {heldBytes}) => sum + heldBytes, 0)
    const waiting = [...this.#waiting.values()].map((entry) => ({...entry, asks: this.#planner.asksOf(entry.revision)}))
    const given = giveUp(waiting, overBytes() - endingBytes, monotonicMs())
    const entries = given.flatMap((revision) => this.#waiting.get(revision) ?? [])
    await Promise.all([...this.#ending, ...entries].map((entry) => this.#end(entry)))
    return overBytes() <= 0
  }

  /** Brings what waits to what the policy says: ends what is too warm or not wanted at once, and makes at most one thing ready at a time. */
  round(): void {
    const wanted = this.#planner.wanted()
    for (const entry of this.#ending) if (entry.container.isLeftOver) void this.#end(entry)
    for (const entry of this.#waiting.values()) if (!wanted.has(entry.revision)) void this.#end(entry, this.#grace(entry))
    for (const id of this.#failedUntilMs.keys()) if (!wanted.has(id)) this.#failedUntilMs.delete(id)
    const plan = this.#planner.now()
    for (const entry of this.#waiting.values()) {
      if (plan.get(entry.revision) !== entry.tier) void this.#end(entry, this.#grace(entry))
    }
    void this.fit()
    if (!this.#creating) void this.#createOne(wanted, plan)
  }

  /** Ends all, and resolves when nothing is left. */
  async endAll(): Promise<void> {
    await Promise.all(this.#entries.map((entry) => this.#end(entry, this.#grace(entry))))
  }

  async #createOne(wanted: ReadonlyMap<string, RevisionEntry>, plan: ReadonlyMap<string, RestTier>): Promise<void> {
    const {preparedImage, monotonicMs, lentBytes, runningBytes, signal, log} = this.#options
    const nowMs = monotonicMs()
    const due = [...plan].flatMap(([id, tier]) => {
      const isDue = (tier === 'initialised' || tier === 'created') && !this.#waiting.has(id) && (this.#failedUntilMs.get(id) ?? 0) <= nowMs
      return isDue ? (wanted.get(id) ?? []) : []
    })
    const [revision] = due
      .filter((one) => preparedImage(one) !== undefined)
      .sort((a, b) => this.#planner.asksOf(b.id).atMs - this.#planner.asksOf(a.id).atMs || (a.id < b.id ? -1 : 1))
    const imageDigest = revision && preparedImage(revision)
    if (revision === undefined || imageDigest === undefined) return
    const tier = plan.get(revision.id) as WaitingTier
    const heldBytes = this.#offeredBytes(tier)
    if (runningBytes() + this.heldBytes + heldBytes > lentBytes()) return
    const container = new HeldContainer(restingId(revision.id), this.#options, NOBODY)
    const entry: Entry = {revision: revision.id, tier, container, limitBytes: revision.spec.memoryBytes, heldBytes}
    this.#creating = true
    this.#add(entry)
    try {
      const making = {imageDigest, labels: {}, signal: AbortSignal.any([signal, AbortSignal.timeout(CREATE_TIMEOUT_MS)])}
      await container.create(revision, tier, making)
    } catch (error) {
      this.#failedUntilMs.set(revision.id, nowMs + CREATE_AGAIN_MS)
      if (!container.isStopping) log.info({revision: revision.id, tier, error: String(error)}, 'nothing could be made ready')
      if (this.#waiting.get(revision.id) === entry) await this.#end(entry)
    } finally {
      this.#creating = false
    }
  }

  #add(entry: Entry): void {
    this.#watch(entry)
    this.#waiting.set(entry.revision, entry)
    this.#planner.changed()
    this.#isChanged = true
  }

  #watch(entry: Entry): void {
    const onExit = (): void => void this.#end(entry)
    const onGone = (): void => {
      this.#endedWaysOutBytes += entry.container.waysOutBytes
      this.#ending.delete(entry)
      if (this.#waiting.get(entry.revision) === entry) this.#waiting.delete(entry.revision)
      this.#planner.changed()
    }
    entry.container.hold({caller: undefined, onExit, onGone})
  }

  async #end(entry: Entry, graceMs = 0): Promise<void> {
    if (this.#waiting.get(entry.revision) === entry) {
      this.#waiting.delete(entry.revision)
      this.#planner.changed()
      this.#isChanged = true
    }
    this.#ending.add(entry)
    if (graceMs > 0) entry.heldBytes = entry.limitBytes
    await entry.container.remove(graceMs)
  }

  /** A frozen process may end itself well if what it could use meanwhile is there. */
  #grace({tier, limitBytes, heldBytes}: Entry): number {
    const {lentBytes, runningBytes} = this.#options
    return tier === 'frozen' && runningBytes() + this.heldBytes - heldBytes + limitBytes <= lentBytes() ? END_GRACE_MS : 0
  }

  async #measure(entry: Entry): Promise<void> {
    if (entry.tier === 'frozen') {
      const timely = AbortSignal.any([this.#options.signal, AbortSignal.timeout(STATS_TIMEOUT_MS)])
      entry.processBytes = await entry.container.memoryBytes(timely)
    }
    entry.heldBytes = this.#offeredBytes(entry.tier) + (entry.processBytes ?? 0)
    this.#planner.changed()
  }

  #offeredBytes(tier: HeldRestTier): number {
    return this.#options.tiers.find((offered) => offered.tier === tier)?.heldBytes ?? 0
  }
}

function restingId(revision: string): string {
  return `rest-${revision.replaceAll('_', '-')}-${randomBytes(ID_BYTES).toString('hex')}`
}
