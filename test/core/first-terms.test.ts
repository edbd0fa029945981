import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {firstRewards, firstTerms, type PaidFunction, perMonthFrom} from '../../src/core/first-terms.ts'
import {mulDivFloor, parseDecimal} from '../../src/core/units.ts'

const MIB = 2 ** 20
const DAY_MILLION_MS = 86.4
const SITE: PaidFunction = {name: 'site', memoryBytes: 128 * MIB, scaleMax: 4, concurrency: 50}

describe('the terms of a first incentive', () => {
  it.each([
    [1, {decimals: 6, supply: '120', lot: '0.01', tickGutta: '0.0001', limitGutta: '1', stock: 120, firstMonth: '1'}],
    [1000, {decimals: 6, supply: '120000', lot: '0.01', tickGutta: '0.0001', limitGutta: '100', stock: 120_000, firstMonth: '1000'}],
    [
      250_000,
      {decimals: 3, supply: '30000000', lot: '0.01', tickGutta: '0.0001', limitGutta: '25000', stock: 30_000_000, firstMonth: '250000'}
    ],
    [
      1_000_000_000,
      {
        decimals: 2,
        supply: '120000000000',
        lot: '0.01',
        tickGutta: '0.0001',
        limitGutta: '100000000',
        stock: 1_000_000_000,
        firstMonth: '1000000000'
      }
    ]
  ])('of %d a month', (perMonth, terms) => {
    expect(firstTerms(perMonth, [SITE])).toEqual(terms)
  })

  it('have as many decimals as the amounts that stand in the manifest', () => {
    expect(firstTerms(250_000, [], 5).decimals).toBe(5)
    expect(firstTerms(250_000, []).decimals).toBe(2)
  })

  it.each(['0', '-1', '1.5', '', 'many', '1000000001'])('are none for "%s" a month', (text) => {
    expect(() => perMonthFrom(text)).toThrow(expect.objectContaining({code: 'invalid_input', hint: expect.any(String)}))
  })

  it('are there for a whole number', () => {
    expect(perMonthFrom('500')).toBe(500)
  })

  it('are none when the amounts in the manifest are too fine for the supply', () => {
    expect(() => firstTerms(1_000_000_000, [SITE], 6)).toThrow(expect.objectContaining({code: 'invalid_input'}))
  })
})

it('pays a site of 1000 a month by these rates', () => {
  expect([...firstRewards(1000, [SITE, {...SITE, name: 'api', memoryBytes: 384 * MIB}], 6)]).toEqual([
    ['site', {perMillion: {requests: '0.004822', mibMs: '0.000113', standbyMs: '0.007233'}, dailyBudget: '8.333333'}],
    ['api', {perMillion: {requests: '0.014467', mibMs: '0.000113', standbyMs: '0.021701'}, dailyBudget: '24.999999'}]
  ])
})

it('promises nothing that is less than the least there is', () => {
  const four = ['a', 'b', 'c', 'd'].map((name, at) => ({...SITE, name, scaleMax: at === 0 ? 1000 : 1}))
  expect(() => firstRewards(10, four, 0)).toThrow(
    expect.objectContaining({code: 'invalid_input', hint: expect.stringContaining('Give 120 a month or more')})
  )
  expect([...firstRewards(120, four, 0).values()].map(({dailyBudget}) => dailyBudget)).toEqual(['1', '1', '1', '1'])
  expect(() => firstRewards(119, four, 0)).toThrow()
})

const paidFunction = fc.record({
  name: fc.uuid(),
  memoryBytes: fc.integer({min: 16 * MIB, max: 64 * 1024 * MIB}),
  scaleMax: fc.integer({min: 1, max: 1000}),
  concurrency: fc.integer({min: 1, max: 1000})
})

it('promises no more than was said, and a day of full use costs no more than the day has', () => {
  fc.assert(
    fc.property(fc.integer({min: 1, max: 1_000_000_000}), fc.array(paidFunction, {minLength: 1, maxLength: 8}), (perMonth, functions) => {
      const {decimals, supply, lot} = firstTerms(perMonth, functions)
      expect(parseDecimal(supply, decimals) % parseDecimal(lot, decimals)).toBe(0)
      const minor = (text: string): number => parseDecimal(text, decimals)
      const rewards = firstRewards(perMonth, functions, decimals)
      const daily = [...rewards.values()].reduce((sum, {dailyBudget}) => sum + minor(dailyBudget), 0)
      expect(daily).toBeLessThanOrEqual(mulDivFloor(perMonth, 10 ** decimals, 30).quotient)
      for (const {name, memoryBytes, scaleMax, concurrency} of functions) {
        const {perMillion, dailyBudget} = rewards.get(name) ?? {perMillion: {requests: '', mibMs: '', standbyMs: ''}, dailyBudget: ''}
        const running = minor(perMillion.mibMs) * scaleMax * Math.ceil(memoryBytes / MIB) * DAY_MILLION_MS
        const standby = minor(perMillion.standbyMs) * Math.max(2, scaleMax) * DAY_MILLION_MS
        const requests = minor(perMillion.requests) * scaleMax * concurrency * (DAY_MILLION_MS / 100)
        // The least rate there is may be more than a few items a month are worth.
        const least = minor(perMillion.mibMs) === 1 ? running : 0
        expect(running + standby + requests).toBeLessThanOrEqual(minor(dailyBudget) * (1 + 1e-9) + least)
      }
    }),
    {numRuns: 300}
  )
})
