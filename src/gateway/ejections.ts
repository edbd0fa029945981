/** An instance that failed this many requests in a row is left out. */
const FAILURES_MAX = 5
/** It is left out for so long, and as much longer after each further time. */
const EJECTED_MS = 10_000
const EJECTED_MAX_MS = 300_000

/** How one request on an instance ended: by the instance's merit, its fault, or neither. */
export type Verdict = 'served' | 'failed' | 'unknown'

interface Record {
  failures: number
  ejections: number
  /** Undefined while it gets requests as the others do. */
  untilMs: number | undefined
  /** The one request that shows whether it is well again is under way. */
  probing: boolean
}

/**
 * Which instances are left out because they fail while others do not. After its time one gets a single request; that brings it back
 * or leaves it out for longer.
 */
export class Ejections<Instance extends {readonly hasRoom: boolean}> {
  readonly #records = new Map<Instance, Record>()
  #ejected = 0

  get count(): number {
    return this.#ejected
  }

  /**
   * Those of `warm` to choose among; one alone when it is to be tried again. All of them when more than half would be left out:
   * then it is not the instances.
   */
  usable(warm: readonly Instance[], nowMs: number): readonly Instance[] {
    if (this.#ejected === 0) return warm
    const well = warm.filter((instance) => this.#records.get(instance)?.untilMs === undefined)
    if (well.length * 2 < warm.length) return warm
    for (const instance of warm) {
      const record = this.#records.get(instance)
      if (record?.untilMs === undefined || record.probing || nowMs < record.untilMs || !instance.hasRoom) continue
      record.probing = true
      return [instance]
    }
    return well
  }

  judge(instance: Instance, verdict: Verdict, nowMs: number): void {
    const record = this.#records.get(instance)
    if (verdict === 'failed') this.#failed(record ?? this.#remember(instance), nowMs)
    else if (record !== undefined && verdict === 'unknown') record.probing = false
    else if (record !== undefined && (record.untilMs === undefined || record.probing)) this.#wellAgain(record)
  }

  forget(instance: Instance): void {
    if (this.#records.get(instance)?.untilMs !== undefined) this.#ejected -= 1
    this.#records.delete(instance)
  }

  #remember(instance: Instance): Record {
    const record: Record = {failures: 0, ejections: 0, untilMs: undefined, probing: false}
    this.#records.set(instance, record)
    return record
  }

  #failed(record: Record, nowMs: number): void {
    record.failures += 1
    const isOut = record.untilMs !== undefined
    // What was under way when it was left out says nothing new.
    if (isOut ? !record.probing : record.failures < FAILURES_MAX) return
    record.probing = false
    record.failures = 0
    record.ejections += 1
    record.untilMs = nowMs + Math.min(EJECTED_MAX_MS, EJECTED_MS * record.ejections)
    if (!isOut) this.#ejected += 1
  }

  #wellAgain(record: Record): void {
    record.failures = 0
    record.probing = false
    if (record.untilMs === undefined) return
    record.untilMs = undefined
    this.#ejected -= 1
  }
}
