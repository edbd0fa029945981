import type {Client} from '../client/client.ts'
import {isCreoError} from '../core/errors.ts'
import {HEARTBEAT_MS, type Heartbeat} from '../core/protocol/api.ts'
import type {Log} from '../telemetry/log.ts'
import {pause} from './backoff.ts'
import type {DataPlan} from './data-plan.ts'
import type {LogRing} from './log-ring.ts'
import type {SecretBook} from './secret-book.ts'

const HEARTBEAT_TIMEOUT_MS = 15_000
/** Refusals that waiting does not mend. */
const FATAL_CODES: ReadonlySet<string> = new Set(['unauthorized', 'forbidden', 'bad_signature'])

const INDIGESTIBLE_CODES: ReadonlySet<string> = new Set(['payload_too_large', 'invalid_input'])

/** What is told in a hurry is gathered for so long. */
const HURRY_MS = 250

/** What a heartbeat takes beside the lines that it brings along. */
const BARE_BYTES = 4096

export interface HeartbeatsOptions {
  readonly client: Pick<Client, 'heartbeat'>
  readonly describe: () => Omit<Heartbeat, 'logs'>
  /** Of the table that this node works by, undefined while that gives it work: without work, another table has another reason for it. */
  readonly idleTable: () => number | undefined
  readonly logs: Pick<LogRing, 'batch' | 'sent'>
  /** Told what the coordinator says of the secrets that this node has. */
  readonly secrets: Pick<SecretBook, 'noticed'>
  readonly now: () => number
  readonly random: () => number
  /** How often is looked whether there is something to say; a test has its own. */
  readonly lookMs?: number
  readonly log: Log
  /** Every few seconds, with a heartbeat or without, for the status file. */
  readonly onLook: () => Promise<void>
}

/**
 * Says to the coordinator that this node is there, and brings along what its functions print: within seconds when there is something new to say,
 * and otherwise as rarely as the coordinator lets it, since an idle node must not use up its owner's data plan (core/idle-traffic.ts).
 */
export class Heartbeats {
  readonly #options: HeartbeatsOptions
  lastAcceptedMs: number | null = null
  noWorkReason: string | null = null
  /** Why the last one was not accepted, in a code; null when it was. */
  refusedCode: string | null = null
  /** How often the coordinator wants to hear of this node when nothing is new. */
  everyMs = HEARTBEAT_MS
  #underWay = 0
  /** What the coordinator knows of this node. */
  #told: {readonly offer: string; readonly work: string} | undefined
  /** Something was said whose consequence only the answer to a later one tells. */
  #isAnswerOpen = false
  #hurry = new AbortController()

  constructor(options: HeartbeatsOptions) {
    this.#options = options
  }

  /**
   * Sends one now.
   * @throws {CreoError} when the coordinator refuses this node for good. Answers false when it could not be reached.
   */
  async beat(signal: AbortSignal): Promise<boolean> {
    const {client, describe, logs, secrets, now, log} = this.#options
    const batch = logs.batch()
    const said = describe()
    const told = this.#textOf(said)
    this.#underWay += 1
    try {
      const timely = AbortSignal.any([signal, AbortSignal.timeout(HEARTBEAT_TIMEOUT_MS)])
      const {noWorkReason, everyMs, secretsChange} = await client.heartbeat({...said, logs: [...batch]}, timely)
      logs.sent(batch)
      secrets.noticed(secretsChange)
      this.#isAnswerOpen = this.#told?.offer !== told.offer
      this.#told = told
      this.lastAcceptedMs = now()
      this.noWorkReason = noWorkReason
      this.everyMs = everyMs
      this.refusedCode = null
      return true
    } catch (error) {
      this.refusedCode = isCreoError(error) ? error.code : 'unavailable'
      // Lines that the coordinator can't take must not keep every later heartbeat from arriving.
      if (INDIGESTIBLE_CODES.has(this.refusedCode)) logs.sent(batch)
      if (FATAL_CODES.has(this.refusedCode)) throw error
      if (!signal.aborted) log.info({code: this.refusedCode}, 'heartbeat not accepted')
      return false
    } finally {
      this.#underWay -= 1
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    const {random, lookMs = HEARTBEAT_MS, onLook} = this.#options
    while (!signal.aborted) {
      await pause(lookMs * (0.9 + random() / 5), AbortSignal.any([signal, this.#hurry.signal]))
      if (this.#hurry.signal.aborted) await pause(HURRY_MS, signal)
      this.#hurry = new AbortController()
      if (signal.aborted) return
      if (this.#hasNews || this.#isSilentFor(this.everyMs)) await this.#tell(signal)
      await onLook()
    }
  }

  /** The connection to the coordinator is open and free for a moment: what will be due before the next such moment is better said now. */
  async passBy(signal: AbortSignal): Promise<void> {
    if (this.#isSilentFor(this.everyMs / 2)) await this.#tell(signal)
  }

  /** Somebody waits to hear what is new: it is said at once instead of at the next look. */
  hurry(): void {
    this.#hurry.abort()
  }

  /** The coordinator was away: it may have started anew and have forgotten this node. */
  forgotten(): void {
    this.#told = undefined
  }

  get #hasNews(): boolean {
    if (this.refusedCode !== null || this.#isAnswerOpen || this.#options.logs.batch().length > 0) return true
    const {offer, work} = this.#textOf(this.#options.describe())
    return this.#told?.offer !== offer || this.#told.work !== work
  }

  /** By the clock on the wall, which goes on while the machine sleeps; one that is set back counts as well. */
  #isSilentFor(ms: number): boolean {
    return this.lastAcceptedMs === null || Math.abs(this.#options.now() - this.lastAcceptedMs) >= ms
  }

  async #tell(signal: AbortSignal): Promise<void> {
    // Two at a time would bring the same lines twice.
    if (this.#underWay > 0) return
    await this.beat(signal).catch((error: unknown) => this.#options.log.error({error: String(error)}, 'the coordinator refuses this node'))
  }

  #textOf({instances, running, ...offer}: Omit<Heartbeat, 'logs'>): {readonly offer: string; readonly work: string} {
    return {offer: JSON.stringify([offer, this.#options.idleTable() ?? 'work']), work: JSON.stringify([instances, running])}
  }
}

/**
 * Holds heartbeats to the owner's data plan: each counts with its body, and when the month has no room left for what functions print, their lines
 * wait, and the oldest are dropped. The bare heartbeat goes on: without it nobody would know why this node rests.
 */
export function countedHeartbeats(parts: {
  readonly client: Pick<Client, 'heartbeat'>
  readonly logs: Pick<LogRing, 'batch' | 'sent'>
  readonly data: Pick<DataPlan, 'count' | 'hasRoom'>
}): {readonly client: Pick<Client, 'heartbeat'>; readonly logs: Pick<LogRing, 'batch' | 'sent'>} {
  const {client, logs, data} = parts
  const heartbeat: Client['heartbeat'] = async (body, ...rest) => {
    let hasPassed = true
    try {
      return await client.heartbeat(body, ...rest)
    } catch (error) {
      hasPassed = !(isCreoError(error) && error.code === 'unavailable')
      throw error
    } finally {
      if (hasPassed) data.count(bytesOf(body))
    }
  }
  const batch = (): ReturnType<LogRing['batch']> => {
    const lines = logs.batch()
    return data.hasRoom(BARE_BYTES + bytesOf(lines)) ? lines : []
  }
  return {client: {heartbeat}, logs: {batch, sent: (lines) => logs.sent(lines)}}
}

function bytesOf(value: object): number {
  return Buffer.byteLength(JSON.stringify(value))
}
