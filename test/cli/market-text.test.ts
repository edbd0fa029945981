import {stripVTControlCharacters} from 'node:util'
import {expect, it} from 'vitest'
import {auctionText, depthText, indicativeText, sparkline, tickerText} from '../../src/cli/market-text.ts'

const bids = [
  {price: '0.5', amount: '10'},
  {price: '0.45', amount: '30'}
]
const asks = [
  {price: '0.6', amount: '5'},
  {price: '0.75', amount: '15'}
]
const day = {high: '0.6', low: '0.5', amount: '30', gutta: '16.5', trades: 2, changePercent: 20}

it('draws a book with the best prices in the middle, and how much there is down to each', () => {
  const lines = stripVTControlCharacters(depthText({bids, asks}, {width: 80, levels: 10})).split('\n')
  expect(lines).toEqual([
    `sell  0.75  15  ${'█'.repeat(12)}`,
    `sell   0.6   5  ${'█'.repeat(3)}`,
    `buy    0.5  10  ${'█'.repeat(6)}`,
    `buy   0.45  30  ${'█'.repeat(24)}`
  ])
})

it.each([20, 24, 40])('keeps a book within a window of %i columns, and to the levels that are asked for', (width) => {
  const lines = stripVTControlCharacters(depthText({bids, asks}, {width, levels: 1})).split('\n')
  expect(lines.map((line) => line.slice(0, 4))).toEqual(['sell', 'buy '])
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(width)
})

it('draws a book that has one side', () => {
  expect(stripVTControlCharacters(depthText({bids: [], asks}, {width: 80, levels: 10})).split('\n')).toHaveLength(2)
})

it('draws prices between the lowest and the highest, and equal ones flat', () => {
  expect(sparkline([1, 2, 8])).toBe('▁▂█')
  expect(sparkline([3, 3])).toBe('▁▁')
})

it.each([
  [{last: null, lastAt: null, day: null}, 'Nothing was traded yet.'],
  [{last: '0.5', lastAt: '', day: null}, '0.5 Gutta; nothing was traded within 24 hours.'],
  [{last: '0.6', lastAt: '', day}, '0.6 Gutta, +20 % in 24 hours: 2 trades, 30 for 16.5 Gutta, 0.5 to 0.6'],
  [
    {last: '0.5', lastAt: '', day: {...day, high: '0.5', trades: 1, changePercent: -2.5}},
    '0.5 Gutta, -2.5 % in 24 hours: 1 trade, 30 for 16.5 Gutta, at 0.5'
  ]
])('says what a market has done', (ticker, said) => {
  expect(tickerText({phase: 'continuous', auctionEnds: null, ...ticker})).toBe(said)
})

it('says until when a market gathers orders, and nothing of one that trades', () => {
  const auctionEnds = '2026-11-23T09:30:00.000Z'
  expect(auctionText({phase: 'opening', auctionEnds})).toBe(
    'In its opening auction until 2026-11-23 09:30:00 UTC: orders gather, and then trade at one price.'
  )
  expect(auctionText({phase: 'auction', auctionEnds})).toMatch(/^In an auction until /)
  expect(auctionText({phase: 'continuous', auctionEnds: null})).toBeUndefined()
})

it('says what an auction would do if it ended now', () => {
  const book = {incentive: 'colibris/LEAF', phase: 'opening', auctionEnds: null, bids: [], asks: []} as const
  const indicative = {price: '0.5', amount: '30', left: '4', leftSide: 'buy'} as const
  expect(indicativeText({...book, indicative})).toBe('If it ended now: 30 at 0.5; 4 more wanted at that price.')
  expect(indicativeText({...book, indicative: {...indicative, left: '0', leftSide: null}})).toBe('If it ended now: 30 at 0.5.')
  expect(indicativeText({...book, indicative: null})).toBe('If it ended now, nothing would trade.')
  const crossed = {bids: [{price: '10', amount: '1'}], asks: [{price: '9', amount: '1'}]}
  expect(indicativeText({...book, ...crossed, indicative: null})).toBeUndefined()
  expect(indicativeText({...book, phase: 'continuous', indicative: null})).toBeUndefined()
})
