import type Database from 'better-sqlite3'
import {CreoError} from '../core/errors.ts'
import {BadGroup, refusalOf} from './bad-group.ts'
import {faultInChain} from './group.ts'
import {INSERT_GROUP, JOURNAL_SCHEMA, type JournalHead, type JournalReader} from './journal.ts'

/** Groups that are copied in one transaction, and between two turns of the event loop; few of them are large. */
const GROUPS_PER_STEP = 64

export interface CopyOptions {
  readonly from: JournalReader
  /** Gets the table of a journal; what syncs the file is the caller's. */
  readonly to: Database.Database
  readonly signal: AbortSignal
  readonly onProgress: (progress: {readonly groups: number; readonly groupsTotal: number}) => void
}

/**
 * Copies all groups that a journal has now, also one that is being written to: what was appended stays as it is. Checks the chain on the way.
 * @throws {CreoError} `verification_failed` naming the first group that is not in the chain; `interrupted`.
 */
export async function copyJournal({from, to, signal, onProgress}: CopyOptions): Promise<JournalHead> {
  to.exec(JOURNAL_SCHEMA)
  const insert = to.prepare(INSERT_GROUP)
  const last = from.head()
  let head: JournalHead = {number: 0, lastSeq: 0, hash: from.networkId}
  const step = to.transaction((until: number) => {
    for (const group of from.groups(head.number + 1)) {
      const fault = faultInChain(head, group)
      if (fault !== undefined) throw refusalOf(new BadGroup(head.number + 1, fault))
      insert.run(group)
      head = {number: group.number, lastSeq: group.lastSeq, hash: group.hash}
      if (group.number >= until) return
    }
  })
  while (head.number < last.number) {
    const before = head.number
    step(Math.min(last.number, before + GROUPS_PER_STEP))
    if (head.number === before) throw refusalOf(new BadGroup(before + 1, 'is missing'))
    onProgress({groups: head.number, groupsTotal: last.number})
    await new Promise((resolve) => setImmediate(resolve))
    if (signal.aborted) throw new CreoError('interrupted', 'Copying the journal was ended.', {cause: signal.reason})
  }
  return head
}
