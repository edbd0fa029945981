import {CreoError} from '../core/errors.ts'
import {LedgerMachine, RULESET} from '../core/exchange/ledger-machine.ts'
import type {Outcome} from '../core/exchange/outcome.ts'
import {STATE_FORM} from '../core/exchange/state-form.ts'
import {genesisSchema} from '../core/protocol/genesis.ts'
import {sha256Hex} from '../identity/keys.ts'
import {authenticate} from './authenticate.ts'
import {BadGroup} from './bad-group.ts'
import {type BodyReader, bodyReader} from './body-reader.ts'
import {faultInChain, type JournalGroup} from './group.ts'
import type {JournalHead} from './journal.ts'
import {digestOf} from './state-digest.ts'

/** @throws {CreoError} `invalid_input` for a text that is no genesis. */
export function machineOf(genesisText: string): LedgerMachine {
  try {
    return LedgerMachine.fromGenesis(genesisSchema.parse(JSON.parse(genesisText)), sha256Hex(genesisText))
  } catch (cause) {
    throw new CreoError('invalid_input', 'The genesis file is not of the form creo-genesis-v1.', {cause})
  }
}

/**
 * Takes a machine through one more group: the chain, every hash, every command's authorship (signatures if asked), every outcome, and the
 * digest of the state where the group has one of this version's form (`digests` is 1 then).
 * @throws {BadGroup} at the first thing that is not as journaled.
 */
export function replayGroup(
  machine: LedgerMachine,
  before: JournalHead,
  group: JournalGroup,
  {signatures}: {readonly signatures: boolean}
): JournalHead & {readonly digests: number} {
  const {number, firstSeq, lastSeq, hash} = group
  const fault = faultInChain(before, group)
  if (fault !== undefined) throw new BadGroup(before.number + 1, fault)
  if (group.ruleset !== RULESET) throw new BadGroup(number, `is of the unknown ruleset "${group.ruleset}"`)
  if (firstSeq !== before.lastSeq + 1) throw new BadGroup(number, 'has a gap in its sequence')
  const reader = bodyReader(group)
  for (let seq = firstSeq; replayNext(machine, reader, {group: number, seq, signatures}); ) seq += 1
  if (lastSeq !== firstSeq + reader.count - 1) throw new BadGroup(number, 'has a gap in its sequence')
  const {state} = reader
  const isComparable = state?.form === STATE_FORM
  if (isComparable && digestOf(machine).sha256 !== state.sha256) throw new BadGroup(number, 'led to another state than its digest says')
  return {number, lastSeq, hash, digests: isComparable ? 1 : 0}
}

interface ReplayOptions {
  readonly group: number
  readonly seq: number
  readonly signatures: boolean
}

/** False after the last command. */
function replayNext(machine: LedgerMachine, reader: BodyReader, {group, seq, signatures}: ReplayOptions): boolean {
  let outcome: Outcome
  try {
    const journaled = reader.next()
    if (journaled === undefined) return false
    const authentic = authenticate(machine, journaled.command, {signatures})
    if ((journaled.type ?? authentic.body.type) !== authentic.body.type) throw new Error(`it is journaled as ${journaled.type}`)
    outcome = machine.apply({...authentic, seq, atMs: journaled.atMs})
  } catch (cause) {
    throw new BadGroup(group, `command ${seq} can't be repeated: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
  if (!reader.didSo(outcome)) throw new BadGroup(group, `command ${seq} does something else than was journaled`)
  return true
}
