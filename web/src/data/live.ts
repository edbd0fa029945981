import {useEffect, useState} from 'preact/hooks'
import {type BookNews, KeptBook} from '../../../src/core/kept-book.ts'
import {
  type BookView,
  bookViewSchema,
  type OrderView,
  orderViewSchema,
  type TradeView,
  tradeViewSchema
} from '../../../src/core/protocol/api.ts'
import {createStore} from '../store.ts'
import {heardSequence} from './quotes.ts'

/** What happens, as it happens: one line to the function `quotes`, taken up after the last event wherever it was cut. */

/** `quiet` before the first word; `late` while the exchange itself has lost the coordinator. */
export type LineState = 'quiet' | 'live' | 'late' | 'lost'

type News =
  | {readonly kind: 'trade'; readonly trade: TradeView}
  | {readonly kind: 'book'; readonly book: BookView}
  | {readonly kind: 'order'; readonly order: OrderView}
  /** The ledger went on; after `reset`, all is to be read anew. */
  | {readonly kind: 'pulse' | 'reset'; readonly sequence: number}

export interface Watch {
  readonly incentive?: string | undefined
  readonly account?: string | undefined
}

/** Something comes at least every 15 s. */
const SILENCE_MAX_MS = 40_000
/** Of a side of the book, as it is shown. */
const LEVELS_MIN = 10
const RETRY_FROM_MS = 1_000
const RETRY_UP_TO_MS = 30_000

export const line = createStore<LineState>('quiet')
/** The last sequence that was told. */
export const pulse = createStore(0)
/** Of the market that is watched: told whole first, then what changes in it. */
const kept = new KeptBook()
let auction: BookView['auction']
const followers = new Set<(news: News) => void>()

let watched: Watch = {}
let source: EventSource | undefined
let lastId = ''
let retryMs = RETRY_FROM_MS
let silence: ReturnType<typeof setTimeout> | undefined
let retry: ReturnType<typeof setTimeout> | undefined

/** What is watched besides all trades, in addition to what was before; another market or account is another line. */
export function watch(change: Watch): void {
  const wanted = {...watched, ...change}
  if (source !== undefined && wanted.incentive === watched.incentive && wanted.account === watched.account) return
  watched = wanted
  lastId = ''
  open()
}

export function onNews(told: (news: News) => void): () => void {
  followers.add(told)
  return () => followers.delete(told)
}

/** The last sequence, at most as often as `everyMs`, and only while the page is in sight: for what is read again when something happened. */
export function usePulse(everyMs: number): number {
  const [shown, setShown] = useState(pulse.get())
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const show = (): void => {
      clearTimeout(timer)
      timer = undefined
      if (document.visibilityState === 'visible') setShown(pulse.get())
    }
    const forget = pulse.follow(() => {
      timer ??= setTimeout(show, everyMs)
    })
    document.addEventListener('visibilitychange', show)
    return () => {
      forget()
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', show)
    }
  }, [everyMs])
  return shown
}

function open(): void {
  close()
  const query = new URLSearchParams()
  if (watched.incentive !== undefined) query.set('incentive', watched.incentive)
  if (watched.account !== undefined) query.set('account', watched.account)
  if (lastId !== '') query.set('after', lastId)
  const events = new EventSource(new URL(`quotes/events?${query}`, document.baseURI))
  source = events
  const hear = (name: string, take: (data: unknown) => void): void => {
    events.addEventListener(name, (event) => {
      heard(event)
      take(JSON.parse(event.data))
    })
  }
  hear('begin', begun)
  hear('line', begun)
  hear('alive', () => undefined)
  hear('reset', (data) => {
    begun(data)
    tell({kind: 'reset', sequence: sequenceOf(data)})
  })
  hear('pulse', (data) => tell({kind: 'pulse', sequence: sequenceOf(data)}))
  hear('trade', (data) => tell({kind: 'trade', trade: tradeViewSchema.parse(data)}))
  hear('book', (data) => tellBook({...bookViewSchema.parse(data), whole: true}))
  hear('levels', (data) => tellBook({...bookViewSchema.parse(data), whole: false}))
  hear('order', (data) => tell({kind: 'order', order: orderViewSchema.parse(data)}))
  events.addEventListener('error', cut)
  silence = setTimeout(cut, SILENCE_MAX_MS)
}

function tellBook(news: BookNews): void {
  if (!kept.take(news)) return
  if (news.whole) auction = news.auction
  const book = kept.view()
  // Where more levels went than were told, the whole book comes to who begins anew.
  if (kept.isShallow(LEVELS_MIN)) open()
  else if (book !== undefined) tell({kind: 'book', book: {...book, ...(auction !== undefined && {auction})}})
}

function close(): void {
  source?.close()
  kept.forget()
  source = undefined
  clearTimeout(silence)
  clearTimeout(retry)
}

/** The browser goes on by itself only where it was cut; refused or silent, we ask anew. */
function cut(): void {
  close()
  line.set('lost')
  retry = setTimeout(open, retryMs * (0.5 + Math.random()))
  retryMs = Math.min(retryMs * 2, RETRY_UP_TO_MS)
}

function heard(event: MessageEvent): void {
  if (event.lastEventId !== '') lastId = event.lastEventId
  retryMs = RETRY_FROM_MS
  clearTimeout(silence)
  silence = setTimeout(cut, SILENCE_MAX_MS)
}

function begun(data: unknown): void {
  line.set((data as {readonly isUp?: unknown}).isUp === false ? 'late' : 'live')
}

function sequenceOf(data: unknown): number {
  const {sequence} = data as {readonly sequence?: unknown}
  return typeof sequence === 'number' && Number.isSafeInteger(sequence) ? sequence : 0
}

function tell(news: News): void {
  if (news.kind === 'pulse' || news.kind === 'reset') {
    heardSequence(news.sequence)
    pulse.set(news.sequence)
  }
  for (const told of [...followers]) told(news)
}

/** Back in sight or on a network again: no use in waiting any longer. */
export function comeBack(): void {
  if (line.get() !== 'lost') return
  retryMs = RETRY_FROM_MS
  open()
}
