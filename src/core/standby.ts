/**
 * Standing by: a node is paid for time in which it could have run a function and did not, as far as a gateway has proven it by probes that nobody can
 * foresee. A probe is a start like any other. What lies between two good probes is proven; a failed one forfeits the time since the last good one.
 */

/** Between two probes of one node lie as many minutes on average: often enough to be worth something, seldom enough for a data plan. */
export const PROBE_MEAN_MS = 150 * 60_000
/** The first probe of a session comes sooner: before it nothing is proven. */
export const PROBE_FIRST_MEAN_MS = 15 * 60_000
/** No two probes of a node lie further apart than this. */
export const PROBE_GAP_MAX_MS = 4 * 3_600_000
/** A start and a connection take at most so long: more than a miner gives a function to listen, so that one that never does is not held against the node. */
export const PROBE_ANSWER_MAX_MS = 75_000

/**
 * Wait until the next probe, from a number that is drawn evenly from 0 to 1: exponential, so that after a probe the next one is as likely as ever, and
 * a node gains nothing by resting then.
 */
export function probeGapMs(uniform: number, meanMs: number): number {
  return Math.min(PROBE_GAP_MAX_MS, -Math.log(1 - uniform) * meanMs)
}
