import {join} from 'node:path'
import {CreoError} from '../core/errors.ts'
import {assertInvariants} from '../core/exchange/invariants.ts'
import type {LedgerMachine} from '../core/exchange/ledger-machine.ts'
import {JOURNAL_FILE, type JournalHead, JournalReader} from './journal.ts'
import {JournalThread} from './journal-thread.ts'
import type {Ledger} from './port.ts'
import {PROJECTIONS_FILE} from './projection-schema.ts'
import {SqliteReads} from './reads.ts'
import {BadGroup, machineOf, replayGroup} from './replay.ts'
import {SqliteLedger} from './sqlite-ledger.ts'

/** Groups replayed before the event loop gets a turn (for the signal). */
const GROUPS_PER_TURN = 64

export interface OpenLedgerOptions {
  readonly directory: string
  /** The exact text of genesis.json: the network's id is its hash. */
  readonly genesisText: string
  readonly now: () => number
  readonly signal: AbortSignal
}

/**
 * Opens the ledger of a directory, or makes an empty one. Replays the whole journal, compares every effect, and brings the projections up to it.
 * The directory must be this process's alone (`openDataDirectory`).
 * @throws {CreoError} `verification_failed` naming the first group that is not what the rules make of it; nothing is served then.
 */
export async function openLedger({directory, genesisText, now, signal}: OpenLedgerOptions): Promise<Ledger> {
  const machine = machineOf(genesisText)
  const {networkId, genesis} = machine.state
  const journalPath = join(directory, JOURNAL_FILE)
  const projectionsPath = join(directory, PROJECTIONS_FILE)
  const thread = await JournalThread.start({journalPath, projectionsPath, networkId, volumeBucketMs: genesis.volumeBucketMs})
  try {
    const journal = openReader(journalPath, networkId)
    try {
      await replay(machine, journal, signal)
    } catch (error) {
      journal.close()
      throw error
    }
    await thread.project()
    const {volumeBucketMs, volumeBuckets} = genesis
    const reads = new SqliteReads(projectionsPath, {journal, now, volumeBucketMs, volumeBuckets})
    return new SqliteLedger({machine, thread, reads, now})
  } catch (error) {
    await thread.close()
    throw error
  }
}

function openReader(path: string, networkId: string): JournalReader {
  try {
    return new JournalReader(path, networkId)
  } catch (cause) {
    throw damaged(cause)
  }
}

async function replay(machine: LedgerMachine, journal: JournalReader, signal: AbortSignal): Promise<void> {
  let head: JournalHead = {number: 0, lastSeq: 0, hash: machine.state.networkId}
  try {
    for (const group of journal.groups(1)) {
      head = replayGroup(machine, head, group, {signatures: false})
      if (head.number % GROUPS_PER_TURN === 0) await nextTurn(signal)
    }
    assertInvariants(machine)
  } catch (error) {
    if (error instanceof CreoError) throw error
    if (!(error instanceof BadGroup)) throw damaged(error)
    throw new CreoError('verification_failed', `Group ${error.group} of the journal ${error.message}.`, {
      hint: 'Restore journal.sqlite from a backup; "creo ledger verify" says more.',
      cause: error
    })
  }
}

function damaged(cause: unknown): CreoError {
  return new CreoError('verification_failed', `The journal can't be read: ${cause instanceof Error ? cause.message : String(cause)}.`, {
    hint: 'Restore journal.sqlite from a backup.',
    cause
  })
}

async function nextTurn(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
  if (signal.aborted) throw new CreoError('interrupted', 'Opening the ledger was ended.', {cause: signal.reason})
}
