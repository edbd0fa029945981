import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {orderChoice} from '../../src/cli/order-flags.ts'
import {amountOfLots, lotsFrom, priceFrom, priceText} from '../../src/core/market-units.ts'

const LEAF = {id: 'colibris/LEAF', decimals: 2, lotMinor: 100}
const units = fc.record({
  id: fc.constant('org/CODE'),
  decimals: fc.integer({min: 0, max: 6}),
  lotMinor: fc.integer({min: 1, max: 1_000_000})
})

describe('lots and prices', () => {
  it.each([
    ['4', 4],
    ['4.00', 4],
    ['100000', 100_000]
  ])('%s LEAF are %i lots', (text, lots) => {
    expect(lotsFrom(text, LEAF)).toBe(lots)
  })

  it.each([
    ['0.5', LEAF, 500_000],
    ['0.000001', LEAF, 1],
    ['1', {...LEAF, lotMinor: 25}, 250_000],
    ['3', {...LEAF, decimals: 0, lotMinor: 7}, 21_000_000]
  ])('%s Gutta per 1.00 are micro-gutta per lot', (text, market, price) => {
    expect(priceFrom(text, market)).toBe(price)
  })

  it.each([
    ['0', 'above zero'],
    ['-1', 'is not an amount'],
    ['0.0000001', 'is not an amount'],
    ['1e3', 'is not an amount'],
    ['99999999999999999', 'is not an amount']
  ])('refuse %s', (text, why) => {
    expect(() => priceFrom(text, LEAF)).toThrow(expect.objectContaining({code: 'invalid_input', message: expect.stringContaining(why)}))
    expect(() => lotsFrom(text, LEAF)).toThrow(expect.objectContaining({code: 'invalid_input'}))
  })

  it('name the nearest prices when a lot would cost a fraction of a micro-gutta', () => {
    const market = {id: 'org/CODE', decimals: 1, lotMinor: 1}
    expect(() => priceFrom('0.000015', market)).toThrow(expect.objectContaining({hint: 'Choose 0.00001 or 0.00002.'}))
  })

  it('read back as they were written, or are refused', () => {
    fc.assert(fc.property(units, fc.integer({min: 1, max: 1e9}), (market, lots) => lotsFrom(amountOfLots(lots, market), market) === lots))
    fc.assert(
      fc.property(units, fc.integer({min: 1, max: 1e9}), (market, micro) => {
        const text = (micro / 1e6).toFixed(6)
        try {
          return Number(priceText(priceFrom(text, market), market)) === Number(text)
        } catch (error) {
          return (error as {code?: string}).code === 'invalid_input'
        }
      })
    )
  })
})

describe('the flags of a trade', () => {
  const none = {market: false, 'post-only': false, tif: undefined, expires: undefined, 'self-trade': 'cancel-newest'} as const
  it.each([
    [none, {kind: 'limit', timeInForce: 'GTC', lifetimeMs: undefined}],
    [
      {...none, market: true},
      {kind: 'market', timeInForce: 'IOC', lifetimeMs: undefined}
    ],
    [
      {...none, 'post-only': true},
      {kind: 'post-only', timeInForce: 'GTC', lifetimeMs: undefined}
    ],
    [{...none, tif: 'GTT', expires: '1h'} as const, {kind: 'limit', timeInForce: 'GTT', lifetimeMs: 3_600_000}],
    [{...none, 'self-trade': 'cancel-both'} as const, {kind: 'limit', timeInForce: 'GTC', selfTrade: 'cancel-both'}]
  ])('%o mean %o', (flags, order) => {
    expect(orderChoice(flags)).toEqual(order)
  })
})
