/** What happens, told to many watchers from one line to the coordinator. */
import {Books} from './books.mjs'
import {follow} from './upstream.mjs'

/** Fewer than the connections of one instance, so that there is room for reads. */
const WATCHERS_MAX = 225
/** How far back a watcher that was cut may go on. */
const RING_MAX = 2_000
/** A reader for whom so much waits is cut: it comes back, and goes on after the last that it got. */
const WAITING_BYTES_MAX = 128 * 2 ** 10
/** How often what changed in a market's book is told, and that the ledger went on. */
const BOOK_EVERY_MS = 500
const PULSE_EVERY_MS = 1_000
const HEARTBEAT_MS = 15_000
/** Then a watcher asks anew: sooner than the function's timeout. */
const WATCH_MAX_MS = 50 * 60_000
/** The line to the coordinator stays so long after the last watcher, for one that comes back. */
const LINGER_MS = 30_000

/**
 * Watchers give `{incentive, account}`: trades and the book of the one market (of all markets the trades alone), orders of the one account, and for
 * everybody that the ledger has come to a sequence. A book is told whole first (`book`), then what changes in it (`levels`). `id` of an event is a ledger sequence, as the coordinator's are, so that any instance can go on from it.
 */
export class Live {
  #books
  #url
  #watchers = new Set()
  /** `{id, topic, incentive, account, text}`; an event without an id belongs to the next one that has one. */
  #ring = []
  /** What came until this sequence is not in the ring; undefined while nothing is known. */
  #floor
  #sequence = 0
  #isUp = false
  #stop
  /** Fires once orders are to be told. */
  #orders
  /** Orders after this sequence are in the ring; undefined while none are told. */
  #ordersFloor
  #timers = []
  #lingering

  constructor({reads, url}) {
    this.#books = new Books(reads)
    this.#url = url
  }

  /**
   * Whether there is room for one more of this client, as the gateway names it. Where all is taken, the client that holds most loses its oldest, if that
   * is still more than this one has then: nobody keeps the others out.
   */
  hasRoomFor(client) {
    if (this.#watchers.size < WATCHERS_MAX) return true
    const byClient = Map.groupBy(this.#watchers, (watcher) => watcher.client)
    const [greediest] = [...byClient.values()].sort((one, other) => other.length - one.length)
    if (greediest.length <= (byClient.get(client)?.length ?? 0) + 1) return false
    // Cut, not ended: one that reads nothing would hold its connection.
    this.#watchers.delete(greediest[0])
    greediest[0].out.destroy()
    return true
  }

  /** Serves one watcher until it goes. `after` is the id of the last event that it got. */
  watch(out, {client, incentive, account, after}) {
    const watcher = {out, client, incentive, account, endsAtMs: performance.now() + WATCH_MAX_MS}
    this.#watchers.add(watcher)
    out.once('close', () => this.#leave(watcher))
    this.#start()
    if (account !== undefined) this.#tellOrders()
    out.write(`retry: ${1000 + Math.floor(Math.random() * 2000)}\n\n`)
    if (this.#floor === undefined) watcher.waitsAfter = after ?? 'new'
    else this.#begin(watcher, after)
  }

  /** Ends all: each comes back to whoever serves then. */
  close() {
    for (const {out} of this.#watchers) out.end()
    this.#end()
  }

  #start() {
    clearTimeout(this.#lingering)
    if (this.#stop !== undefined) return
    this.#stop = new AbortController()
    this.#orders = new AbortController()
    this.#ordersFloor = undefined
    const every = (ms, work) => setInterval(work, ms)
    this.#timers = [
      every(BOOK_EVERY_MS, () => this.#tellBooks()),
      every(PULSE_EVERY_MS, () => this.#pulse()),
      every(HEARTBEAT_MS, () => this.#heartbeat())
    ]
    void follow({
      url: this.#url,
      signal: this.#stop.signal,
      orders: this.#orders.signal,
      onEvent: (event) => this.#take(event),
      onLine: (isUp) => this.#line(isUp)
    })
  }

  /** From here on: the line is taken up anew, with orders. */
  #tellOrders() {
    if (this.#ordersFloor !== undefined) return
    this.#ordersFloor = this.#floor === undefined ? 0 : this.#sequence
    this.#orders.abort()
  }

  #leave(watcher) {
    this.#watchers.delete(watcher)
    if (this.#watchers.size > 0) return
    clearTimeout(this.#lingering)
    this.#lingering = setTimeout(() => this.#end(), LINGER_MS).unref()
  }

  #end() {
    this.#stop?.abort()
    this.#stop = undefined
    for (const timer of this.#timers) clearInterval(timer)
    this.#ring = []
    this.#floor = undefined
    this.#books.forget()
  }

  #line(isUp) {
    if (isUp === this.#isUp) return
    this.#isUp = isUp
    const begun = [...this.#watchers].filter(({waitsAfter}) => waitsAfter === undefined)
    for (const watcher of begun) this.#say(watcher, `event: line\ndata: ${JSON.stringify({isUp})}\n\n`)
  }

  #take({name, id, data}) {
    if (name === 'open' || name === 'reset') this.#opened(name, data.sequence)
    if (name === 'book') this.#books.change(data)
    if (name === 'phase') this.#books.phase(data)
    if (name === 'trade')
      this.#push({id, topic: 'trade', incentive: data.incentive, account: undefined, text: eventText('trade', data, id)})
    if (name === 'order')
      this.#push({id, topic: 'order', incentive: data.incentive, account: data.account, text: eventText('order', data, id)})
    if (id !== undefined) this.#advance(id)
  }

  #opened(name, sequence) {
    const isFirst = this.#floor === undefined
    if (!isFirst && name === 'open') return
    this.#ring = []
    this.#books.forget()
    this.#floor = sequence
    this.#advance(sequence)
    for (const watcher of this.#watchers) {
      if (isFirst) this.#begin(watcher, watcher.waitsAfter === 'new' ? undefined : watcher.waitsAfter)
      else this.#reset(watcher)
    }
  }

  #push(event) {
    this.#ring.push(event)
    while (this.#ring.length > RING_MAX) {
      const gone = this.#ring.shift()
      if (gone.id !== undefined) this.#floor = gone.id
    }
    for (const watcher of this.#watchers) if (chooses(watcher, event)) this.#say(watcher, event.text)
  }

  #advance(id) {
    this.#sequence = Math.max(this.#sequence, id)
    const last = this.#ring.at(-1)
    if (last !== undefined && last.id === undefined) last.id = id
  }

  #begin(watcher, after) {
    watcher.waitsAfter = undefined
    const isMissing = after < this.#floor || (watcher.account !== undefined && after < this.#ordersFloor)
    if (after !== undefined && isMissing) return this.#reset(watcher)
    this.#say(
      watcher,
      `event: begin\n${after === undefined ? `id: ${this.#sequence}\n` : ''}data: ${JSON.stringify({sequence: this.#sequence, isUp: this.#isUp})}\n\n`
    )
    if (after !== undefined) {
      const place = this.#ring.findLastIndex(({id}) => id !== undefined && id <= after)
      for (const event of this.#ring.slice(place + 1)) if (chooses(watcher, event)) this.#say(watcher, event.text)
    }
  }

  #reset(watcher) {
    watcher.generation = undefined
    this.#say(watcher, `event: reset\nid: ${this.#sequence}\ndata: ${JSON.stringify({sequence: this.#sequence, isUp: this.#isUp})}\n\n`)
  }

  /** All of a book to who has nothing of it, what changed to the others: once made for all who get the same. */
  #tellBooks() {
    const begun = [...this.#watchers].filter(({incentive, waitsAfter}) => incentive !== undefined && waitsAfter === undefined)
    const watching = Map.groupBy(begun, ({incentive}) => incentive)
    this.#books.keep(watching)
    for (const [incentive, watchers] of watching) {
      const book = this.#books.at(incentive, this.#sequence)
      if (book === undefined) continue
      const news = book.takeNews()
      const levels = news === undefined ? undefined : eventText('levels', {incentive, ...news})
      let whole
      for (const watcher of watchers) {
        if (watcher.generation !== book.generation) {
          watcher.generation = book.generation
          whole ??= eventText('book', {incentive, ...book.whole()})
          this.#say(watcher, whole)
        } else if (levels !== undefined) this.#say(watcher, levels)
      }
    }
  }

  #pulse() {
    for (const watcher of this.#watchers) {
      if (watcher.told === this.#sequence || watcher.waitsAfter !== undefined) continue
      watcher.told = this.#sequence
      this.#say(watcher, eventText('pulse', {sequence: this.#sequence}, this.#sequence))
    }
  }

  #heartbeat() {
    const nowMs = performance.now()
    for (const watcher of this.#watchers) {
      if (watcher.endsAtMs < nowMs) watcher.out.end()
      else this.#say(watcher, 'event: alive\ndata: {}\n\n')
    }
  }

  #say({out}, text) {
    if (out.writableLength > WAITING_BYTES_MAX) out.destroy()
    else out.write(text)
  }
}

function chooses({incentive, account, waitsAfter}, event) {
  if (waitsAfter !== undefined) return false
  if (event.topic === 'order') return account !== undefined && event.account === account
  return incentive === undefined || event.incentive === incentive
}

function eventText(name, data, id) {
  return `event: ${name}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`
}
