const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

/** Spans of candles: how long each is, and how many of a market are kept before the newest one. */
export const CANDLE_SPANS = {
  '1m': {ms: MINUTE_MS, kept: 7 * 24 * 60},
  '5m': {ms: 5 * MINUTE_MS, kept: 30 * 24 * 12},
  '1h': {ms: 60 * MINUTE_MS, kept: 366 * 24},
  '1d': {ms: DAY_MS, kept: 3660}
} as const
export type CandleSpan = keyof typeof CANDLE_SPANS
export const candleSpans = Object.keys(CANDLE_SPANS) as [CandleSpan, ...CandleSpan[]]
