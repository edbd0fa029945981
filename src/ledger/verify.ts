import {existsSync} from 'node:fs'
import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {CreoError} from '../core/errors.ts'
import type {LedgerMachine} from '../core/exchange/ledger-machine.ts'
import {BadGroup} from './bad-group.ts'
import {deedsOf, type JournalGroup} from './group.ts'
import {JOURNAL_FILE, type JournalHead, JournalReader} from './journal.ts'
import {ProjectionCheck} from './projection-check.ts'
import {PROJECTIONS_FILE} from './projection-schema.ts'
import {machineOf, replayGroup} from './replay.ts'
import {findSnapshot, SNAPSHOT_FILE} from './snapshot.ts'

export interface VerifyOptions {
  readonly directory: string
  /** Also check each command's signature (about 70 µs each) and both of each receipt. */
  readonly signatures: boolean
  readonly signal: AbortSignal
  readonly onProgress?: (progress: {readonly groups: number; readonly groupsTotal: number; readonly commands: number}) => void
}

export interface Verification {
  readonly holds: boolean
  readonly networkId: string
  /** Groups and commands that were found good. */
  readonly groups: number
  readonly commands: number
  readonly headHash: string
  readonly accounts: number
  /** Balances of the replay that the projections were compared with. */
  readonly balances: number
  readonly signaturesChecked: number
  /** Digests of the state that the replay has come to as well. */
  readonly digests: number
  /** Whether the next start can begin from the snapshot; where not, it replays the whole journal. */
  readonly snapshot: 'none' | 'holds' | 'unusable'
  readonly firstBad?: {readonly group: number; readonly reason: string}
}

/** Groups between two turns of the event loop. */
const GROUPS_PER_TURN = 16

/**
 * Replays a ledger's journal from its genesis and compares everything: hashes, outcomes, signatures, digests of the state, the snapshot, and every row of the projections. Needs no
 * coordinator: it works on a copied directory, and on one in use.
 * @throws {CreoError} `not_found` if the directory holds no ledger.
 */
export async function verifyLedger({directory, signatures, signal, onProgress}: VerifyOptions): Promise<Verification> {
  const machine = machineOf(await readGenesis(directory))
  const {networkId} = machine.state
  const found = {groups: 0, commands: 0, headHash: networkId, accounts: 0, balances: 0, signaturesChecked: 0, digests: 0}
  const files = {journal: undefined as JournalReader | undefined, projections: undefined as ProjectionCheck | undefined}
  let head: JournalHead = {number: 0, lastSeq: 0, hash: networkId}
  let snapshot: Verification['snapshot'] = 'none'
  try {
    files.projections = openProjections(directory, machine)
    files.journal = new JournalReader(join(directory, JOURNAL_FILE), networkId)
    const groupsTotal = files.journal.head().number
    for (const group of files.journal.groups(1)) {
      const replayed = replayGroup(machine, head, group, {signatures})
      head = replayed
      found.digests += replayed.digests
      files.projections?.follow(group, machine)
      Object.assign(found, {groups: head.number, commands: head.lastSeq, headHash: head.hash})
      if (signatures) found.signaturesChecked += signaturesIn(group)
      if (head.number % GROUPS_PER_TURN === 0) await nextTurn(signal)
      onProgress?.({groups: head.number, groupsTotal, commands: head.lastSeq})
    }
    const [damage] = files.journal.damage()
    if (damage !== undefined) throw new BadGroup(head.number + 1, `can't be trusted: journal.sqlite is damaged (${damage})`)
    found.balances = files.projections?.finish(head) ?? 0
    const kept = await findSnapshot(join(directory, SNAPSHOT_FILE), files.journal, signal)
    if (kept !== undefined) snapshot = kept.fault === undefined ? 'holds' : 'unusable'
    return {holds: true, networkId, ...found, snapshot, accounts: machine.state.accounts.length}
  } catch (error) {
    if (error instanceof CreoError && error.code === 'interrupted') throw error
    const firstBad =
      error instanceof BadGroup
        ? {group: error.group, reason: error.message}
        : {group: head.number + 1, reason: `can't be read: ${String(error)}`}
    return {holds: false, networkId, ...found, snapshot, accounts: machine.state.accounts.length, firstBad}
  } finally {
    files.projections?.close()
    files.journal?.close()
  }
}

async function readGenesis(directory: string): Promise<string> {
  if (!existsSync(join(directory, JOURNAL_FILE))) {
    throw new CreoError('not_found', `There is no ledger in ${directory}.`, {
      hint: 'Name the data directory of a coordinator, or a copy of it.'
    })
  }
  try {
    return await readFile(join(directory, 'genesis.json'), 'utf8')
  } catch (cause) {
    throw new CreoError('not_found', `There is no genesis.json in ${directory}.`, {hint: 'Copy it along with the journal.', cause})
  }
}

function openProjections(directory: string, machine: LedgerMachine): ProjectionCheck | undefined {
  const path = join(directory, PROJECTIONS_FILE)
  return existsSync(path) ? ProjectionCheck.open(path, machine.state) : undefined
}

/** Signatures that a replay of this group has checked: one a command, two more where it carries a receipt. */
function signaturesIn(group: JournalGroup): number {
  return [...deedsOf(group)].reduce((sum, {type}) => sum + (type === 'receipt.pay' ? 3 : 1), 0)
}

async function nextTurn(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
  if (signal.aborted) throw new CreoError('interrupted', 'The verification was ended.', {cause: signal.reason})
}
