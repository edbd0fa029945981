import {PROBE_MEAN_MS, probeGapMs} from '../../src/core/standby.ts'

/** What one probe moves over a node's line, in bytes; the lines are held against real ones by the gateway's test. */

/** `start`, `started`, `stop`, and two receipts that are proposed and signed: of what ran, and of one window stood by for. */
export const PROBE_LINES_BYTES_MAX = 5 * 1024
/** A further window stood by for: one receipt more, proposed, signed and handed in. */
const WINDOW_BYTES_MAX = 4 * 1024
/** Both receipts handed in to the coordinator, with the headers of request and answer. */
const HAND_IN_BYTES_MAX = 5 * 1024
/** A connection in place of the one that was bound: hello, and TLS 1.3 with a certificate that its key signed itself. */
const DIAL_BYTES_MAX = 4 * 1024

const HOUR_MS = 3_600_000
const MONTH_MS = 30 * 24 * HOUR_MS

/** Average of what evenly drawn numbers give. */
export function averageGapMs(meanMs: number): number {
  const draws = 100_000
  let sum = 0
  for (let draw = 0; draw < draws; draw += 1) sum += probeGapMs((draw + 0.5) / draws, meanMs)
  return sum / draws
}

/** Probes of one node in 30 days, and the bytes of them and of their receipts. */
export function standbyMonth(): {readonly probes: number; readonly bytes: number} {
  const gapMs = averageGapMs(PROBE_MEAN_MS)
  const probes = MONTH_MS / gapMs
  const windows = probes * Math.ceil(gapMs / HOUR_MS)
  const each = PROBE_LINES_BYTES_MAX + HAND_IN_BYTES_MAX + DIAL_BYTES_MAX
  return {probes, bytes: probes * each + (windows - probes) * WINDOW_BYTES_MAX}
}
