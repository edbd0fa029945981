import type {Client} from '../client/client.ts'
import {isCreoError} from '../core/errors.ts'
import {HEARTBEAT_MS, type Heartbeat} from '../core/protocol/api.ts'
import type {Log} from '../telemetry/log.ts'
import {pause} from './backoff.ts'
import type {LogRing} from './log-ring.ts'

const HEARTBEAT_TIMEOUT_MS = 15_000
/** Refusals that waiting does not mend. */
const FATAL_CODES: ReadonlySet<string> = new Set(['unauthorized', 'forbidden', 'bad_signature'])

const INDIGESTIBLE_CODES: ReadonlySet<string> = new Set(['payload_too_large', 'invalid_input'])

export interface HeartbeatsOptions {
  readonly client: Pick<Client, 'heartbeat'>
  readonly describe: () => Omit<Heartbeat, 'logs'>
  readonly logs: LogRing
  readonly now: () => number
  readonly random: () => number
  readonly log: Log
  /** After each attempt, for the status file. */
  readonly onBeat: () => Promise<void>
}

/** Says to the coordinator that this node is there, and brings along what its functions print. */
export class Heartbeats {
  readonly #options: HeartbeatsOptions
  lastAcceptedMs: number | null = null
  noWorkReason: string | null = null
  /** Why the last one was not accepted, in a code; null when it was. */
  refusedCode: string | null = null

  constructor(options: HeartbeatsOptions) {
    this.#options = options
  }

  /**
   * Sends one now.
   * @throws {CreoError} when the coordinator refuses this node for good. Answers false when it could not be reached.
   */
  async beat(signal: AbortSignal): Promise<boolean> {
    const {client, describe, logs, now, log} = this.#options
    const batch = logs.batch()
    try {
      const timely = AbortSignal.any([signal, AbortSignal.timeout(HEARTBEAT_TIMEOUT_MS)])
      const {noWorkReason} = await client.heartbeat({...describe(), logs: [...batch]}, timely)
      logs.sent(batch)
      this.lastAcceptedMs = now()
      this.noWorkReason = noWorkReason
      this.refusedCode = null
      return true
    } catch (error) {
      this.refusedCode = isCreoError(error) ? error.code : 'unavailable'
      // Lines that the coordinator can't take must not keep every later heartbeat from arriving.
      if (INDIGESTIBLE_CODES.has(this.refusedCode)) logs.sent(batch)
      if (FATAL_CODES.has(this.refusedCode)) throw error
      if (!signal.aborted) log.info({code: this.refusedCode}, 'heartbeat not accepted')
      return false
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    const {random, log, onBeat} = this.#options
    while (!signal.aborted) {
      await pause(HEARTBEAT_MS * (0.9 + random() / 5), signal)
      if (signal.aborted) return
      await this.beat(signal).catch((error: unknown) => log.error({error: String(error)}, 'the coordinator refuses this node'))
      await onBeat()
    }
  }
}
