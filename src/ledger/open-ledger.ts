import {join} from 'node:path'
import {CreoError} from '../core/errors.ts'
import {assertInvariants} from '../core/exchange/invariants.ts'
import type {LedgerMachine} from '../core/exchange/ledger-machine.ts'
import type {Log} from '../telemetry/log.ts'
import {BadGroup, RESTORE_HINT, refusalOf} from './bad-group.ts'
import {JOURNAL_FILE, type JournalHead, JournalReader} from './journal.ts'
import {JournalThread} from './journal-thread.ts'
import type {Ledger} from './port.ts'
import {PROJECTIONS_FILE} from './projection-schema.ts'
import {SqliteReads} from './reads.ts'
import {machineOf, replayGroup} from './replay.ts'
import {findSnapshot, restoreSnapshot, SNAPSHOT_FILE} from './snapshot.ts'
import {type DigestPace, SnapshotWriter} from './snapshot-writer.ts'
import {SqliteLedger} from './sqlite-ledger.ts'

/** Groups replayed before the event loop gets a turn (for the signal). */
const GROUPS_PER_TURN = 64

export interface OpenLedgerOptions {
  readonly directory: string
  /** The exact text of genesis.json: the network's id is its hash. */
  readonly genesisText: string
  readonly now: () => number
  readonly signal: AbortSignal
  /** Hears from where the ledger was opened, and when a snapshot could not be used. */
  readonly log?: Pick<Log, 'info' | 'warn'>
  /** How often a digest of the state is taken, and a snapshot with it. */
  readonly digestPace?: DigestPace
}

/**
 * Opens the ledger of a directory, or makes an empty one. Starts from the snapshot, if the journal vouches for every byte of it, or else from the
 * genesis; replays what came after, compares every effect, and brings the projections up to the journal.
 * The directory must be this process's alone (`openDataDirectory`).
 * @throws {CreoError} `verification_failed` naming the first group that is not what the rules make of it; nothing is served then.
 */
export async function openLedger(options: OpenLedgerOptions): Promise<Ledger> {
  const {directory, genesisText, now, digestPace} = options
  const {networkId, genesis} = machineOf(genesisText).state
  const journalPath = join(directory, JOURNAL_FILE)
  const projectionsPath = join(directory, PROJECTIONS_FILE)
  const snapshotPath = join(directory, SNAPSHOT_FILE)
  const thread = await JournalThread.start({journalPath, projectionsPath, networkId, volumeBucketMs: genesis.volumeBucketMs})
  try {
    const journal = openReader(journalPath, networkId)
    let replayed: Replayed
    try {
      replayed = await replay(options, journal, snapshotPath)
    } catch (error) {
      journal.close()
      throw error
    }
    await thread.project()
    const {volumeBucketMs, volumeBuckets} = genesis
    const reads = new SqliteReads(projectionsPath, {journal, now, volumeBucketMs, volumeBuckets})
    const snapshots = new SnapshotWriter({path: snapshotPath, networkId, since: replayed.since, pace: digestPace})
    return new SqliteLedger({machine: replayed.machine, thread, reads, now, snapshots})
  } catch (error) {
    await thread.close()
    throw error
  }
}

interface Replayed {
  readonly machine: LedgerMachine
  /** Groups that came after the snapshot, or after the start, and the sequence that it was of. */
  readonly since: {readonly groups: number; readonly lastSeq: number}
}

function openReader(path: string, networkId: string): JournalReader {
  try {
    return new JournalReader(path, networkId)
  } catch (cause) {
    throw damaged(cause)
  }
}

async function replay({genesisText, signal, log}: OpenLedgerOptions, journal: JournalReader, snapshotPath: string): Promise<Replayed> {
  const startMs = performance.now()
  const {machine, head: start} = await startOf(genesisText, {journal, snapshotPath, signal, log})
  let head = start
  try {
    for (const group of journal.groups(head.number + 1)) {
      head = replayGroup(machine, head, group, {signatures: false})
      if (head.number % GROUPS_PER_TURN === 0) await nextTurn(signal)
    }
    assertInvariants(machine)
  } catch (error) {
    if (error instanceof CreoError) throw error
    throw error instanceof BadGroup ? refusalOf(error) : damaged(error)
  }
  const [groups, commands] = [head.number - start.number, head.lastSeq - start.lastSeq]
  const figures = {fromGroup: start.number, groups, commands, ms: Math.round(performance.now() - startMs)}
  log?.info(figures, start.number === 0 ? 'replayed the whole journal' : 'replayed the journal from its snapshot on')
  return {machine, since: {groups, lastSeq: start.lastSeq}}
}

interface StartOptions extends Pick<OpenLedgerOptions, 'signal' | 'log'> {
  readonly journal: JournalReader
  readonly snapshotPath: string
}

/** The machine that a replay begins with: as the snapshot has it, or new. */
async function startOf(
  genesisText: string,
  {journal, snapshotPath, signal, log}: StartOptions
): Promise<{readonly machine: LedgerMachine; readonly head: JournalHead}> {
  const found = await findSnapshot(snapshotPath, journal, signal)
  let fault = found?.fault
  if (found?.header !== undefined) {
    const machine = machineOf(genesisText)
    fault = await restoreSnapshot(machine, snapshotPath, found.header, signal)
    if (fault === undefined) return {machine, head: found.header}
  }
  if (fault !== undefined) log?.warn({snapshot: snapshotPath, fault}, 'the snapshot can not be used: the whole journal is replayed')
  return {machine: machineOf(genesisText), head: {number: 0, lastSeq: 0, hash: journal.networkId}}
}

function damaged(cause: unknown): CreoError {
  return new CreoError('verification_failed', `The journal can't be read: ${cause instanceof Error ? cause.message : String(cause)}.`, {
    hint: RESTORE_HINT,
    cause
  })
}

async function nextTurn(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
  if (signal.aborted) throw new CreoError('interrupted', 'Opening the ledger was ended.', {cause: signal.reason})
}
