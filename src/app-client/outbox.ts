import * as z from 'zod/mini'
import {CreoError, isCreoError} from '../core/errors.ts'
import type {SignedCommand} from '../core/protocol/commands.ts'
import type {AppliedCommand, Network} from './network.ts'
import {UNKNOWN} from './network-http.ts'

/** Commands that wait at once: a person's, not a program's. */
const WAITING_MAX = 32
/** For this long after a command's not-after the network still gives its first answer again (docs/PROTOCOL.md). */
const ANSWERED_AFTER_MS = 2 * 60_000
const keptSchema = z.array(z.object({about: z.string(), command: z.looseObject({idempotencyKey: z.string(), notAfterMs: z.int()})}))

/** Where the outbox is kept: a browser's `localStorage`, or anything like it. */
export interface KeyValueStore {
  getItem(name: string): string | null
  setItem(name: string, value: string): void
}

/** A command that was signed, and of which nobody knows yet whether it was done. */
export interface WaitingCommand {
  /** In the person's words. */
  readonly about: string
  readonly command: SignedCommand
}

/** What became of one. */
export type Settled =
  | {readonly status: 'applied'; readonly waiting: WaitingCommand; readonly applied: AppliedCommand}
  | {readonly status: 'refused'; readonly waiting: WaitingCommand; readonly error: CreoError}

/**
 * Signed commands whose answer has not come, kept over reloads, lost networks and closed tabs. Sending one again is sending the same: it is done once.
 * Commands with one idempotency key are one command, so that a double click, or the same click in two tabs, is one.
 */
export class Outbox {
  readonly #store: KeyValueStore
  readonly #name: string

  /** @param name under which it is kept: one for each network and key. */
  constructor(store: KeyValueStore, name: string) {
    this.#store = store
    this.#name = name
  }

  /** Oldest first. What was written by somebody else, and cannot be read, is nothing. */
  waiting(): readonly WaitingCommand[] {
    try {
      const parsed = keptSchema.safeParse(JSON.parse(this.#store.getItem(this.#name) ?? '[]'))
      return parsed.success ? (parsed.data as unknown as WaitingCommand[]) : []
    } catch {
      return []
    }
  }

  /**
   * Keeps the command, sends it, and forgets it when there is an answer.
   * @throws {CreoError} what it was refused with; or why nothing is known yet (`unavailable`, `timeout`, …): then it is kept, and `resend` goes on.
   */
  async send(network: Network, waiting: WaitingCommand, signal?: AbortSignal): Promise<AppliedCommand> {
    this.#keep(waiting)
    try {
      const applied = await network.send(waiting.command, signal)
      this.#forget(waiting)
      return applied
    } catch (error) {
      if (isCreoError(error) && !UNKNOWN.has(error.code)) this.#forget(waiting)
      throw error
    }
  }

  /** Sends again all that wait, and answers what became of those of which it is known now. */
  async resend(network: Network, signal?: AbortSignal): Promise<readonly Settled[]> {
    const settled: Settled[] = []
    for (const waiting of this.waiting()) {
      try {
        settled.push({status: 'applied', waiting, applied: await this.send(network, waiting, signal)})
      } catch (error) {
        if (!isCreoError(error)) throw error
        const isLate = (await network.nowMs(signal)) > waiting.command.notAfterMs + ANSWERED_AFTER_MS
        if (isLate) this.#forget(waiting)
        if (isLate || !UNKNOWN.has(error.code)) settled.push({status: 'refused', waiting, error: isLate ? tooLate() : error})
      }
    }
    return settled
  }

  #keep(waiting: WaitingCommand): void {
    const others = this.#others(waiting)
    if (others.length >= WAITING_MAX) {
      throw new CreoError('overloaded', `${WAITING_MAX} commands wait for an answer already.`, {hint: 'Wait until the network is back.'})
    }
    this.#store.setItem(this.#name, JSON.stringify([...others, waiting]))
  }

  #forget(waiting: WaitingCommand): void {
    this.#store.setItem(this.#name, JSON.stringify(this.#others(waiting)))
  }

  #others({command}: WaitingCommand): readonly WaitingCommand[] {
    return this.waiting().filter((other) => other.command.idempotencyKey !== command.idempotencyKey)
  }
}

function tooLate(): CreoError {
  return new CreoError('expired', 'The answer came too late to say whether it was done.', {
    hint: 'Look at your orders and balances before you do it again.'
  })
}
