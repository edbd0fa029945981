const BACKOFF_FIRST_MS = 100
const BACKOFF_MAX_MS = 30_000
const DOUBLINGS_MAX = 10

/** How long to wait after this many failures in a row (from 1): between half and all of a doubling time, so that a crowd spreads. */
export function backoffMs(failures: number, random: number): number {
  const longest = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures - 1, DOUBLINGS_MAX))
  return longest * (0.5 + random / 2)
}
