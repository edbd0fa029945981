import Database from 'better-sqlite3'
import {afterAll, beforeAll, describe, expect, it, onTestFinished} from 'vitest'
import {CANDLE_SPANS, type CandleSpan, candleSpans} from '../../src/core/candle-spans.ts'
import type {Candle} from '../../src/core/protocol/market-data.ts'
import {CandleWriter} from '../../src/ledger/candles.ts'
import {MarketDataReads} from '../../src/ledger/market-data-reads.ts'
import {createProjectionTables} from '../../src/ledger/projection-schema.ts'
import {LedgerWorld} from './ledger-world.ts'
import {orderOf} from './orders.ts'

const LEAF = 'acme/LEAF'
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const ALL = 1000
/** So often 2^53 - 1 is more than 2^63. */
const REDEMPTIONS = 1030

let world: LedgerWorld
beforeAll(async () => {
  world = await LedgerWorld.make()
  await world.settle()
})
afterAll(() => world.remove())

/** So many lots change hands at this price. */
async function trade(lots: number, price: number): Promise<void> {
  await world.must('acme', orderOf('sell', lots, price))
  await world.must('ann', orderOf('buy', lots, price))
}

/** Straight from the list of trades, by the definition. */
function candlesOf(span: CandleSpan): Candle[] {
  const oldestFirst = world.ledger.reads.trades(LEAF, {limit: ALL}).reverse()
  const {ms} = CANDLE_SPANS[span]
  return [...Map.groupBy(oldestFirst, ({atMs}) => Math.floor(atMs / ms) * ms)].reverse().map(([startMs, trades]) => {
    const prices = trades.map(({priceMicroGutta}) => priceMicroGutta)
    return {
      startMs,
      openMicroGutta: prices[0] ?? 0,
      highMicroGutta: Math.max(...prices),
      lowMicroGutta: Math.min(...prices),
      closeMicroGutta: prices.at(-1) ?? 0,
      lots: trades.reduce((sum, {lots}) => sum + lots, 0),
      notionalMicroGutta: trades.reduce((sum, one) => sum + one.lots * one.priceMicroGutta, 0),
      trades: trades.length
    }
  })
}

describe('market data', () => {
  it('of a market without trades says that there are none', () => {
    const {reads} = world.ledger
    expect(reads.ticker(LEAF)).toEqual({incentive: LEAF, last: null, bestBidMicroGutta: null, bestAskMicroGutta: null, day: null})
    expect(reads.candles({incentive: LEAF, span: '1h', limit: ALL})).toEqual([])
    expect(reads.redemptionRecord(LEAF)).toMatchObject({held: 0, captured: 0, released: 0, capturedPermille: null, medianCaptureMs: null})
  })

  it('has the candles that its trades make, of each span, also when several come at once', async () => {
    const steps = [1, 20, 45, 3 * 60, 61, 2, 1, 26 * 60]
    for (const [number, minutes] of steps.entries()) {
      world.nowMs += minutes * MINUTE_MS
      await trade(1 + number, 1000 + ((number * 37) % 11))
      const asks = [7, 5, 6].map((lots, index) => world.submit(world.sign('acme', orderOf('sell', lots, 1000 + index + number))))
      await Promise.all(asks)
      await world.must('ann', orderOf('buy', 18, 1100))
    }
    const {reads} = world.ledger
    for (const span of candleSpans) expect(reads.candles({incentive: LEAF, span, limit: ALL}), span).toEqual(candlesOf(span))
    const [newest, older] = reads.candles({incentive: LEAF, span: '1h', limit: 2})
    expect(reads.candles({incentive: LEAF, span: '1h', limit: 1, beforeMs: newest?.startMs ?? 0})).toEqual([older])
  })

  it('tells the last price, the best ones, and how the last 24 hours began', async () => {
    const {reads} = world.ledger
    world.nowMs += 3 * 24 * HOUR_MS
    await trade(2, 900)
    world.nowMs += 24 * HOUR_MS + MINUTE_MS
    expect(reads.ticker(LEAF)).toMatchObject({last: {priceMicroGutta: 900}, day: null})
    await trade(3, 990)
    world.nowMs += HOUR_MS
    await trade(4, 950)
    await world.must('ann', orderOf('buy', 1, 940))
    await world.must('acme', orderOf('sell', 1, 960))
    expect(reads.ticker(LEAF)).toEqual({
      incentive: LEAF,
      last: {priceMicroGutta: 950, atMs: world.nowMs},
      bestBidMicroGutta: 940,
      bestAskMicroGutta: 960,
      day: {
        beforeMicroGutta: 900,
        highMicroGutta: 990,
        lowMicroGutta: 950,
        lots: 7,
        notionalMicroGutta: 3 * 990 + 4 * 950,
        trades: 2
      }
    })
  })

  it('forgets candles of a span once they are older than what is kept of it', async () => {
    const {reads} = world.ledger
    const hours = reads.candles({incentive: LEAF, span: '1h', limit: ALL}).length
    world.nowMs += CANDLE_SPANS['5m'].kept * CANDLE_SPANS['5m'].ms + HOUR_MS
    await trade(1, 1000)
    expect(reads.candles({incentive: LEAF, span: '1m', limit: ALL})).toHaveLength(1)
    expect(reads.candles({incentive: LEAF, span: '5m', limit: ALL})).toHaveLength(1)
    expect(reads.candles({incentive: LEAF, span: '1h', limit: ALL})).toHaveLength(hours + 1)
  })

  it('records what became of redemptions, and how soon', async () => {
    const {reads} = world.ledger
    const offer = reads.offers({incentive: LEAF})[0]?.id ?? ''
    for (const [status, tookMs] of [
      ['captured', 4000],
      ['released', 9000],
      ['captured', 1000],
      ['captured', 2000]
    ] as const) {
      const {redemption} = await world.must('ann', {type: 'redemption.request', offer, quantity: 1})
      world.nowMs += tookMs
      await world.must('acme', {type: status === 'captured' ? 'redemption.capture' : 'redemption.release', redemption: String(redemption)})
    }
    await world.must('ann', {type: 'redemption.request', offer, quantity: 1})
    expect(reads.redemptionRecord(LEAF)).toEqual({
      incentive: LEAF,
      held: 1,
      captured: 3,
      released: 1,
      capturedMinor: 3 * 250,
      capturedPermille: 750,
      medianCaptureMs: 2000
    })
  })

  it('goes on where a whole supply is redeemed again and again, more often than a sum of it has room', async () => {
    const {ledger} = world
    const supplyMinor = Number.MAX_SAFE_INTEGER
    const terms = {
      code: 'BIG',
      name: 'Big',
      decimals: 0,
      lotMinor: 1,
      supplyMinor,
      tradeVolumeLimitMicroGutta: 1,
      captured: 'return'
    } as const
    const firstOffer = {item: 'all of it', priceMinor: supplyMinor, stock: 1_000_000, where: 'in-app'} as const
    const {offer} = await world.must('acme', {type: 'incentive.issue', ...terms, transferable: false, firstOffer})
    const answers: Promise<{readonly status: string}>[] = []
    for (let made = 0; made < 2 * REDEMPTIONS; made += 1) {
      const redemption = `red_${ledger.sequence + ledger.queued + 1}`
      const end = made < REDEMPTIONS ? 'redemption.capture' : 'redemption.release'
      answers.push(world.submit(world.sign('acme', {type: 'redemption.request', offer: String(offer), quantity: 1})))
      answers.push(world.submit(world.sign('acme', {type: end, redemption})))
    }
    for (const answer of await Promise.all(answers)) expect(answer.status).toBe('applied')
    await world.close()
    await world.open()
    expect(world.ledger.reads.redemptionRecord('acme/BIG')).toMatchObject({
      captured: REDEMPTIONS,
      released: REDEMPTIONS,
      capturedMinor: supplyMinor
    })
  })
})

it('keeps the sums of a candle within what an amount can be, however much was traded in its span', () => {
  const database = new Database(':memory:')
  onTestFinished(() => void database.close())
  createProjectionTables(database, 'a'.repeat(64))
  const candles = new CandleWriter(database)
  const trade = {incentive: LEAF, priceMicroGutta: 1, lots: Number.MAX_SAFE_INTEGER, atMs: MINUTE_MS}
  for (let group = 0; group < 3; group += 1) {
    for (let each = 0; each < 1100; each += 1) candles.add(trade)
    candles.flush()
  }
  candles.add({...trade, atMs: 2 * MINUTE_MS})
  candles.flush()
  const reads = new MarketDataReads(database, {now: () => HOUR_MS})
  const [, first] = reads.candles({incentive: LEAF, span: '1m', limit: 2})
  expect(first).toMatchObject({lots: Number.MAX_SAFE_INTEGER, notionalMicroGutta: Number.MAX_SAFE_INTEGER, trades: 3300})
  expect(reads.ticker(LEAF).day).toMatchObject({lots: Number.MAX_SAFE_INTEGER, notionalMicroGutta: Number.MAX_SAFE_INTEGER, trades: 3301})
})
