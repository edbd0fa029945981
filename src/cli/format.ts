import {CreoError} from '../core/errors.ts'
import {formatDecimal, GUTTA_DECIMALS} from '../core/units.ts'

const DURATION_UNITS_MS: Readonly<Record<string, number>> = {ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000}

/** Milliseconds as people read them: "40 ms", "1.2 s", "3 min 5 s", "2 h 4 min". */
export function formatDurationMs(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
}

/** Units of a length of time, the largest first, ms. */
const SPANS = [
  ['hour', 3_600_000],
  ['minute', 60_000]
] as const

/** A length of time that is given, and not measured: "24 hours", "24 minutes". */
export function formatSpanMs(ms: number): string {
  const [unit, unitMs] = SPANS.find(([, one]) => ms >= one && ms % one === 0) ?? ['second', 1000]
  const count = Math.round(ms / unitMs)
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

/**
 * "90s", "5m", "24h", "7d" or "250ms" → milliseconds.
 * @throws {CreoError} `invalid_input` for anything else.
 */
export function parseDurationMs(text: string): number {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text)
  const unit = DURATION_UNITS_MS[match?.[2] ?? '']
  if (!match || unit === undefined) {
    throw new CreoError('invalid_input', `"${text}" is not a duration.`, {hint: 'Write for example 90s, 5m, 24h or 7d.'})
  }
  return Number(match[1]) * unit
}

const WAIT_DEFAULT_MS = 60_000

/** How long first answers are waited for: who says how long waits that long, also where nothing can come. @throws {CreoError} `invalid_input` */
export function waitOf(flag: string | undefined): {readonly waitMs: number; readonly givesUp: boolean} {
  return {waitMs: flag === undefined ? WAIT_DEFAULT_MS : parseDurationMs(flag), givesUp: flag === undefined}
}

/** "10m" before now, or a time such as 2026-11-22T18:00:00Z → ms. @throws {CreoError} `invalid_input` */
export function parseSinceMs(text: string, nowMs: number): number {
  if (/^\d+(ms|s|m|h|d)$/.test(text)) return Math.max(0, nowMs - parseDurationMs(text))
  const ms = Date.parse(text)
  if (/^\d{4}-\d\d-\d\d/.test(text) && ms >= 0) return ms
  throw new CreoError('invalid_input', `"${text}" is neither a duration nor a time.`, {
    hint: 'Write for example 10m, 24h or 2026-11-22T18:00:00Z.'
  })
}

/** (12500000, 6, "LEAF") → "12.5 LEAF". */
export function formatAmount(minor: number, decimals: number, unit: string): string {
  return `${formatDecimal(minor, decimals)} ${unit}`
}

/** Micro-gutta as "12.5 Gutta". */
export function formatGutta(microGutta: number): string {
  return formatAmount(microGutta, GUTTA_DECIMALS, 'Gutta')
}
