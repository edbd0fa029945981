import {CreoError} from '../../core/errors.ts'
import type {Heartbeat} from '../../core/protocol/api.ts'
import {EVENTS_HEARTBEAT_MS, type EventTopic} from '../../core/protocol/events.ts'
import type {Ledger} from '../../ledger/port.ts'
import type {LastingReads} from '../lasting-reads.ts'
import type {NodePresence, PresenceBoard} from '../presence.ts'
import {EventRing} from './event-ring.ts'
import {wholeBook} from './market-events.ts'
import {instanceEvent, nodeEvent, type ToldEvent} from './told-events.ts'
import {type Watch, Watcher} from './watcher.ts'

/** Watchers at a time: all, of one account, of one address those that are not signed, and of one address all, whoever signed. */
export const WATCHERS_MAX = 1000
export const WATCHERS_PER_CLIENT_MAX = 32
export const WATCHERS_PER_ADDRESS_MAX = 128
/** What was committed is gathered for a moment, and after it was told for so many times what that took, so that requests get on. */
const GATHER_MS = 20
const PAUSE_PER_TELLING = 4
const PAUSE_MAX_MS = 2000
/** Who begins to watch a book gets it as it was so long ago at most, and then what came since: it is read once for all who come at a time. */
const BOOK_KEPT_MS = 250
const BOOKS_KEPT_MAX = 1000
/** The last groups are kept for so long after the last watcher has gone. */
const KEEP_UNWATCHED_MS = 60_000

export interface EventHubTools {
  readonly ledger: Ledger
  readonly lasting: LastingReads
  readonly presence: PresenceBoard
  readonly lostAfterMs: number
  /** Nodes could not be heard before that. */
  readonly awakeSinceMs: () => number
  readonly nowMs: () => number
}

/** Tells watchers what the ledger commits and what nodes say. What nobody watches costs nothing. */
export class EventHub {
  readonly #tools: EventHubTools
  readonly #lasting: LastingReads
  readonly #ring: EventRing
  readonly #watchers = new Set<Watcher>()
  readonly #books = new Map<string, ReturnType<typeof wholeBook> & {readonly readAtMs: number}>()
  readonly #unsubscribe: () => void
  readonly #beats: NodeJS.Timeout
  #timer: NodeJS.Timeout | undefined
  #pauseMs = GATHER_MS
  /** By the monotonic clock. */
  #watchedAtMs = Number.NEGATIVE_INFINITY
  #lookedAtMs: number

  constructor(tools: EventHubTools) {
    this.#tools = tools
    this.#lasting = tools.lasting
    this.#ring = new EventRing(tools.ledger.sequence, {reads: tools.ledger.reads, lasting: this.#lasting})
    this.#lookedAtMs = tools.nowMs()
    this.#unsubscribe = tools.ledger.onCommitted((group) => {
      if (this.#isKept()) this.#ring.add(group)
      else this.#ring.forget(group.lastSeq)
      if (this.#watchers.size > 0) this.#timer ??= setTimeout(() => this.#advance(), this.#pauseMs)
    })
    this.#beats = setInterval(() => this.#beat(), EVENTS_HEARTBEAT_MS)
    this.#beats.unref()
  }

  get watchers(): number {
    return this.#watchers.size
  }

  /** Tells until the stream closes. @throws {CreoError} `overloaded`, `rate_limited` when there are too many already. */
  watch(watch: Watch): void {
    this.refuseTooMany(watch)
    // Who went while its signature was checked has closed already, and would be counted for ever.
    if (watch.out.destroyed) return
    const {topic, incentive} = watch.query
    const ofBook = topic.includes('books') && incentive !== undefined ? {wholeBook: () => this.#wholeBook(incentive)} : {}
    const watcher = new Watcher({...watch, ...ofBook}, this.#ring, performance.now())
    this.#watchers.add(watcher)
    watch.out.once('close', () => {
      this.#watchers.delete(watcher)
      this.#watchedAtMs = performance.now()
    })
  }

  /** @throws {CreoError} `overloaded`, `rate_limited` */
  refuseTooMany({account, address}: Pick<Watch, 'account' | 'address'>): void {
    if (this.#watchers.size >= WATCHERS_MAX)
      throw new CreoError('overloaded', `${WATCHERS_MAX} watchers are there already.`, {hint: 'Ask again in a minute, or read lists.'})
    const all = [...this.#watchers]
    const here = all.filter((watcher) => watcher.address === address)
    const own =
      account === undefined ? here.filter((watcher) => watcher.account === undefined) : all.filter((watcher) => watcher.account === account)
    if (own.length >= WATCHERS_PER_CLIENT_MAX)
      throw new CreoError('rate_limited', `You have ${own.length} watchers already.`, {
        hint: 'End one, or watch several topics in one stream.'
      })
    if (here.length >= WATCHERS_PER_ADDRESS_MAX)
      throw new CreoError('rate_limited', `Your address has ${here.length} watchers already.`, {
        hint: 'End one, or watch from another address.'
      })
  }

  /** What a node says now, and said before. */
  heard(said: Heartbeat, before: NodePresence | undefined): void {
    if (this.#isWatched('nodes')) this.#tellNode(said, before)
    if (this.#isWatched('instances')) this.#tellInstances(said, before)
  }

  /** Lines of revisions that the node may speak for. */
  failed({node, logs}: Heartbeat, mayRun: ReadonlySet<string>): void {
    if (!this.#isWatched('instances')) return
    for (const {revision, instance, line, failure} of logs) {
      if (failure !== undefined && mayRun.has(revision)) this.#tellInstance(node, revision, {failure: {...failure, instance, line}})
    }
  }

  /** Ends every stream. */
  close(): void {
    this.#unsubscribe()
    clearInterval(this.#beats)
    clearTimeout(this.#timer)
    for (const watcher of this.#watchers) watcher.end()
  }

  #wholeBook(incentive: string): ReturnType<typeof wholeBook> {
    const nowMs = performance.now()
    const known = this.#books.get(incentive)
    const isFresh = known !== undefined && known.readAtMs > nowMs - BOOK_KEPT_MS && this.#ring.knowsBooksAfter(known.sequence)
    if (isFresh) return known
    const book = wholeBook(this.#tools.ledger.reads, incentive)
    if (this.#books.size >= BOOKS_KEPT_MAX) this.#books.clear()
    this.#books.set(incentive, {...book, readAtMs: nowMs})
    return book
  }

  #isKept(): boolean {
    return this.#watchers.size > 0 || performance.now() - this.#watchedAtMs < KEEP_UNWATCHED_MS
  }

  #isWatched(topic: EventTopic): boolean {
    for (const watcher of this.#watchers) if (watcher.wants(topic)) return true
    return false
  }

  #advance(): void {
    const beganMs = performance.now()
    this.#timer = undefined
    for (const watcher of this.#watchers) watcher.advance()
    this.#pauseMs = Math.min(PAUSE_MAX_MS, Math.max(GATHER_MS, PAUSE_PER_TELLING * (performance.now() - beganMs)))
  }

  #beat(): void {
    const nowMs = performance.now()
    for (const watcher of this.#watchers) watcher.beat(nowMs)
    this.#tellLost()
  }

  /** Nodes that have been silent for too long since the last look. */
  #tellLost(): void {
    const {presence, lostAfterMs, awakeSinceMs, nowMs} = this.#tools
    const awakeMs = awakeSinceMs()
    const [from, until] = [this.#lookedAtMs - lostAfterMs, nowMs() - lostAfterMs]
    this.#lookedAtMs = nowMs()
    if (!this.#isWatched('nodes')) return
    for (const {heartbeat, seenAtMs} of presence.all()) {
      const silentMs = Math.max(seenAtMs, awakeMs)
      if (silentMs > from && silentMs <= until) this.#tell(nodeEvent({node: heartbeat.node, state: 'lost', instances: 0}))
    }
  }

  #tellNode({node, draining, instances}: Heartbeat, before: NodePresence | undefined): void {
    const {lostAfterMs, nowMs} = this.#tools
    const wasThere = before !== undefined && before.seenAtMs > nowMs() - lostAfterMs
    if (wasThere && before.heartbeat.draining === draining && before.heartbeat.instances === instances) return
    this.#tell(nodeEvent({node, state: draining ? 'draining' : 'there', instances}))
  }

  #tellInstances({node, running = []}: Heartbeat, before: NodePresence | undefined): void {
    const was = new Map(before?.heartbeat.running?.map((one) => [one.revision, one.instances]))
    for (const {revision, instances} of running) {
      if (was.get(revision) !== instances) this.#tellInstance(node, revision, {instances})
      was.delete(revision)
    }
    for (const revision of was.keys()) this.#tellInstance(node, revision, {instances: 0})
  }

  #tellInstance(node: string, revision: string, said: Pick<Parameters<typeof instanceEvent>[0], 'instances' | 'failure'>): void {
    const known = this.#lasting.revision(revision)
    if (known === undefined) return
    const {org, app, function: name} = known
    this.#tell(instanceEvent({org, app, function: name, revision, node, ...said}))
  }

  #tell(event: ToldEvent): void {
    for (const watcher of this.#watchers) watcher.tell(event)
  }
}
