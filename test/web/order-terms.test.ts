import {expect, test} from 'vitest'
import {keepsPlace, previewOrder, readTicket, type Ticket, timesOf} from '../../web/src/market/order-terms.ts'
import {nextRelease} from '../../web/src/market/volume-state.ts'

const LEAF = {decimals: 2, lotMinor: 10}
const TICKET: Ticket = {side: 'buy', kind: 'limit', time: 'GTC', amount: '2.5', price: '1.5', hours: '24', selfTrade: 'stop'}
const FEES = {takerPpm: 2000, makerPpm: 0}
const ASKS = [
  {priceMicroGutta: 100_000, lots: 10},
  {priceMicroGutta: 150_000, lots: 10},
  {priceMicroGutta: 160_000, lots: 10}
]

test('what is typed becomes lots and micro-gutta a lot, exactly or not at all', () => {
  expect(readTicket(TICKET, LEAF, 'en')).toEqual({lots: 25, priceMicroGutta: 150_000})
  expect(readTicket({...TICKET, amount: '2,5', price: '1,5'}, LEAF, 'fr')).toEqual({lots: 25, priceMicroGutta: 150_000})
  const wrong = (part: Partial<Ticket>): unknown => readTicket({...TICKET, ...part}, LEAF, 'en')
  expect([wrong({amount: '2.55'}), wrong({amount: ''}), wrong({amount: '-1'}), wrong({price: '0'})]).toEqual(
    ['lot', 'amount', 'amount', 'price'].map((problem) => ({problem}))
  )
  expect(wrong({price: '0.000005'})).toEqual({problem: 'step'})
  expect(wrong({price: '0.0000001'})).toEqual({problem: 'step'})
  expect(wrong({amount: '1.0000001'})).toEqual({problem: 'lot'})
  expect(wrong({amount: '90071992547409.9', price: '1000'})).toEqual({problem: 'large'})
  expect(wrong({time: 'GTT', hours: '0'})).toEqual({problem: 'hours'})
})

test('only settings that the market takes can be chosen together', () => {
  expect([timesOf('market'), timesOf('post-only'), timesOf('limit')]).toEqual([
    ['IOC', 'FOK'],
    ['GTC', 'GTT'],
    ['GTC', 'GTT', 'IOC', 'FOK']
  ])
})

test('a preview takes the best prices up to its own, and says what is left of it', () => {
  const order = {lots: 25, priceMicroGutta: 150_000}
  expect(previewOrder(TICKET, order, ASKS, FEES)).toEqual({
    filledLots: 20,
    restingLots: 5,
    notionalMicroGutta: 2_500_000,
    feeMicroGutta: 5_000,
    heldMicroGutta: 3_757_500
  })
  expect(previewOrder({...TICKET, time: 'IOC'}, order, ASKS, FEES)).toMatchObject({filledLots: 20, restingLots: 0})
  expect(previewOrder({...TICKET, time: 'FOK'}, order, ASKS, FEES)).toMatchObject({
    filledLots: 0,
    restingLots: 0,
    notionalMicroGutta: 0,
    feeMicroGutta: 0
  })
  expect(previewOrder({...TICKET, kind: 'post-only'}, order, ASKS, FEES)).toMatchObject({filledLots: 0, restingLots: 25})
  expect(previewOrder({...TICKET, side: 'sell'}, order, [{priceMicroGutta: 149_999, lots: 9}], FEES)).toMatchObject({
    filledLots: 0,
    restingLots: 25
  })
})

test('trade volume is released when the oldest bucket that counts leaves the window', () => {
  const hour = 3_600_000
  const rule = {bucketMs: hour, buckets: 24}
  const now = 100 * hour + 5
  const traded = (hours: number, notionalMicroGutta: number) => ({startMs: hours * hour, notionalMicroGutta})
  expect(nextRelease([], rule, now)).toBeUndefined()
  expect(nextRelease([traded(75, 9)], rule, now)).toBeUndefined()
  expect(nextRelease([traded(100, 7), traded(76, 3), traded(75, 9)], rule, now)).toEqual({atMs: 101 * hour, microGutta: 3})
  const byMinutes = [0, 1, 60].map((minute) => ({startMs: 90 * hour + minute * 60_000, notionalMicroGutta: 2}))
  expect(nextRelease(byMinutes, rule, now)).toEqual({atMs: 115 * hour, microGutta: 4})
})

test('an order that is replaced keeps its place at the same price, when it does not grow', () => {
  const before = {priceMicroGutta: 100, lots: 10}
  const kept = [10, 9, 11].map((lots) => keepsPlace(before, {priceMicroGutta: 100, lots}))
  expect([...kept, keepsPlace(before, {priceMicroGutta: 99, lots: 9})]).toEqual([true, true, false, false])
})
