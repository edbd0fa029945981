import {join} from 'node:path'
import {inTurns} from '../../src/coordinator/http/routes-commands.ts'
import type {CommandAnswer, SignedCommand} from '../../src/core/protocol/commands.ts'
import {JOURNAL_FILE, type JournalHead, JournalReader} from '../../src/ledger/journal.ts'
import type {Ledger} from '../../src/ledger/port.ts'
import {machineOf, replayGroup} from '../../src/ledger/replay.ts'

/** Commands that wait for their commit at a time: fewer than the ledger refuses. */
const UNDER_WAY = 8000
const CHUNK = 1000
const PERCENT = 100

export interface DurableRound {
  /** Until the last of them was committed and answered. */
  readonly commandsPerS: number
  /** Until the projections showed the last of them as well. */
  readonly shownPerS: number
  /** From the moment that a group was handed to the disk until it was there. */
  readonly commitP99Ms: number
}

/**
 * Hands commands to the ledger, a thousand at a time and eight thousand under way, until the last of them is committed, and shown. As the front door does, it
 * lets others have their turn between a few of them, and who signed them was found out before the clock began.
 */
export async function durableRound(
  ledger: Ledger,
  commands: readonly SignedCommand[],
  {keys, signal}: {readonly keys: ReadonlyMap<string, string>; readonly signal: AbortSignal}
): Promise<DurableRound> {
  const commits: number[] = []
  const stop = ledger.onCommitted(({commitMs}) => commits.push(commitMs))
  const startedAtMs = performance.now()
  const pending: Promise<CommandAnswer[]>[] = []
  for (let from = 0; from < commands.length; from += CHUNK) {
    if (pending.length * CHUNK >= UNDER_WAY) checkApplied(await (pending.shift() ?? []))
    const chunk = commands.slice(from, from + CHUNK)
    pending.push(inTurns(chunk, (command) => ledger.submit(command, signal, {provenBy: keys.get(command.keyId)})))
  }
  for (const answers of await Promise.all(pending)) checkApplied(answers)
  const perS = (): number => commands.length / ((performance.now() - startedAtMs) / 1000)
  const commandsPerS = perS()
  await ledger.projected(ledger.sequence, signal)
  const shownPerS = perS()
  stop()
  return {commandsPerS, shownPerS, commitP99Ms: percentile(commits, 99)}
}

function checkApplied(answers: readonly CommandAnswer[]): void {
  for (const answer of answers) if (answer.status !== 'applied') throw new Error(`A command was refused: ${answer.message}`)
}

/** Of unsorted numbers; the largest for an empty tail. */
export function percentile(samples: readonly number[], percent: number): number {
  const sorted = Float64Array.from(samples).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / PERCENT))] ?? 0
}

/** Commands a second of a replay from the journal's first group: chain, hashes and outcomes compared, signatures if asked. */
export function replayPerS(
  {directory, genesisText}: {readonly directory: string; readonly genesisText: string},
  {signatures, groupsMax}: {readonly signatures: boolean; readonly groupsMax: number}
): number {
  const machine = machineOf(genesisText)
  const journal = new JournalReader(join(directory, JOURNAL_FILE), machine.state.networkId)
  try {
    let head: JournalHead = {number: 0, lastSeq: 0, hash: machine.state.networkId}
    const startedAtMs = performance.now()
    for (const group of journal.groups(1)) {
      head = replayGroup(machine, head, group, {signatures})
      if (head.number === groupsMax) break
    }
    return head.lastSeq / ((performance.now() - startedAtMs) / 1000)
  } finally {
    journal.close()
  }
}
