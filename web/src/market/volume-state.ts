/** When trade volume of a market is released, from its trades by spans of time. */

export interface Release {
  readonly atMs: number
  readonly microGutta: number
}

interface Traded {
  readonly startMs: number
  readonly notionalMicroGutta: number
}

/**
 * The next moment at which something of the trade volume limit is free again: the oldest bucket that counts and holds something leaves as a whole.
 * A bucket counts for as long as it is the current one or one of the `buckets` full ones before it. Nothing where nothing was traded.
 */
export function nextRelease(
  candles: readonly Traded[],
  {bucketMs, buckets}: {readonly bucketMs: number; readonly buckets: number},
  nowMs: number
): Release | undefined {
  const current = Math.floor(nowMs / bucketMs)
  const counted = candles
    .map(({startMs, notionalMicroGutta}) => ({bucket: Math.floor(startMs / bucketMs), notionalMicroGutta}))
    .filter(({bucket}) => bucket >= current - buckets && bucket <= current)
  if (counted.length === 0) return undefined
  const oldest = Math.min(...counted.map(({bucket}) => bucket))
  const freed = counted.filter(({bucket}) => bucket === oldest).reduce((sum, {notionalMicroGutta}) => sum + notionalMicroGutta, 0)
  return {atMs: (oldest + buckets + 1) * bucketMs, microGutta: freed}
}
