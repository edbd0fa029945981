import {expect, test} from 'vitest'
import {PROBE_FIRST_MEAN_MS, PROBE_GAP_MAX_MS, PROBE_MEAN_MS, probeGapMs} from '../../src/core/standby.ts'
import {ASK_BYTES_MAX, DIAL_BYTES_MAX, HAND_IN_BYTES_MAX, PROBE_LINES_BYTES_MAX, WINDOW_BYTES_MAX} from './standby-data.ts'

const HOUR_MS = 3_600_000
const MONTH_MS = 30 * 24 * HOUR_MS
/** An idle node may move 20 MB a month; half of it is for everything else. */
const STANDBY_MONTH_BYTES_MAX = 10_000_000

/** Average of what evenly drawn numbers give. */
function averageGapMs(meanMs: number): number {
  const draws = 100_000
  let sum = 0
  for (let draw = 0; draw < draws; draw += 1) sum += probeGapMs((draw + 0.5) / draws, meanMs)
  return sum / draws
}

test('probes of a node and their receipts leave half of an idle node’s 20 MB a month', () => {
  const gapMs = averageGapMs(PROBE_MEAN_MS)
  const probes = MONTH_MS / gapMs
  const windows = probes * Math.ceil(gapMs / HOUR_MS)
  const each = PROBE_LINES_BYTES_MAX + HAND_IN_BYTES_MAX + DIAL_BYTES_MAX + ASK_BYTES_MAX
  const bytes = probes * each + (windows - probes) * WINDOW_BYTES_MAX
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
