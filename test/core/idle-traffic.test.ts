import {expect, test} from 'vitest'
import {coordinatorSettings} from '../../src/coordinator/settings.ts'
import {IDLE_MONTH_BYTES_MAX, idleMonth} from '../../src/core/idle-traffic.ts'
import {standbyMonth} from './standby-data.ts'

const sumOf = (month: object): number => Object.values(month).reduce((sum: number, bytes: number) => sum + bytes, 0)

test('a node that nobody asks moves at most 20 MB a month with one gateway in a production network', () => {
  const {lostAfterMs} = coordinatorSettings('production').scheduling
  const month = idleMonth({gateways: 1, lostAfterMs, probe: standbyMonth()})
  expect(sumOf(month), JSON.stringify(month)).toBeLessThan(IDLE_MONTH_BYTES_MAX)
  // Nothing is left out.
  expect(Math.min(...Object.values(month))).toBeGreaterThan(0)
})

test('what a further gateway adds is small', () => {
  const {lostAfterMs} = coordinatorSettings('production').scheduling
  const of = (gateways: number): number => sumOf(idleMonth({gateways, lostAfterMs, probe: standbyMonth()}))
  expect(of(2) - of(1)).toBeLessThan(5_000_000)
})
