const BACKOFF_FIRST_MS = 100
/** A line that was cut for minutes is back within seconds of its return. */
const BACKOFF_MAX_MS = 4000
/** After so many failures, five minutes of a cut line, the gateway is taken for gone and dialled more seldom. */
const PATIENT_FAILURES = 40
const GONE_BACKOFF_MAX_MS = 30_000
const DOUBLINGS_MAX = 10
/**
 * A session that lasted this long starts the backoff anew. Its hello was believed, so the gateway is well; only one that ends each
 * session at once, or another miner with the same key, is dialled ever more slowly.
 */
const SETTLED_MS = 1000

/** Failures in a row, with the end of a session that lasted so long; 0 for one that never stood. */
export function failuresAfter(failures: number, lastedMs: number): number {
  return lastedMs >= SETTLED_MS ? 1 : failures + 1
}

/** How long to wait after this many failures in a row (from 1): between half and all of a doubling time, so that a crowd spreads. */
export function backoffMs(failures: number, random: number): number {
  const mostMs = failures > PATIENT_FAILURES ? GONE_BACKOFF_MAX_MS : BACKOFF_MAX_MS
  const longest = Math.min(mostMs, BACKOFF_FIRST_MS * 2 ** Math.min(failures - 1, DOUBLINGS_MAX))
  return longest * (0.5 + random / 2)
}
