import {closeSync, fsync, openSync, renameSync, rmSync, write, writeSync} from 'node:fs'
import {promisify} from 'node:util'
import type {LedgerMachine} from '../core/exchange/ledger-machine.ts'
import {STATE_FORM} from '../core/exchange/state-form.ts'
import type {StateDigest} from './group.ts'
import type {JournalHead} from './journal.ts'
import {encodeHeader, HEADER_BYTES} from './snapshot.ts'
import {digestOf} from './state-digest.ts'

/**
 * When the digest is taken: after so many groups or commands, and after a rest of so many times what the last one took, so that a large network spends
 * no more than one percent on them.
 */
export interface DigestPace {
  readonly everyGroups: number
  readonly everyCommands: number
  readonly restPerPass: number
}
export const DIGEST_PACE: DigestPace = {everyGroups: 1000, everyCommands: 100_000, restPerPass: 100}

export interface SnapshotWriterOptions {
  readonly path: string
  readonly networkId: string
  /** Groups that the start replayed, and the sequence that it began from. */
  readonly since: {readonly groups: number; readonly lastSeq: number}
  readonly pace?: DigestPace | undefined
}

/** A state that was written beside, until the group that carries its digest is committed. */
interface Taken {
  readonly seq: number
  readonly digest: StateDigest
  readonly bytes: number
  /** Undefined when it could not be written. */
  readonly file: number | undefined
}

/**
 * Takes the digest of the state every so many groups for the journal, and keeps the same lines as a snapshot once the group with that digest is
 * committed. A snapshot that can't be written is none: the journal is enough.
 */
export class SnapshotWriter {
  readonly #path: string
  readonly #networkId: string
  readonly #pace: DigestPace
  /** Groups since the last digest, and the sequence that it was of. */
  #groups: number
  #lastSeq: number
  #taken: Taken | undefined
  /** By the monotonic clock: before this no other pass begins. */
  #restsUntilMs = 0
  /** While the file beside is being made the snapshot. */
  #keeping: Promise<void> | undefined

  constructor({path, networkId, since, pace = DIGEST_PACE}: SnapshotWriterOptions) {
    this.#path = path
    this.#networkId = networkId
    this.#groups = since.groups
    this.#lastSeq = since.lastSeq
    this.#pace = pace
  }

  /** The sequence that a group must end with to carry the digest that was taken; undefined while none waits for its group. */
  get takenAt(): number | undefined {
    return this.#taken?.seq
  }

  /** Called before each group: takes a digest, and writes the state beside, when it is time for it. */
  beforeGroup(machine: LedgerMachine): void {
    this.#groups += 1
    const isDue = this.#groups >= this.#pace.everyGroups || machine.seq - this.#lastSeq >= this.#pace.everyCommands
    const isBusy = this.#taken !== undefined || this.#keeping !== undefined
    if (!isDue || isBusy || performance.now() < this.#restsUntilMs) return
    const startMs = performance.now()
    this.#taken = this.#take(machine)
    this.#groups = 0
    this.#lastSeq = machine.seq
    this.#restsUntilMs = performance.now() + this.#pace.restPerPass * (performance.now() - startMs)
  }

  /** The digest that a group with this last sequence carries. */
  digestAt(lastSeq: number): StateDigest | undefined {
    return this.#taken?.seq === lastSeq ? this.#taken.digest : undefined
  }

  committed(head: JournalHead): void {
    const taken = this.#taken
    if (taken?.seq !== head.lastSeq) return
    this.#taken = undefined
    this.#keeping = this.#keep(taken, head).finally(() => {
      this.#keeping = undefined
    })
  }

  async close(): Promise<void> {
    await this.#keeping
    this.#drop(this.#taken?.file)
  }

  #take(machine: LedgerMachine): Taken {
    const file = openBeside(this.#path)
    let isWhole = file !== undefined
    let at = HEADER_BYTES
    const {sha256, bytes} = digestOf(machine, (chunk) => {
      if (file === undefined || !isWhole) return
      try {
        at += writeSync(file, chunk, 0, chunk.length, at)
      } catch {
        isWhole = false
      }
    })
    isWhole &&= at === HEADER_BYTES + bytes
    if (!isWhole) this.#drop(file)
    return {seq: machine.seq, digest: {form: STATE_FORM, sha256}, bytes, file: isWhole ? file : undefined}
  }

  async #keep({file, bytes, digest}: Taken, {number, hash, lastSeq}: JournalHead): Promise<void> {
    if (file === undefined) return
    const header = encodeHeader({format: 'creo-snapshot-v1', network: this.#networkId, number, hash, lastSeq, bytes, ...digest})
    const beside = besideOf(this.#path)
    const isKept = (await writeAndSync(file, header)) && isDone(() => closeSync(file)) && isDone(() => renameSync(beside, this.#path))
    if (!isKept) isDone(() => rmSync(beside, {force: true}))
  }

  #drop(file: number | undefined): void {
    if (file === undefined) return
    isDone(() => closeSync(file))
    isDone(() => rmSync(besideOf(this.#path), {force: true}))
  }
}

/** False when the disk does not take it: that is not tried again. */
async function writeAndSync(file: number, header: Uint8Array): Promise<boolean> {
  try {
    const {bytesWritten} = await promisify(write)(file, header, 0, header.length, 0)
    await promisify(fsync)(file)
    if (bytesWritten === header.length) return true
  } catch {
    // What the disk holds then is unknown, and of no use.
  }
  isDone(() => closeSync(file))
  return false
}

/** What the journal does not need may fail. */
function isDone(work: () => void): boolean {
  try {
    work()
    return true
  } catch {
    return false
  }
}

function besideOf(path: string): string {
  return `${path}.new`
}

function openBeside(path: string): number | undefined {
  try {
    return openSync(besideOf(path), 'w', 0o600)
  } catch {
    return undefined
  }
}
