import {setTimeout as timer} from 'node:timers/promises'

/** Resolves after this time, or as soon as the signal fires: whoever waits in turns then sees that it is over. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await timer(ms, undefined, {signal}).catch(() => undefined)
}
