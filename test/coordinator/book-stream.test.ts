import {Writable} from 'node:stream'
import fc from 'fast-check'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {EventRing} from '../../src/coordinator/events/event-ring.ts'
import {wholeBook} from '../../src/coordinator/events/market-events.ts'
import {Watcher} from '../../src/coordinator/events/watcher.ts'
import {LastingReads} from '../../src/coordinator/lasting-reads.ts'
import {KeptBook} from '../../src/core/kept-book.ts'
import {BOOK_LEVELS_MAX} from '../../src/core/protocol/api.ts'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import {EVENT_SCHEMAS} from '../../src/core/protocol/events.ts'
import {LedgerWorld} from '../ledger/ledger-world.ts'
import {orderOf} from '../ledger/orders.ts'

const IS_LONG = (process.env.CREO_TEST_TIER ?? 'short') !== 'short'
const RUNS = IS_LONG ? 40 : 2
const LEAF = 'acme/LEAF'
/** More levels than a book shows at once. */
const PRICES = 260
const LOWEST = 1000

let world: LedgerWorld
let ring: EventRing
let follower: Follower | undefined

beforeAll(async () => {
  world = await LedgerWorld.make()
  await world.settle()
  await world.must('operator', {type: 'allot', account: world.accounts.get('acme') ?? '', amountMicroGutta: 1_000_000_000})
  await world.must('acme', orderOf('sell', 20_000, 1))
  await world.must('ann', orderOf('buy', 20_000, 1))
  const {reads} = world.ledger
  ring = new EventRing(world.ledger.sequence, {reads, lasting: new LastingReads(reads)})
  world.ledger.onCommitted((group) => {
    ring.add(group)
    follower?.advance()
  })
})
afterAll(() => world.remove())

/** Whoever reads one stream of a market's book and keeps the book by it, as a page would. */
class Follower {
  readonly kept = new KeptBook()
  lastId: number | undefined
  resets = 0
  #watcher: Watcher | undefined
  #out: Writable | undefined

  open(after = this.lastId): void {
    this.#out = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        for (const block of String(chunk).split('\n\n')) this.#take(block)
        done()
      }
    })
    const query = {topic: ['books' as const], incentive: LEAF}
    const whole = {wholeBook: () => wholeBook(world.ledger.reads, LEAF)}
    const watch = {query, after, account: undefined, address: 'here', mayRead: () => true, ...whole, out: this.#out}
    this.#watcher = new Watcher(watch, ring, performance.now())
  }

  advance(): void {
    this.#watcher?.advance()
  }

  /** What comes meanwhile is not heard. */
  cut(): void {
    this.#watcher = undefined
    this.#out?.destroy()
  }

  #take(block: string): void {
    const fields = new Map(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]))
    const id = fields.get('id')
    if (id !== undefined) this.lastId = Number(id)
    if (fields.get('event') === 'reset') {
      this.resets += 1
      this.kept.forget()
    }
    if (fields.get('event') === 'book') this.kept.take(EVENT_SCHEMAS.book.parse(JSON.parse(fields.get('data') ?? '')))
  }
}

const trader = fc.constantFrom('acme', 'ann', 'bob')
const price = fc.nat(PRICES - 1)
const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('order' as const),
      trader,
      side: fc.constantFrom('buy' as const, 'sell' as const),
      price,
      lots: fc.integer({min: 1, max: 9})
    })
  },
  {weight: 2, arbitrary: fc.record({do: fc.constant('replace' as const), trader, price, lots: fc.integer({min: 1, max: 9})})},
  {weight: 1, arbitrary: fc.record({do: fc.constant('cancel' as const), trader, price})},
  {weight: 3, arbitrary: fc.record({do: fc.constant('wait' as const)})},
  {weight: 1, arbitrary: fc.record({do: fc.constant('cut' as const)})},
  {weight: 1, arbitrary: fc.record({do: fc.constant('forget' as const)})}
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** Bids mostly below, asks mostly above, so that both sides are deep. */
function bodyOf(next: Extract<Step, {do: 'order' | 'replace' | 'cancel'}>): {who: string; body: CommandBody} {
  const [open] = world.ledger.reads.orders({account: world.accounts.get(next.trader) ?? '', status: 'open', limit: 1})
  const order = open?.id ?? 'ord_1'
  if (next.do === 'cancel') return {who: next.trader, body: next.price % 20 === 0 ? {type: 'orders.cancel'} : {type: 'order.cancel', order}}
  if (next.do === 'replace') return {who: next.trader, body: {type: 'order.replace', order, lots: next.lots, selfTrade: 'cancel-oldest'}}
  const away = next.price % 9 === 0 ? 0 : PRICES
  const priceMicroGutta = LOWEST + next.price + (next.side === 'sell' ? away : 0)
  return {who: next.trader, body: {...orderOf(next.side, next.lots, priceMicroGutta), selfTrade: 'cancel-oldest'}}
}

/** Up to the last group, which is told once the projections have it. */
async function caughtUp(): Promise<void> {
  await world.ledger.projected(world.ledger.sequence, world.signal)
  await new Promise(setImmediate)
}

function expectSame({kept}: Follower): void {
  const [real, own] = [world.ledger.reads.book(LEAF), kept.view()]
  for (const side of ['bids', 'asks'] as const) {
    const known = own?.[side] ?? []
    expect(known).toEqual(real[side].slice(0, known.length))
    if (known.length < real[side].length) expect(kept.isShallow(known.length + 1)).toBe(true)
  }
}

describe('a book that is kept from what is told of it', () => {
  it('is the real one after each group, over cuts, resets and new beginnings, with more levels than are shown', async () => {
    const seen = {shallow: 0, deep: 0, resets: 0}
    const lives = fc.asyncProperty(fc.array(step, {minLength: 200, maxLength: 200}), async (steps) => {
      await Promise.all(['acme', 'ann', 'bob'].map((name) => world.must(name, {type: 'orders.cancel'})))
      follower = new Follower()
      follower.open()
      const ladder = Array.from({length: BOOK_LEVELS_MAX + 10}, (_, index) => index * 2)
      const firsts = ladder.flatMap((at) => [
        world.submit(world.sign('ann', orderOf('sell', 1, LOWEST + 2 * PRICES + at))),
        world.submit(world.sign('bob', orderOf('buy', 1, LOWEST - at)))
      ])
      const sent: Promise<unknown>[] = [...firsts]
      for (const next of steps) {
        if (next.do === 'wait') {
          await Promise.all(sent.splice(0))
          await caughtUp()
          expectSame(follower)
          if (follower.kept.isShallow(BOOK_LEVELS_MAX)) {
            seen.shallow += 1
            follower.kept.take({...world.ledger.reads.book(LEAF), whole: true})
            expectSame(follower)
          }
        } else if (next.do === 'cut') {
          follower.cut()
          await Promise.all(sent.splice(0))
          await caughtUp()
          follower.open()
          expectSame(follower)
        } else if (next.do === 'forget') {
          // Of a process that does not know what came before: it says so, and begins anew.
          follower.cut()
          await Promise.all(sent.splice(0))
          await caughtUp()
          ring.forget(world.ledger.sequence)
          follower.open((follower.lastId ?? 1) - 1)
          expectSame(follower)
        } else {
          const {who, body} = bodyOf(next)
          sent.push(world.submit(world.sign(who, body)))
        }
      }
      await Promise.all(sent.splice(0))
      await caughtUp()
      expectSame(follower)
      if ((follower.kept.view()?.bids.length ?? 0) === BOOK_LEVELS_MAX) seen.deep += 1
      seen.resets += follower.resets
      follower.cut()
    })
    await fc.assert(lives, {numRuns: RUNS, endOnFailure: true})
    // Two lives may have none of these.
    if (IS_LONG) expect(Math.min(seen.resets, seen.deep, seen.shallow)).toBeGreaterThan(0)
  })
})
