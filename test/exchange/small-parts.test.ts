import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {ChangedLevels} from '../../src/core/exchange/changed-levels.ts'
import {bidHold, feeOf} from '../../src/core/exchange/escrow.ts'
import {ExpiryQueue} from '../../src/core/exchange/expiry-queue.ts'
import {OrderIndex} from '../../src/core/exchange/order-index.ts'
import {BUY, NONE, OrderPool, SELL} from '../../src/core/exchange/order-pool.ts'
import {PaidWindows} from '../../src/core/exchange/paid-windows.ts'
import {PriceLevels} from '../../src/core/exchange/price-levels.ts'
import {VolumeWindow} from '../../src/core/exchange/volume-window.ts'

describe('paid windows', () => {
  it('remember exactly what was added, in as few ranges as there are', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(60)), (numbers) => {
        const windows = new PaidWindows()
        for (const number of numbers) windows.add(number, number)
        const expected = new Set(numbers)
        for (let number = 0; number <= 61; number += 1) expect(windows.has(number)).toBe(expected.has(number))
        const ranges = [...expected].filter((number) => !expected.has(number - 1)).length
        expect(windows.ranges).toHaveLength(ranges)
      })
    )
  })
})

describe('the expiry queue', () => {
  it('gives the earliest first, and of one time the oldest', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), (times) => {
        const queue = new ExpiryQueue()
        for (const [seq, atMs] of times.entries()) queue.push({atMs, seq, what: 'order', id: String(seq)})
        const popped = times.map(() => queue.pop())
        const sorted = times
          .map((atMs, seq) => ({atMs, seq, what: 'order', id: String(seq)}))
          .sort((a, b) => a.atMs - b.atMs || a.seq - b.seq)
        expect(popped).toEqual(sorted)
        expect(queue.pop()).toBeUndefined()
      })
    )
  })
})

describe('the index of orders', () => {
  it('leads from every number that rests to its slot, and from no other, also where numbers collide and it grows', () => {
    // Of a few homes alone, so that runs are long; 2^32 apart they are the same.
    const number = fc.tuple(fc.nat(40), fc.nat(200)).map(([low, high]) => 1 + low + high * 2 ** 32)
    fc.assert(
      fc.property(fc.array(fc.record({seq: number, goes: fc.boolean()}), {maxLength: 3000, size: 'max'}), (steps) => {
        const pool = new OrderPool()
        const index = new OrderIndex(pool)
        const slots = new Map<number, number>()
        for (const {seq, goes} of steps) {
          const known = slots.get(seq)
          if (goes && known !== undefined) {
            expect(index.delete(known)).toBe(true)
            expect(index.delete(known)).toBe(false)
            slots.delete(seq)
            pool.give(known)
          } else if (!goes && known === undefined) {
            const slot = pool.take()
            pool.seq[slot] = seq
            index.add(slot)
            slots.set(seq, slot)
          }
        }
        for (const {seq} of steps) expect(index.find(seq)).toBe(slots.get(seq) ?? NONE)
      }),
      {numRuns: 30}
    )
  })
})

describe('the levels of one side', () => {
  /** Prices come in bursts and go in bursts, so that many levels are empty between others, more than may stay. */
  const burst = fc.record({
    comes: fc.boolean(),
    from: fc.nat(400),
    step: fc.integer({min: 1, max: 7}),
    count: fc.integer({min: 1, max: 200})
  })

  it.each([BUY, SELL] as const)('are those that orders rest at, best first, however many have emptied between them (side %i)', (side) => {
    fc.assert(
      fc.property(fc.array(burst, {maxLength: 12}), (bursts) => {
        const pool = new OrderPool()
        const levels = new PriceLevels(pool, side, new ChangedLevels())
        const resting = new Map<number, number[]>()
        for (const {comes, from, step, count} of bursts) {
          for (let index = 0; index < count; index += 1) {
            const price = 1 + from + index * step
            const queue = resting.get(price) ?? []
            if (comes) queue.push(restingAt(pool, levels, price))
            else for (const slot of queue.splice(0)) levels.remove(slot)
            resting.set(price, queue)
          }
          const there = [...resting].filter(([, queue]) => queue.length > 0)
          const expected = there.sort(([a], [b]) => (side === BUY ? b - a : a - b)).map(([price, [head]]) => [price, head])
          expect(walked(levels)).toEqual(expected)
          expect([levels.count, levels.bestPriceMicroGutta]).toEqual([expected.length, expected[0]?.[0]])
        }
      }),
      {seed: 20261123}
    )
  })
})

function restingAt(pool: OrderPool, levels: PriceLevels, price: number): number {
  const slot = pool.take()
  pool.priceMicroGutta[slot] = price
  pool.remaining[slot] = 1
  levels.append(slot)
  return slot
}

/** Price and oldest order of each level. */
function walked(levels: PriceLevels): [number, number][] {
  const met: [number, number][] = []
  for (let place = levels.best; place !== NONE; place = levels.worse(place)) met.push([levels.priceAt(place), levels.headAt(place)])
  return met
}

describe('the volume window', () => {
  it('counts the current bucket and the full ones before it', () => {
    const moment = fc.record({afterMs: fc.nat(25), notional: fc.nat(1000)})
    fc.assert(
      fc.property(fc.array(moment, {minLength: 1}), (moments) => {
        const window = new VolumeWindow({bucketMs: 10, fullBuckets: 3})
        const traded: {atMs: number; notional: number}[] = []
        let nowMs = 0
        for (const {afterMs, notional} of moments) {
          nowMs += afterMs
          window.add(nowMs, notional)
          traded.push({atMs: nowMs, notional})
          const inside = traded.filter(({atMs}) => Math.floor(atMs / 10) >= Math.floor(nowMs / 10) - 3)
          expect(window.used(nowMs)).toBe(inside.reduce((sum, trade) => sum + trade.notional, 0))
        }
      })
    )
  })
})

describe('escrow', () => {
  it('always covers what the rest of a bid can still cost, however it is filled', () => {
    const terms = fc.record({
      limit: fc.integer({min: 1, max: 1e6}),
      ppm: fc.nat(100_000),
      fills: fc.array(fc.record({lots: fc.integer({min: 1, max: 1e6}), better: fc.nat(1e6)}))
    })
    fc.assert(
      fc.property(terms, ({limit, ppm, fills}) => {
        let left = fills.reduce((sum, fill) => sum + fill.lots, 0)
        for (const {lots, better} of fills) {
          const freed = bidHold(limit, left, ppm) - bidHold(limit, left - lots, ppm)
          const notional = Math.max(1, limit - better) * lots
          expect(freed).toBeGreaterThanOrEqual(notional + feeOf(notional, ppm))
          left -= lots
        }
      })
    )
  })
})
