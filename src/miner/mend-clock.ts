import type {MinerOptions} from './miner-options.ts'

const CLOCK_TIMEOUT_MS = 10_000

/** Boards without a battery wake in the wrong year: the tunnel's clock must be nearer than what the coordinator lets pass. */
export async function mendClock({mendClock: mend, log}: Pick<MinerOptions, 'mendClock' | 'log'>, lifetime: AbortSignal): Promise<void> {
  try {
    await mend(AbortSignal.any([lifetime, AbortSignal.timeout(CLOCK_TIMEOUT_MS)]))
  } catch (error) {
    log.warn({error: String(error)}, "this machine's clock is wrong, and the coordinator does not tell the time")
  }
}
