import {CreoError} from '../core/errors.ts'
import {assertInvariants} from '../core/exchange/invariants.ts'
import {type LedgerMachine, RULESET} from '../core/exchange/ledger-machine.ts'
import {type TradingRoom, tradingRoom} from '../core/exchange/meet-market.ts'
import type {Answer, Outcome, SequencedCommand} from '../core/exchange/outcome.ts'
import type {CommandAnswer, SignedCommand} from '../core/protocol/commands.ts'
import {refuseByTime, refuseWhenFull} from './admission.ts'
import {type AuthenticCommand, authenticate, knownKey} from './authenticate.ts'
import {GatheredGroup} from './gathered-group.ts'
import type {JournalHead} from './journal.ts'
import type {JournalThread} from './journal-thread.ts'
import type {CommittedGroup, Ledger, SubmitOptions} from './port.ts'
import type {SqliteReads} from './reads.ts'
import {SequenceWaiters} from './sequence-waiters.ts'
import type {SnapshotWriter} from './snapshot-writer.ts'

/**
 * Groups that are committed and not projected yet, and their bytes on disk, at which no other is handed to it: projections that fall behind hold the writer up. What
 * their commands did is in memory until then, some times as large.
 */
export const LAG_GROUPS_MAX = 64
export const LAG_BYTES_MAX = 4 * 2 ** 20
/**
 * After a group of so many commands the next one is gathered for a moment, or until it has its fill: they come in a rush then, and a group costs a message,
 * a sync and a turn of the projections however few it has. Who comes alone waits for nobody.
 */
const RUSH_COMMANDS = 4
const RUSH_FILL = 64
const RUSH_PAUSE_MS = 2
/** Groups between two walks over the whole state. */
export const INVARIANTS_EVERY_GROUPS = 1000

/** When it was handed to the disk, by the monotonic clock. */
interface SentGroup {
  readonly group: GatheredGroup
  readonly sentAtMs: number
  commitMs: number
}

/** An answer and the sequence that must be committed before it is given. */
interface Answered {
  readonly answer: CommandAnswer
  readonly seq: number
}

export interface LedgerParts {
  readonly machine: LedgerMachine
  readonly thread: JournalThread
  readonly reads: SqliteReads
  readonly now: () => number
  readonly snapshots: SnapshotWriter
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
  readonly #snapshots: SnapshotWriter
  readonly #committed: SequenceWaiters
  readonly #projected: SequenceWaiters
  readonly #listeners = new Set<(group: CommittedGroup) => void>()
  readonly #failureListeners = new Set<(error: Error) => void>()
  /** Applied, not yet sent to the journal. */
  readonly #gathered: GatheredGroup[] = []
  /** Of the group before, which the next one will be like. */
  #groupBytes = 0
  /** Bytes of what is not committed, and of the part of it that is being written. */
  #queuedBytes = 0
  #writingBytes = 0
  /** Sent, oldest first: at most one that is not committed, and those that are not projected. */
  readonly #sent: SentGroup[] = []
  #sentBytes = 0
  #isWriting = false
  #isScheduled = false
  /** While a rush is gathered. */
  #pause: NodeJS.Timeout | undefined
  #groups = 0
  #failure: Error | undefined
  #isClosed = false

  constructor({machine, thread, reads, now, snapshots}: LedgerParts) {
    this.#machine = machine
    machine.keepLevels()
    this.#thread = thread
    this.reads = reads
    this.#now = now
    this.#snapshots = snapshots
    this.#committed = new SequenceWaiters(machine.seq)
    this.#projected = new SequenceWaiters(machine.seq)
    thread.listen({
      committed: (head) => this.#whenCommitted(head),
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

  get queued(): number {
    return this.#machine.seq - this.sequence
  }

  nowMs(): number {
    return Math.max(this.#now(), this.#machine.atMs)
  }

  async submit(command: SignedCommand, signal: AbortSignal, {admit, provenBy}: SubmitOptions = {}): Promise<CommandAnswer> {
    if (signal.aborted) throw new CreoError('interrupted', 'The command was given up before it was applied.', {cause: signal.reason})
    this.#refuseWhenDown()
    refuseWhenFull(command, {commands: this.queued, bytes: this.#queuedBytes})
    const nowMs = this.nowMs()
    refuseByTime(command, nowMs)
    const authentic = authenticate(this.#machine, command, {signatures: true, isNew: true, provenBy})
    admit?.()
    const {answer, seq} = this.#answerAgain(authentic) ?? this.#apply(command, authentic, nowMs)
    await this.#committed.wait(seq, signal)
    return answer
  }

  publicKeyOf(command: Pick<SignedCommand, 'account' | 'keyId'>): string | undefined {
    return knownKey(this.#machine, command)
  }

  nextExpiryMs(): number | undefined {
    return this.#machine.state.expiries.next?.atMs
  }

  tradingRoom(of: Parameters<Ledger['tradingRoom']>[0]): TradingRoom {
    return tradingRoom(this.#machine.state, of, this.nowMs())
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
    await this.#snapshots.close()
    // The last one to close a file takes what SQLite has beside it into the file, if it may write. After a failure nobody does: that would sync again.
    if (this.#failure === undefined) this.reads.close()
    await this.#thread.close()
    if (this.#failure !== undefined) this.reads.close()
  }

  #refuseWhenDown(): void {
    if (this.#failure !== undefined) {
      throw new CreoError('unavailable', 'The ledger has stopped after an error.', {
        hint: 'Start the coordinator again.',
        cause: this.#failure
      })
    }
    if (this.#isClosed) throw new CreoError('unavailable', 'The ledger is closed.')
  }

  /**
   * The first answer to the same key and body, if there was one. A repeat under a later not-after is journaled, so that it is remembered until then;
   * the coordinator's own are not, since each of them can be carried out only once by what it is about, nor those of a key that was taken away.
   */
  #answerAgain(command: AuthenticCommand): Answered | undefined {
    const first = this.#machine.firstAnswer(command)
    if (first === undefined) {
      if (this.#machine.idempotency.hasRoom(command.account)) return undefined
      throw new CreoError('overloaded', 'Too many commands are remembered by their idempotency keys.', {
        hint: 'Sign commands with a nearer not-after.'
      })
    }
    if (first.bodySha256 !== command.bodySha256) {
      throw new CreoError('idempotency_conflict', `The idempotency key "${command.idempotencyKey}" was used for another command.`, {
        hint: 'Choose a new key.'
      })
    }
    const isGone = first.publicKey !== undefined && this.#machine.keyOf(command) === undefined
    const isLonger = command.notAfterMs > first.notAfterMs && command.account !== 'coordinator' && !isGone
    return isLonger ? undefined : {answer: answerOf(first.answer, first.seq), seq: first.seq}
  }

  #apply(command: SignedCommand, authentic: AuthenticCommand, atMs: number): Answered {
    const seq = this.#machine.seq + 1
    const outcome = this.#orFail(() => this.#applied(command, {...authentic, seq, atMs}))
    this.#schedule()
    return {answer: answerOf(outcome.answer, outcome.repeats ?? seq), seq}
  }

  #applied(command: SignedCommand, sequenced: SequencedCommand): Outcome {
    const {seq, atMs, body} = sequenced
    const outcome = this.#machine.apply(sequenced)
    const levels = this.#machine.takeLevels()
    const group = this.#groupFor(sequenced)
    const before = group.bytes
    group.add({seq, atMs, type: body.type, command, outcome}, levels)
    this.#queuedBytes += group.bytes - before
    return outcome
  }

  /** The one that takes this command. */
  #groupFor(first: SequencedCommand): GatheredGroup {
    const last = this.#gathered.at(-1)
    if (last?.hasRoom) return last
    const group = new GatheredGroup(first, this.networkId, this.#groupBytes)
    this.#queuedBytes += group.bytes
    this.#gathered.push(group)
    return group
  }

  /** Runs a rule; what breaks it stops the ledger before anything of it is written. */
  #orFail<T>(rule: () => T): T {
    try {
      return rule()
    } catch (error) {
      const failure = errorOf(error)
      this.#fail(failure)
      throw new CreoError('internal', `A rule of the ledger is broken: ${failure.message}`, {cause: failure})
    }
  }

  /** The first group after a rest closes when this turn of the event loop ends, so that a batch is one group. */
  #schedule(): void {
    if (this.#isWriting || this.#isScheduled) return
    if (this.#pause !== undefined && !this.#hasFill()) return
    this.#endPause()
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#writeGroup()
    })
  }

  #writeGroup(): void {
    if (this.#isWriting || this.#pause !== undefined || this.#failure !== undefined || this.#gathered.length === 0) return
    if (this.#sent.length >= LAG_GROUPS_MAX || this.#sentBytes >= LAG_BYTES_MAX) return
    try {
      this.#appendGroup()
    } catch (error) {
      this.#fail(errorOf(error))
    }
  }

  #appendGroup(): void {
    this.#snapshots.beforeGroup(this.#machine)
    // What the state is now is said by the group that ends now.
    if (this.#snapshots.takenAt === this.#machine.seq) this.#gathered.at(-1)?.close()
    const group = this.#gathered.shift()
    if (group === undefined) return
    if (this.#groups % INVARIANTS_EVERY_GROUPS === 0) assertInvariants(this.#machine)
    this.#groups += 1
    const {firstSeq, lastSeq, bytes} = group
    this.#thread.append({firstSeq, lastSeq, ruleset: RULESET, body: group.body(this.#snapshots.digestAt(lastSeq))})
    this.#groupBytes = bytes
    this.#isWriting = true
    this.#writingBytes = bytes
    this.#sentBytes += bytes
    this.#sent.push({group, sentAtMs: performance.now(), commitMs: 0})
  }

  #whenCommitted(head: JournalHead): void {
    const {lastSeq} = head
    const sent = this.#sent.at(-1)
    if (sent !== undefined) sent.commitMs = performance.now() - sent.sentAtMs
    this.#isWriting = false
    this.#queuedBytes -= this.#writingBytes
    this.#snapshots.committed(head)
    this.#committed.reach(lastSeq)
    if (sent !== undefined && sent.group.commands.length >= RUSH_COMMANDS && !this.#hasFill()) this.#gatherRush()
    else this.#writeGroup()
  }

  #hasFill(): boolean {
    return this.#gathered.length > 1 || (this.#gathered[0]?.commands.length ?? 0) >= RUSH_FILL
  }

  #gatherRush(): void {
    this.#pause = setTimeout(() => {
      this.#endPause()
      this.#writeGroup()
    }, RUSH_PAUSE_MS)
  }

  #endPause(): void {
    clearTimeout(this.#pause)
    this.#pause = undefined
  }

  #whenProjected(lastSeq: number): void {
    this.#projected.reach(lastSeq)
    for (let sent = this.#sent[0]; sent !== undefined && sent.group.lastSeq <= lastSeq; sent = this.#sent[0]) {
      const {group, commitMs} = sent
      this.#sent.shift()
      this.#sentBytes -= group.bytes
      const {firstSeq, types, leases, commands} = group
      const committed = {firstSeq, lastSeq: group.lastSeq, types, leases, commands, commitMs}
      for (const listener of this.#listeners) listener(committed)
    }
    this.#writeGroup()
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#gathered.length = 0
    const unavailable = new CreoError('unavailable', 'The ledger stopped before it could say whether the command was committed.', {
      hint: 'Send the same command again after the restart: it is carried out once.',
      cause: error
    })
    this.#committed.fail(unavailable)
    this.#projected.fail(unavailable)
    for (const listener of this.#failureListeners) listener(error)
  }
}

function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

function answerOf(answer: Answer, seq: number): CommandAnswer {
  return answer.status === 'applied' ? {status: 'applied', seq, result: {...answer.result}} : {...answer, seq}
}
