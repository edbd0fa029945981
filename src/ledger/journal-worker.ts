import assert from 'node:assert'
import {parentPort, workerData} from 'node:worker_threads'
import {JournalWriter} from './journal.ts'
import type {FromWorker, ToJournal, WorkerSettings} from './journal-messages.ts'
import {sayFailure} from './worker-failure.ts'

/**
 * The thread that owns the journal. A group is answered `committed` once SQLite has synced it. After the first error it
 * writes nothing more and says so: a failed sync is never tried again, since what the disk holds then is unknown.
 */
assert(parentPort !== null, 'journal-worker runs as a worker thread')
const port = parentPort
const {journalPath, networkId} = workerData as WorkerSettings

let writer: JournalWriter | undefined
let hasFailed = false

function say(message: FromWorker): void {
  port.postMessage(message)
}

function fail(error: unknown): void {
  hasFailed = true
  say(sayFailure(error))
}

function append(message: Extract<ToJournal, {type: 'append'}>): void {
  assert(writer !== undefined, 'a group before the journal is open')
  const {firstSeq, lastSeq, ruleset, body} = message
  writer.append({firstSeq, lastSeq, ruleset, body})
  say({type: 'committed', ...writer.head})
}

function close(): void {
  if (!hasFailed) writer?.close()
  say({type: 'closed'})
  port.close()
}

port.on('message', (message: ToJournal) => {
  try {
    if (message.type === 'close') close()
    else if (!hasFailed) append(message)
  } catch (error) {
    fail(error)
  }
})

try {
  writer = new JournalWriter(journalPath, networkId)
  say({type: 'opened'})
} catch (error) {
  fail(error)
}
