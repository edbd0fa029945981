import assert from 'node:assert'
import {parentPort, workerData} from 'node:worker_threads'
import {isCreoError} from '../core/errors.ts'
import {JournalReader, JournalWriter} from './journal.ts'
import type {FromWorker, ToWorker, WorkerSettings} from './journal-messages.ts'
import {Projections} from './projections.ts'

/**
 * The thread that owns the journal. A group is answered `committed` once SQLite has synced it; then it is projected. After the first error it
 * writes nothing more and says so: a failed sync is never tried again, since what the disk holds then is unknown.
 */
assert(parentPort !== null, 'journal-worker runs as a worker thread')
const port = parentPort
const {journalPath, projectionsPath, networkId, volumeBucketMs} = workerData as WorkerSettings

let writer: JournalWriter | undefined
let projections: Projections | undefined
let hasFailed = false

function say(message: FromWorker): void {
  port.postMessage(message)
}

function fail(error: unknown): void {
  hasFailed = true
  const message = error instanceof Error ? error.message : String(error)
  say({type: 'failed', code: isCreoError(error) ? error.code : 'unavailable', message})
}

function projectAll(): void {
  const reader = new JournalReader(journalPath, networkId)
  projections = Projections.open(projectionsPath, reader, {networkId, volumeBucketMs})
  reader.close()
  say({type: 'caught_up'})
}

function append(message: Extract<ToWorker, {type: 'append'}>): void {
  assert(writer !== undefined && projections !== undefined, 'a group before the projections are up')
  const {firstSeq, lastSeq, ruleset} = message
  const group = writer.append({firstSeq, lastSeq, ruleset, body: Buffer.from(message.body)})
  say({type: 'committed', ...writer.head})
  projections.project(group)
  say({type: 'projected', lastSeq})
}

function close(): void {
  if (!hasFailed) {
    projections?.close()
    writer?.close()
  }
  say({type: 'closed'})
  port.close()
}

port.on('message', (message: ToWorker) => {
  try {
    if (message.type === 'close') close()
    else if (hasFailed) return
    else if (message.type === 'project') projectAll()
    else append(message)
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
