/**
 * Wall time as it was when the process began, going on by the monotonic clock: somebody who sets the machine's clock, by hours in the
 * middle of a window, changes nothing. What it was wrong by from the beginning is mended by the coordinator's time (`keepClockMended`).
 */
export function createSteadyClock(wallMs: () => number, monotonicMs: () => number): () => number {
  const beganMs = wallMs() - monotonicMs()
  return () => Math.round(beganMs + monotonicMs())
}
