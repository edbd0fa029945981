import {type Availability, capExceeded, decideAvailability, type OwnerTerms} from '../core/availability.ts'
import {CreoError} from '../core/errors.ts'
import type {Log} from '../telemetry/log.ts'
import {pause} from './backoff.ts'
import type {DataPlan} from './data-plan.ts'
import type {HeldInstance, Instances} from './instances.ts'
import {MachineReadings} from './machine-readings.ts'
import type {MinerOptions} from './miner-options.ts'

const ROUND_MS = 1000
/** How busy the machine is is asked this often: an average over less says nothing. */
const IDLE_EVERY_ROUNDS = 5
const STATS_TIMEOUT_MS = 5000
const STOP_GRACE_MS = 3000

type Rest = Extract<Availability, {mayWork: false}>

interface HostRulesOptions {
  readonly terms: OwnerTerms
  readonly data: DataPlan
  readonly readings: MachineReadings
  readonly now: () => number
  readonly timeZone: string
  readonly running: () => readonly HeldInstance[]
  /** Bytes that functions sent and received by their ways out, since the start. */
  readonly waysOutBytes: () => number
  /** Ends an instance that the owner's caps have no room for any more. */
  readonly end: (instance: string) => void
  /** No work from now on: take none, and end what runs. */
  readonly onRest: (rest: Rest) => void
  readonly onWork: () => void
  /** The month's data are used up this instant: nothing more may pass. */
  readonly onDataUsedUp: () => void
  readonly log: Log
}

/** Holds the node to what its owner lends, as it is now: caps, hours, battery, idleness, data. */
class HostRules {
  readonly #options: HostRulesOptions
  #terms: OwnerTerms
  #availability: Availability = {mayWork: true}
  #idleForMs: number | null = 0
  #waysOutCounted = 0
  #diskFault: string | null = null

  constructor(options: HostRulesOptions) {
    this.#options = options
    this.#terms = options.terms
  }

  get terms(): OwnerTerms {
    return this.#terms
  }

  /** Why the owner's own rules let nothing run now; null when they do. */
  get restReason(): string | null {
    return this.#availability.mayWork ? null : this.#availability.reason
  }

  get isResting(): boolean {
    return !this.#availability.mayWork
  }

  get hasData(): boolean {
    return this.#options.data.hasRoom(0)
  }

  /** @throws {CreoError} `overloaded` while the owner's rules let nothing run. */
  assertWorking(): void {
    if (this.isResting) throw new CreoError('overloaded', "The node's owner lets it rest now.")
  }

  /** The owner has changed what is lent; it holds from the next look on, which is made at once. */
  async apply(terms: OwnerTerms): Promise<void> {
    this.#terms = terms
    this.#options.log.info({...terms}, 'the owner lends now')
    await this.look()
  }

  /** Counts what passed between gateways and instances. */
  count(bytes: number): void {
    this.#options.data.count(bytes)
    if (!this.hasData) this.#options.onDataUsedUp()
  }

  async run(signal: AbortSignal): Promise<void> {
    for (let round = 1; !signal.aborted; round += 1) {
      await pause(ROUND_MS, signal)
      if (signal.aborted) return
      if (this.#terms.onlyIdle && round % IDLE_EVERY_ROUNDS === 0) this.#idleForMs = await this.#options.readings.idleForMs()
      await this.save()
      await this.look()
    }
  }

  /** Has the count of data on disk, or notes why it is not: then nothing may be used that would have to be counted, until it is. */
  async save(): Promise<void> {
    try {
      await this.#options.data.save()
      this.#diskFault = null
    } catch (error) {
      this.#diskFault = diskFault(error)
    }
  }

  /** Judges by the rules as they are now, and acts when the judgement has changed. */
  async look(): Promise<void> {
    const {data, readings, now, timeZone, onRest, onWork, log} = this.#options
    this.#countWaysOut()
    this.#keepCaps()
    const isOnBattery = this.#terms.onBattery ? null : await readings.isOnBattery()
    const facts = {
      nowMs: now(),
      timeZone,
      dataUsedBytes: data.usedBytes,
      isOnBattery,
      idleForMs: this.#idleForMs,
      diskFault: this.#diskFault
    }
    const before = this.#availability
    const next = decideAvailability(this.#terms, facts, before.mayWork)
    this.#availability = next
    if (next.mayWork) {
      if (before.mayWork) return
      log.info("the owner's rules allow work again")
      onWork()
    } else if (before.mayWork || before.ends !== next.ends) {
      log.info({rule: next.rule}, next.reason)
      onRest(next)
    }
  }

  #countWaysOut(): void {
    const bytes = this.#options.waysOutBytes()
    const passed = bytes - this.#waysOutCounted
    this.#waysOutCounted = bytes
    if (passed > 0) this.count(passed)
  }

  /** When the owner lends less than runs, the youngest go. */
  #keepCaps(): void {
    const running = [...this.#options.running()]
    while (running.length > 0 && capExceeded(this.#terms, running) !== undefined) {
      const youngest = running.pop()
      if (youngest !== undefined) this.#options.end(youngest.instance)
    }
  }
}

function diskFault(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'The disk is full.'
  return `The folder of the node cannot be written to (${code ?? String(error)}).`
}

/** The rules over what runs on this machine. */
export function createHostRules(
  options: Pick<MinerOptions, 'terms' | 'timeZone' | 'now' | 'monotonicMs' | 'log'>,
  parts: {readonly instances: Instances} & Pick<HostRulesOptions, 'data' | 'onRest' | 'onWork'>
): HostRules {
  const {terms, timeZone, now, monotonicMs, log} = options
  const {instances, data, onRest, onWork} = parts
  const ownCpuMicros = async (): Promise<number> => {
    const {user, system} = process.cpuUsage()
    return user + system + (await instances.cpuMicros(AbortSignal.timeout(STATS_TIMEOUT_MS)))
  }
  return new HostRules({
    terms,
    timeZone,
    now,
    log,
    data,
    onRest,
    onWork,
    readings: new MachineReadings({monotonicMs, ownCpuMicros}),
    running: () => instances.all,
    waysOutBytes: () => instances.waysOutBytes,
    end: (instance) => void instances.end(instance, STOP_GRACE_MS),
    onDataUsedUp: () => instances.connections.cutAll()
  })
}

export type {HostRules}
