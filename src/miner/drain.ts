import {setTimeout as delay} from 'node:timers/promises'
import type {Instances} from './instances.ts'
import type {MinerStore} from './miner-store.ts'
import type {ReceiptOutbox} from './receipt-outbox.ts'
import type {WorkMeter} from './work-meter.ts'

/** Requests under way get this long to end. */
const FINISH_MAX_MS = 8000
/** Answers that passed nothing for this long are at their end. */
const QUIET_MS = 500
const STOP_GRACE_MS = 3000
/** Gateways get this long to propose the window in which the instances stopped. */
const LAST_PROPOSALS_MS = 2000
const LAST_CALLS_TIMEOUT_MS = 5000
const LOOK_EVERY_MS = 100

export interface DrainReport {
  readonly containersStopped: number
  /** Whether requests were still under way when they were. */
  readonly inTime: boolean
  /** Receipts that stay on disk for the next start. */
  readonly receiptsWaiting: number
}

export interface DrainOptions {
  readonly instances: Instances
  readonly meter: WorkMeter
  readonly store: MinerStore
  readonly outbox: ReceiptOutbox
  readonly sendLastHeartbeat: (signal: AbortSignal) => Promise<boolean>
  readonly monotonicMs: () => number
}

/** Ends work in the order in which nobody loses: finish requests, stop containers, sign and hand in what is left. */
export async function drain(options: DrainOptions): Promise<DrainReport> {
  const {instances, meter, store, outbox, sendLastHeartbeat, monotonicMs} = options
  const told = sendLastHeartbeat(AbortSignal.timeout(LAST_CALLS_TIMEOUT_MS)).catch(() => false)
  // Gateways stop what is idle as soon as they hear of the draining: it counts as ours.
  const containersStopped = instances.count
  const inTime = await finishWork(instances, monotonicMs)
  if (meter.hasUnsignedBytes) await untilSigned(store, monotonicMs)
  await told
  await outbox.flush(AbortSignal.timeout(LAST_CALLS_TIMEOUT_MS))
  return {containersStopped, inTime, receiptsWaiting: store.pendingCount()}
}

/** Lets requests under way end, for a while, and then ends every instance. Answers whether none was cut. */
export async function finishWork(instances: Instances, monotonicMs: () => number): Promise<boolean> {
  const inTime = await untilQuiet(instances, monotonicMs)
  await instances.endAll(STOP_GRACE_MS)
  return inTime
}

/** No gateway waits for the first byte of an answer, and no answer is being sent. */
async function untilQuiet(instances: Instances, monotonicMs: () => number): Promise<boolean> {
  const beganMs = monotonicMs()
  let bytes = instances.connections.bytesMoved
  let movedAtMs = beganMs
  while (monotonicMs() - beganMs < FINISH_MAX_MS) {
    if (instances.count === 0) return true
    if (instances.connections.waiting === 0 && monotonicMs() - movedAtMs >= QUIET_MS) return true
    await delay(LOOK_EVERY_MS)
    if (instances.connections.bytesMoved !== bytes) movedAtMs = monotonicMs()
    bytes = instances.connections.bytesMoved
  }
  return false
}

/** Waits until a further receipt came in, at most for a while: its gateway may be gone. */
async function untilSigned(store: MinerStore, monotonicMs: () => number): Promise<void> {
  const endMs = monotonicMs() + LAST_PROPOSALS_MS
  const before = store.pendingCount()
  while (store.pendingCount() <= before && monotonicMs() < endMs) await delay(LOOK_EVERY_MS)
}
