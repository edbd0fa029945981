import type {Writable} from 'node:stream'
import type {EventsQuery, EventTopic} from '../../core/protocol/events.ts'
import type {EventRing, ToldGroup} from './event-ring.ts'
import {eventText} from './event-text.ts'
import type {ToldEvent} from './told-events.ts'

/** So much is handed over at a time; what a single command did goes whole. */
const PIECE_CHARS_MAX = 64 * 1024
/** What waits for a slow reader, beyond the piece under way. */
export const BUFFERED_BYTES_MAX = 256 * 1024
/** A reader that takes nothing for so long is cut. */
export const STALLED_MAX_MS = 30_000
/** Then it asks anew, and proves anew who it is. */
export const WATCH_MAX_MS = 3_600_000
/** Browsers wait for this long, or a little longer, before they connect again. */
const RETRY_LEAST_MS = 1000

export interface Watch {
  readonly query: Omit<EventsQuery, 'account'> & {readonly account?: string | undefined}
  /** The last sequence that it was told; undefined for who begins now. */
  readonly after: number | undefined
  /** Of who signed; undefined for who did not. */
  readonly account: string | undefined
  /** Where it comes from, as such are counted together. */
  readonly address: string
  /** Whether the key that asked for what is private still may: asked each time. */
  readonly mayRead: () => boolean
  /** Of the one market whose book is watched: all that is shown of it. Undefined for who watches none. */
  readonly wholeBook?: (() => {readonly sequence: number; readonly text: string}) | undefined
  readonly out: Writable
}

/** One stream of events: what its query chooses, as fast as its reader takes it. */
export class Watcher {
  readonly account: string | undefined
  readonly address: string
  readonly #watch: Watch
  readonly #ring: EventRing
  readonly #topics: readonly EventTopic[]
  readonly #beganAtMs: number
  #sent: number
  #stalledSinceMs: number | undefined

  constructor(watch: Watch, ring: EventRing, nowMs: number) {
    this.account = watch.account
    this.address = watch.address
    this.#watch = watch
    this.#ring = ring
    this.#topics = watch.query.topic
    this.#beganAtMs = nowMs
    this.#sent = watch.after ?? ring.latest
    this.#write(`retry: ${RETRY_LEAST_MS + Math.floor(Math.random() * RETRY_LEAST_MS)}\n`)
    const next = ring.after(this.#sent)
    if (next === 'gone' || this.#isBlind(next)) this.#reset()
    else this.#begin('open', watch.after === undefined)
    this.advance()
  }

  wants(topic: EventTopic): boolean {
    return this.#topics.includes(topic)
  }

  /** Sends what has come since, until there is no more or the reader has enough for now. */
  advance(): void {
    while (this.#stalledSinceMs === undefined) {
      const group = this.#ring.after(this.#sent)
      if (group === 'none') return
      if (group === 'gone' || this.#isBlind(group)) {
        this.#reset()
        continue
      }
      const {text, until} = this.#pieceOf(group)
      this.#sent = until
      if (text !== '') this.#write(text)
    }
  }

  /** Of what is in no ledger. Whoever misses one of these can't be told later, so a slow reader is cut: it looks again when it is back. */
  tell(event: ToldEvent): void {
    if (!this.#chooses(event)) return
    if (event.topic === 'instances' && !this.#watch.mayRead()) this.end()
    else if (this.#watch.out.writableLength > BUFFERED_BYTES_MAX) this.#watch.out.destroy()
    else this.#write(`${event.text}\n`)
  }

  /** Shows that the line is alive, and up to where everything was told. */
  beat(nowMs: number): void {
    if (this.#stalledSinceMs !== undefined && nowMs - this.#stalledSinceMs > STALLED_MAX_MS) this.#watch.out.destroy()
    else if (nowMs - this.#beganAtMs > WATCH_MAX_MS) this.end()
    else if (this.#stalledSinceMs === undefined) this.#write(`:\nid: ${this.#sent}\n\n`)
  }

  end(): void {
    this.#watch.out.end()
  }

  #reset(): void {
    this.#sent = this.#ring.latest
    this.#begin('reset', true)
  }

  /** A book that is told whole may be of a moment ago: what came since follows. */
  #begin(name: 'open' | 'reset', isWhole: boolean): void {
    const book = isWhole ? this.#watch.wholeBook?.() : undefined
    if (book !== undefined) this.#sent = Math.min(this.#sent, book.sequence)
    this.#write(`id: ${this.#sent}\n${eventText(name, {sequence: this.#sent})}\n`)
    if (book !== undefined) this.#write(`${book.text}\n`)
  }

  /** True of a group that says nothing of books, for who watches them. */
  #isBlind(group: ToldGroup | 'none'): boolean {
    return group !== 'none' && !group.hasLevels && this.wants('books')
  }

  /** The next events of a group, with the sequence that they reach: it stands in the last one, so that what is cut before it comes again whole. */
  #pieceOf(group: ToldGroup): {readonly text: string; readonly until: number} {
    const events = this.#topics.flatMap((topic) => group.events(topic)).filter((event) => this.#chooses(event) && this.#isNew(event))
    const inOrder = this.#topics.length > 1 ? events.sort((a, b) => (a.seq ?? 0) - (b.seq ?? 0)) : events
    let chars = 0
    const tooMany = inOrder.findIndex((event, index) => {
      chars += event.text.length
      return chars > PIECE_CHARS_MAX && index > 0 && event.seq !== inOrder[index - 1]?.seq
    })
    const piece = tooMany === -1 ? inOrder : inOrder.slice(0, tooMany)
    const until = tooMany === -1 ? group.lastSeq : (piece.at(-1)?.seq ?? group.lastSeq)
    return {text: piece.map(({text}, index) => `${index === piece.length - 1 ? `id: ${until}\n` : ''}${text}\n`).join(''), until}
  }

  #isNew({seq = 0}: ToldEvent): boolean {
    return seq > this.#sent
  }

  #chooses(event: ToldEvent): boolean {
    const {incentive, span, account, app, node} = this.#watch.query
    const fits = (wanted: string | undefined, is: string | undefined): boolean => wanted === undefined || is === undefined || wanted === is
    return (
      this.wants(event.topic) &&
      fits(incentive, event.incentive) &&
      fits(span, event.span) &&
      fits(account, event.account) &&
      fits(app, event.app) &&
      fits(node, event.node)
    )
  }

  #write(text: string): void {
    const {out} = this.#watch
    if (out.writableEnded || out.destroyed) return
    if (out.write(text) || this.#stalledSinceMs !== undefined) return
    this.#stalledSinceMs = performance.now()
    out.once('drain', () => {
      this.#stalledSinceMs = undefined
      this.advance()
    })
  }
}
