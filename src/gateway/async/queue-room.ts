import {CreoError} from '../../core/errors.ts'

/** How much waits in a queue at most, over all apps and of one. */
export interface QueueLimits {
  readonly entriesMax: number
  readonly bytesMax: number
  /** Part of both that one app may take. */
  readonly appShare: number
}

interface Used {
  entries: number
  bytes: number
}

/** Counts what waits, so that the queue is bounded and no app takes all of it. */
export class QueueRoom {
  readonly #limits: QueueLimits
  readonly #all: Used = {entries: 0, bytes: 0}
  readonly #apps = new Map<string, Used>()

  constructor(limits: QueueLimits) {
    this.#limits = limits
  }

  get entries(): number {
    return this.#all.entries
  }

  /** @throws {CreoError} `overloaded` when the queue is full, `rate_limited` when the app has its share. */
  take(app: string, bytes: number): void {
    const {entriesMax, bytesMax, appShare} = this.#limits
    if (!fits(this.#all, bytes, {entriesMax, bytesMax})) {
      throw new CreoError('overloaded', "This gateway's queue of calls is full.", {hint: 'Try again in a while, or ask another gateway.'})
    }
    const used = this.#apps.get(app) ?? {entries: 0, bytes: 0}
    if (!fits(used, bytes, {entriesMax: entriesMax * appShare, bytesMax: bytesMax * appShare})) {
      throw new CreoError('rate_limited', `The calls of ${app} that wait have their share of this gateway's queue.`, {
        hint: 'Try again in a while; let the function take more at a time.'
      })
    }
    this.add(app, bytes)
  }

  /** More for what has its entry already. False, and nothing taken, when it does not fit. */
  grow(app: string, bytes: number): boolean {
    const {bytesMax, appShare} = this.#limits
    const used = this.#apps.get(app)
    if (used === undefined || used.bytes + bytes > bytesMax * appShare || this.#all.bytes + bytes > bytesMax) return false
    for (const one of [used, this.#all]) one.bytes += bytes
    return true
  }

  /** Counts what is there already, whatever the limits say. */
  add(app: string, bytes: number): void {
    const used = this.#apps.get(app) ?? {entries: 0, bytes: 0}
    this.#apps.set(app, used)
    for (const one of [used, this.#all]) {
      one.entries += 1
      one.bytes += bytes
    }
  }

  give(app: string, bytes: number): void {
    const used = this.#apps.get(app)
    if (used === undefined) return
    for (const one of [used, this.#all]) {
      one.entries -= 1
      one.bytes -= bytes
    }
    if (used.entries === 0) this.#apps.delete(app)
  }
}

function fits(used: Used, bytes: number, {entriesMax, bytesMax}: Pick<QueueLimits, 'entriesMax' | 'bytesMax'>): boolean {
  return used.entries + 1 <= entriesMax && used.bytes + bytes <= bytesMax
}
