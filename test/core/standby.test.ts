import {expect, test} from 'vitest'
import {PROBE_FIRST_MEAN_MS, PROBE_GAP_MAX_MS, PROBE_MEAN_MS, probeGapMs} from '../../src/core/standby.ts'
import {averageGapMs, standbyMonth} from './standby-data.ts'

/** An idle node may move 20 MB a month; half of it is for everything else. */
const STANDBY_MONTH_BYTES_MAX = 10_000_000

test('probes of a node and their receipts leave half of an idle node’s 20 MB a month', () => {
  const {probes, bytes} = standbyMonth()
  expect(bytes).toBeLessThan(STANDBY_MONTH_BYTES_MAX)
  // Not so seldom that standing by is worth nothing: some ten probes a day.
  expect(probes / 30).toBeGreaterThan(10)
})

test('gaps are exponential up to their bound: after a probe the next is as likely as ever', () => {
  expect(probeGapMs(0, PROBE_MEAN_MS)).toBeCloseTo(0)
  expect(probeGapMs(0.5, PROBE_MEAN_MS)).toBeCloseTo(Math.LN2 * PROBE_MEAN_MS, 3)
  expect(probeGapMs(1 - 2 ** -48, PROBE_MEAN_MS)).toBe(PROBE_GAP_MAX_MS)
  expect(averageGapMs(PROBE_MEAN_MS)).toBeCloseTo(PROBE_MEAN_MS * (1 - Math.exp(-PROBE_GAP_MAX_MS / PROBE_MEAN_MS)), -2)
  expect(PROBE_FIRST_MEAN_MS).toBeLessThan(PROBE_MEAN_MS)
})
