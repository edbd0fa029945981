import {CreoError} from '../core/errors.ts'
import {assertInvariants} from '../core/exchange/invariants.ts'
import {type LedgerMachine, RULESET} from '../core/exchange/ledger-machine.ts'
import {IDEMPOTENCY_KEYS_MAX} from '../core/exchange/limits.ts'
import type {Answer} from '../core/exchange/outcome.ts'
import {COMMAND_LIFETIME_MAX_MS, type CommandAnswer, type CommandType, type SignedCommand} from '../core/protocol/commands.ts'
import {type AuthenticCommand, authenticate} from './authenticate.ts'
import {encodeBody, encodeCommand, GROUP_COMMANDS_MAX} from './group.ts'
import type {JournalThread} from './journal-thread.ts'
import type {CommittedGroup, Ledger} from './port.ts'
import type {SqliteReads} from './reads.ts'
import {SequenceWaiters} from './sequence-waiters.ts'

/** Commands that wait for their commit at a time. */
export const QUEUE_MAX = 10_000
/** Groups between two walks over the whole state. */
export const INVARIANTS_EVERY_GROUPS = 1000

interface WaitingCommand {
  readonly seq: number
  readonly type: CommandType
  readonly text: string
}

export interface LedgerParts {
  readonly machine: LedgerMachine
  readonly thread: JournalThread
  readonly reads: SqliteReads
  readonly now: () => number
}

/**
 * The one writer: checks and applies each command in memory at once, journals in groups (one group is written while the next one gathers), and
 * answers after the commit.
 */
export class SqliteLedger implements Ledger {
  readonly reads: SqliteReads
  readonly #machine: LedgerMachine
  readonly #thread: JournalThread
  readonly #now: () => number
  readonly #committed: SequenceWaiters
  readonly #projected: SequenceWaiters
  readonly #listeners = new Set<(group: CommittedGroup) => void>()
  readonly #failureListeners = new Set<(error: Error) => void>()
  /** Applied, not yet sent to the journal. */
  #waiting: WaitingCommand[] = []
  /** Sent, oldest first: at most one that is not committed, and those that are not projected. */
  readonly #sent: CommittedGroup[] = []
  #isWriting = false
  #isScheduled = false
  #groups = 0
  #failure: Error | undefined
  #isClosed = false

  constructor({machine, thread, reads, now}: LedgerParts) {
    this.#machine = machine
    this.#thread = thread
    this.reads = reads
    this.#now = now
    this.#committed = new SequenceWaiters(machine.seq)
    this.#projected = new SequenceWaiters(machine.seq)
    thread.listen({
      committed: (lastSeq) => this.#whenCommitted(lastSeq),
      projected: (lastSeq) => this.#whenProjected(lastSeq),
      failed: (error) => this.#fail(error)
    })
  }

  get networkId(): string {
    return this.#machine.state.networkId
  }

  get sequence(): number {
    return this.#committed.reached
  }

  async submit(command: SignedCommand, signal: AbortSignal): Promise<CommandAnswer> {
    if (signal.aborted) throw new CreoError('interrupted', 'The command was given up before it was applied.', {cause: signal.reason})
    this.#refuseWhenDown()
    const nowMs = this.#now()
    this.#refuseByTime(command, nowMs)
    const authentic = authenticate(this.#machine, command, {signatures: true})
    const answer = this.#answerAgain(authentic) ?? this.#apply(command, authentic, nowMs)
    await this.#committed.wait(answer.seq, signal)
    return answer
  }

  projected(sequence: number, signal: AbortSignal): Promise<void> {
    return this.#projected.wait(sequence, signal)
  }

  onCommitted(listener: (group: CommittedGroup) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onFailed(listener: (error: Error) => void): () => void {
    this.#failureListeners.add(listener)
    return () => this.#failureListeners.delete(listener)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#failure === undefined) await this.#projected.wait(this.#machine.seq, new AbortController().signal).catch(() => undefined)
    await this.#thread.close()
    this.reads.close()
  }

  #refuseWhenDown(): void {
    if (this.#failure !== undefined) {
      throw new CreoError('unavailable', 'The ledger has stopped after an error.', {
        hint: 'Start the coordinator again.',
        cause: this.#failure
      })
    }
    if (this.#isClosed) throw new CreoError('unavailable', 'The ledger is closed.')
    if (this.#machine.seq - this.sequence >= QUEUE_MAX)
      throw new CreoError('overloaded', `${QUEUE_MAX} commands wait for the disk.`, {hint: 'Try again in a second.'})
    if (this.#machine.idempotency.size >= IDEMPOTENCY_KEYS_MAX) {
      throw new CreoError('overloaded', 'Too many commands are remembered by their idempotency keys.', {
        hint: 'Sign commands with a nearer not-after.'
      })
    }
  }

  #refuseByTime(command: SignedCommand, nowMs: number): void {
    if (command.notAfterMs <= nowMs)
      throw new CreoError('expired', 'The not-after of the command has passed.', {hint: 'Sign it again; check the clock.'})
    if (command.notAfterMs > nowMs + COMMAND_LIFETIME_MAX_MS) {
      throw new CreoError('invalid_input', 'The not-after of the command is more than a day ahead.', {
        hint: 'Choose a nearer one; check the clock.'
      })
    }
  }

  /** The first answer to the same key and body, if there was one. */
  #answerAgain(command: AuthenticCommand): CommandAnswer | undefined {
    const first = this.#machine.firstAnswer(command)
    if (first === undefined) return undefined
    if (first.bodySha256 === command.bodySha256) return answerOf(first.answer, first.seq)
    throw new CreoError('idempotency_conflict', `The idempotency key "${command.idempotencyKey}" was used for another command.`, {
      hint: 'Choose a new key.'
    })
  }

  #apply(command: SignedCommand, authentic: AuthenticCommand, nowMs: number): CommandAnswer {
    const seq = this.#machine.seq + 1
    const atMs = Math.max(nowMs, this.#machine.atMs)
    const outcome = this.#orFail(() => this.#machine.apply({...authentic, seq, atMs}))
    this.#waiting.push({seq, type: authentic.body.type, text: encodeCommand({atMs, command, outcome})})
    this.#schedule()
    return answerOf(outcome.answer, seq)
  }

  /** Runs a rule; what breaks it stops the ledger before anything of it is written. */
  #orFail<T>(rule: () => T): T {
    try {
      return rule()
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error))
      this.#fail(failure)
      throw new CreoError('internal', `A rule of the ledger is broken: ${failure.message}`, {cause: failure})
    }
  }

  /** The first group after a rest closes when this turn of the event loop ends, so that a batch is one group. */
  #schedule(): void {
    if (this.#isWriting || this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#writeGroup()
    })
  }

  #writeGroup(): void {
    if (this.#isWriting || this.#failure !== undefined || this.#waiting.length === 0) return
    const commands = this.#waiting.slice(0, GROUP_COMMANDS_MAX)
    const firstSeq = commands[0]?.seq ?? 0
    const lastSeq = firstSeq + commands.length - 1
    if (this.#groups % INVARIANTS_EVERY_GROUPS === 0 && !this.#invariantsHold()) return
    this.#groups += 1
    this.#waiting = this.#waiting.slice(GROUP_COMMANDS_MAX)
    this.#isWriting = true
    this.#sent.push({firstSeq, lastSeq, types: new Set(commands.map((command) => command.type))})
    this.#thread.append({firstSeq, lastSeq, ruleset: RULESET, body: encodeBody(commands.map((command) => command.text))})
  }

  #invariantsHold(): boolean {
    try {
      this.#orFail(() => assertInvariants(this.#machine))
    } catch {
      return false
    }
    return true
  }

  #whenCommitted(lastSeq: number): void {
    this.#isWriting = false
    this.#committed.reach(lastSeq)
    this.#writeGroup()
  }

  #whenProjected(lastSeq: number): void {
    this.#projected.reach(lastSeq)
    const group = this.#sent.shift()
    if (group === undefined) return
    for (const listener of this.#listeners) listener(group)
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#waiting = []
    const unavailable = new CreoError('unavailable', 'The ledger stopped before it could say whether the command was committed.', {
      hint: 'Send the same command again after the restart: it is carried out once.',
      cause: error
    })
    this.#committed.fail(unavailable)
    this.#projected.fail(unavailable)
    for (const listener of this.#failureListeners) listener(error)
  }
}

function answerOf(answer: Answer, seq: number): CommandAnswer {
  return answer.status === 'applied' ? {status: 'applied', seq, result: {...answer.result}} : {...answer, seq}
}
