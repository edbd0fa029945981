import type {EventTopic} from '../../core/protocol/events.ts'
import type {LedgerReads, RecentGroup} from '../../ledger/port.ts'
import {eventsOf, isTold, type TellingTools, type ToldEvent} from './told-events.ts'

/** How far back a watcher may go on: commands, and what they did that anybody is told of. */
export const RING_COMMANDS_MAX = 5000
const RING_EFFECTS_MAX = 5000

/** A group as watchers are told of it: each topic's events are made when the first of them wants them. */
export class ToldGroup {
  readonly firstSeq: number
  readonly lastSeq: number
  /** Each changed level follows from one of them. */
  readonly effects: number
  /** Whether it is known what they did to books: no journal says so. */
  readonly hasLevels: boolean
  readonly #group: RecentGroup
  readonly #tools: TellingTools
  readonly #events = new Map<EventTopic, readonly ToldEvent[]>()

  constructor({firstSeq, lastSeq, commands}: RecentGroup, tools: TellingTools) {
    const told = commands.map(({effects, ...rest}) => ({...rest, effects: effects.filter(isTold)}))
    this.firstSeq = firstSeq
    this.lastSeq = lastSeq
    this.effects = told.reduce((sum, {effects}) => sum + effects.length, 0)
    this.hasLevels = told.every(({levels}) => levels !== undefined)
    this.#group = {firstSeq, lastSeq, commands: told}
    this.#tools = tools
  }

  events(topic: EventTopic): readonly ToldEvent[] {
    const made = this.#events.get(topic) ?? eventsOf(topic, this.#group, this.#tools)
    this.#events.set(topic, made)
    return made
  }
}

/** The last groups of the ledger. What was committed before this process, or while nobody watched, is read from the journal when somebody asks for it. */
export class EventRing {
  readonly #tools: TellingTools
  #groups: ToldGroup[] = []
  #commands = 0
  #effects = 0
  /** What comes after it is in the ring. */
  #floor: number
  #latest: number
  #isRead = false

  constructor(sequence: number, tools: TellingTools) {
    this.#floor = sequence
    this.#latest = sequence
    this.#tools = tools
  }

  /** The last sequence that is told. */
  get latest(): number {
    return this.#latest
  }

  add(group: RecentGroup): void {
    this.#latest = group.lastSeq
    this.#push(new ToldGroup(group, this.#tools))
  }

  /** Nobody watches: nothing is kept. */
  forget(sequence: number): void {
    this.#groups = []
    this.#commands = 0
    this.#effects = 0
    this.#floor = sequence
    this.#latest = sequence
    this.#isRead = false
  }

  /** The group that goes on after this sequence; `none` when there is nothing yet, `gone` when it is too long ago or never was. */
  after(seq: number): ToldGroup | 'none' | 'gone' {
    if (seq === this.#latest) return 'none'
    if (seq > this.#latest) return 'gone'
    if (seq < this.#floor && !this.#isRead) this.#read(this.#tools.reads)
    if (seq < this.#floor) return 'gone'
    // Watchers are at the end, mostly.
    return this.#groups[this.#groups.findLastIndex(({firstSeq}) => firstSeq <= seq + 1)] ?? 'gone'
  }

  /** Whether all that was done to books after this sequence can be told. */
  knowsBooksAfter(seq: number): boolean {
    const next = this.after(seq)
    return next === 'none' || (next !== 'gone' && next.hasLevels)
  }

  /** At most once until nobody watches any more: a journal is not read for each who asks for what is too old. */
  #read(reads: LedgerReads): void {
    const latest = this.#latest
    const groups = reads.recentGroups(RING_COMMANDS_MAX).filter(({lastSeq}) => lastSeq <= latest)
    this.forget((groups[0]?.firstSeq ?? latest + 1) - 1)
    this.#latest = latest
    this.#isRead = true
    for (const group of groups) this.#push(new ToldGroup(group, this.#tools))
  }

  #push(group: ToldGroup): void {
    this.#groups.push(group)
    this.#commands += group.lastSeq - group.firstSeq + 1
    this.#effects += group.effects
    while (this.#commands > RING_COMMANDS_MAX || this.#effects > RING_EFFECTS_MAX) {
      const oldest = this.#groups.shift()
      if (oldest === undefined) break
      this.#commands -= oldest.lastSeq - oldest.firstSeq + 1
      this.#effects -= oldest.effects
      this.#floor = oldest.lastSeq
    }
  }
}
