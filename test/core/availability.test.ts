import {describe, expect, test} from 'vitest'
import {
  capExceeded,
  dataUsed,
  decideAvailability,
  formatHours,
  hasDataRoom,
  monthOf,
  type OwnerTerms,
  parseHours,
  parseMonthlyData,
  type Readings
} from '../../src/core/availability.ts'

const GB = 1_000_000_000
const TERMS: OwnerTerms = {
  earn: ['gutta'],
  memoryBytes: 100,
  cpuMillis: 1500,
  diskBytes: 0,
  dataBytesPerMonth: 20 * GB,
  hours: null,
  functionsMax: 256,
  onlyIdle: false,
  onBattery: false
}
const READINGS: Readings = {
  nowMs: Date.UTC(2026, 10, 22, 12),
  timeZone: 'UTC',
  dataUsedBytes: 0,
  isOnBattery: null,
  idleForMs: 0,
  diskFault: null
}

function decided(terms: Partial<OwnerTerms>, readings: Partial<Readings> = {}, isWorking = true): string {
  const answer = decideAvailability({...TERMS, ...terms}, {...READINGS, ...readings}, isWorking)
  return answer.mayWork ? 'works' : `${answer.rule}, ${answer.ends}`
}

const NIGHT = {hours: parseHours('22:00-06:00')}
const DAY = {hours: parseHours('09:00-17:30')}

test.each([
  ['nothing is ruled', {}, {}, 'works'],
  ['there is a battery and the mains', {}, {isOnBattery: false}, 'works'],
  ['it runs on battery', {}, {isOnBattery: true}, 'battery, finish'],
  ['battery is allowed', {onBattery: true}, {isOnBattery: true}, 'works'],
  ['data are left', {}, {dataUsedBytes: 19 * GB}, 'works'],
  ['the last hundredth of the data is reached, 50 MB at most', {}, {dataUsedBytes: 19.96 * GB}, 'data, finish'],
  ['the data are used up', {}, {dataUsedBytes: 20 * GB}, 'data, at-once'],
  ['data are not limited', {dataBytesPerMonth: null}, {dataUsedBytes: 900 * GB}, 'works'],
  ['no data are lent', {dataBytesPerMonth: 0}, {}, 'data, at-once'],
  ['others use the machine', {onlyIdle: true}, {idleForMs: 0}, 'idle, finish'],
  ['nobody says how busy it is', {onlyIdle: true}, {idleForMs: null}, 'idle, finish'],
  ['the disk takes nothing more', {}, {diskFault: 'The disk is full.'}, 'disk, finish'],
  ['it works and nobody else does', {onlyIdle: true}, {idleForMs: 1}, 'works']
])('when %s', (_when, terms, readings, expected) => {
  expect(decided(terms, readings)).toBe(expected)
})

test('work begins after a quiet minute and not before', () => {
  expect(decided({onlyIdle: true}, {idleForMs: 59_999}, false)).toBe('idle, finish')
  expect(decided({onlyIdle: true}, {idleForMs: 60_000}, false)).toBe('works')
})

test.each([
  ['21:59', 'hours, finish', 'hours, finish'],
  ['22:00', 'works', 'hours, finish'],
  ['23:59', 'works', 'hours, finish'],
  ['00:00', 'works', 'hours, finish'],
  ['05:59', 'works', 'hours, finish'],
  ['06:00', 'hours, finish', 'hours, finish'],
  ['09:00', 'hours, finish', 'works'],
  ['17:29', 'hours, finish', 'works'],
  ['17:30', 'hours, finish', 'hours, finish']
])('at %s the hours 22:00-06:00 say %s and 09:00-17:30 say %s', (time, night, day) => {
  const nowMs = Date.parse(`2026-11-22T${time}:00Z`)
  expect([decided(NIGHT, {nowMs}), decided(DAY, {nowMs})]).toEqual([night, day])
})

describe('in Berlin, where the clock jumps', () => {
  const at = (text: string): string => decided({hours: parseHours('02:00-03:00')}, {nowMs: Date.parse(text), timeZone: 'Europe/Berlin'})

  test('an hour that spring skips is not worked', () => {
    expect(['2026-03-29T00:59:00Z', '2026-03-29T01:00:00Z'].map(at)).toEqual(['hours, finish', 'hours, finish'])
  })

  test('an hour that autumn repeats is worked twice', () => {
    const times = ['2026-10-24T23:59:00Z', '2026-10-25T00:00:00Z', '2026-10-25T01:59:00Z', '2026-10-25T02:00:00Z']
    expect(times.map(at)).toEqual(['hours, finish', 'works', 'works', 'hours, finish'])
  })
})

test('a clock that steps is believed at the next look, whatever was decided before', () => {
  const [before, after] = [Date.UTC(2026, 10, 22, 23), Date.UTC(1970, 0, 1, 12)]
  expect([before, after, before].map((nowMs) => decided(NIGHT, {nowMs}))).toEqual(['works', 'hours, finish', 'works'])
})

test('months are those of the place, and a clock set back never makes room', () => {
  const midnight = Date.UTC(2026, 10, 30, 23, 30)
  expect([monthOf(midnight, 'UTC'), monthOf(midnight, 'Europe/Berlin')]).toEqual(['2026-11', '2026-12'])
  const months = {'2026-10': 5, '2026-11': 7, '2026-12': 1}
  expect(['2026-12', '2026-11', '1970-01'].map((month) => dataUsed(months, month))).toEqual([1, 8, 13])
})

test('data have room up to the last byte', () => {
  expect([hasDataRoom({dataBytesPerMonth: 10}, 4, 6), hasDataRoom({dataBytesPerMonth: 10}, 4, 7)]).toEqual([true, false])
})

test('every running instance counts with its whole limits', () => {
  const small = {memoryBytes: 40, cpuMillis: 500}
  expect(capExceeded(TERMS, [small, small])).toBeUndefined()
  expect(capExceeded(TERMS, [small, small, small])).toBe('memory')
  expect(capExceeded(TERMS, [small, {memoryBytes: 1, cpuMillis: 1001}])).toBe('cpu')
})

test('what is written on the command line is read as it is meant', () => {
  expect([parseHours('always'), parseHours('22:00-24:00'), parseMonthlyData('none'), parseMonthlyData('20GB/month')]).toEqual([
    null,
    {fromMinute: 1320, toMinute: 1440},
    null,
    20 * GB
  ])
  expect(formatHours({fromMinute: 1320, toMinute: 360})).toBe('22:00-06:00')
})

test.each(['22-6', '24:00-06:00', '9:00-10:00', ''])('"%s" are no hours', (text) => {
  expect(() => parseHours(text)).toThrow(expect.objectContaining({code: 'invalid_input', message: `"${text}" is not a span of hours.`}))
})

test('hours that end where they begin are told apart from what are none', () => {
  expect(() => parseHours('06:00-06:00')).toThrow('Beginning and end of "06:00-06:00" are the same.')
})

test.each(['20GB', '20/month', 'much/month'])('"%s" is no amount of data a month', (text) => {
  expect(() => parseMonthlyData(text)).toThrow(expect.objectContaining({code: 'invalid_input'}))
})
