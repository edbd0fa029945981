import type {QueueLimits} from './queue-room.ts'
import type {StoreThread} from './store-thread.ts'

/** Calls that ended and are still known: at most so many, an app a quarter. */
const ENDED_LIMITS: QueueLimits = {entriesMax: 100_000, bytesMax: 2 ** 29, appShare: 0.25}
/** How long an ended call is known; a failed one waits longer for somebody to look at it. */
const DONE_KEPT_MS = 24 * 3600 * 1000
const FAILED_KEPT_MS = 7 * 24 * 3600 * 1000
const PRUNE_MS = 60_000
/** Ended calls and their bytes after which it is pruned sooner; fewer than are deleted in one turn. */
const PRUNE_ENTRIES = 4000
const PRUNE_BYTES = 64 * 2 ** 20

/** Sees to it that calls which ended are forgotten in time. */
export class EndedCalls {
  readonly #store: Pick<StoreThread, 'run'>
  readonly #now: () => number
  readonly #pruner: NodeJS.Timeout
  #entries = 0
  #bytes = 0

  constructor(store: Pick<StoreThread, 'run'>, now: () => number) {
    this.#store = store
    this.#now = now
    this.#pruner = setInterval(() => this.#prune(), PRUNE_MS)
  }

  /** Another one has ended, with so much to keep of its answer. */
  count(bytes: number): void {
    this.#entries += 1
    this.#bytes += bytes
    if (this.#entries > PRUNE_ENTRIES || this.#bytes > PRUNE_BYTES) this.#prune()
  }

  close(): void {
    clearInterval(this.#pruner)
  }

  #prune(): void {
    this.#entries = 0
    this.#bytes = 0
    const nowMs = this.#now()
    const kept = {doneBeforeMs: nowMs - DONE_KEPT_MS, failedBeforeMs: nowMs - FAILED_KEPT_MS}
    // A queue that can't be written says so by itself.
    this.#store.run('prune', {...kept, ...ENDED_LIMITS}).catch(() => undefined)
  }
}
