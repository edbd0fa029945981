import {expect, test} from 'vitest'
import {DAY_MS, estimatePerDay, redemptionRecord} from '../../src/core/earning-estimate.ts'

const MIB = 2 ** 20
const LINE = {incentive: 'colibris/LEAF', requestsPerMillionMinor: 500, mibMsPerMillionMinor: 1, dailyBudgetMinor: 1_000_000}
const SPEC = {memoryBytes: 128 * MIB, cpuMillis: 500, scaleMax: 10}
const TERMS = {memoryBytes: 512 * MIB, cpuMillis: 1500, hours: null}
const SOFAR = {paidMinor: 70_000, overMs: 7 * DAY_MS, nodes: 2}

test('what was paid is shared by those who work for it, and the most is what fits the machine all day', () => {
  expect(estimatePerDay(LINE, SPEC, TERMS, SOFAR)).toEqual({expectedMinor: 5000, mostMinor: 33_177})
})

test.each([
  ['too little memory', {memoryBytes: 100 * MIB}, {expectedMinor: 0, mostMinor: 0}],
  ['eight hours a night', {hours: {fromMinute: 1320, toMinute: 360}}, {expectedMinor: 5000, mostMinor: 3 * 128 * 28.8}]
])('with %s', (_what, changes, expected) => {
  expect(estimatePerDay(LINE, SPEC, {...TERMS, ...changes}, SOFAR)).toEqual({
    expectedMinor: expected.expectedMinor,
    mostMinor: Math.floor(expected.mostMinor)
  })
})

test('a function never pays more than its daily budget, and one hour says nothing of a day', () => {
  const small = {...LINE, dailyBudgetMinor: 100}
  expect(estimatePerDay(small, SPEC, TERMS, SOFAR)).toEqual({expectedMinor: 100, mostMinor: 100})
  expect(estimatePerDay(LINE, SPEC, TERMS, {...SOFAR, overMs: 3_600_000, nodes: 1}).expectedMinor).toBe(70_000)
})

test('standing by is paid whatever demand is, as far as the daily budget goes round', () => {
  const standby = {...LINE, standbyMsPerMillionMinor: 100}
  expect(estimatePerDay(standby, SPEC, TERMS, {...SOFAR, paidMinor: 0})).toEqual({expectedMinor: 8640, mostMinor: 33_177})
  const night = {hours: {fromMinute: 1320, toMinute: 360}}
  expect(estimatePerDay(standby, SPEC, {...TERMS, ...night}, {...SOFAR, paidMinor: 0}).expectedMinor).toBe(2880)
  expect(estimatePerDay({...standby, dailyBudgetMinor: 9000}, SPEC, TERMS, {...SOFAR, paidMinor: 0})).toMatchObject({expectedMinor: 4500})
  expect(estimatePerDay(standby, SPEC, {...TERMS, cpuMillis: 100}, SOFAR)).toEqual({expectedMinor: 0, mostMinor: 0})
})

test('redemptions are judged by those that ended', () => {
  const at = (status: 'held' | 'captured' | 'released', ms: number | null) => ({status, requestedAtMs: 0, endedAtMs: ms})
  expect(redemptionRecord([at('captured', 10), at('captured', 40), at('captured', 20), at('released', 1), at('held', null)])).toEqual({
    captured: 3,
    released: 1,
    held: 1,
    capturedShare: 0.75,
    medianMs: 20
  })
  expect(redemptionRecord([])).toEqual({captured: 0, released: 0, held: 0, capturedShare: null, medianMs: null})
})
