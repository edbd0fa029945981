import assert from 'node:assert'
import {parentPort, workerData} from 'node:worker_threads'
import {JournalReader} from './journal.ts'
import type {FromWorker, ToProjections, WorkerSettings} from './journal-messages.ts'
import {Projections} from './projections.ts'
import {sayFailure} from './worker-failure.ts'

/**
 * The thread that owns the projections. What is committed it reads from the journal itself, so no group waits in memory for it; those that came
 * while it wrote are written together next. After the first error it writes nothing more and says so.
 */
assert(parentPort !== null, 'projection-worker runs as a worker thread')
const port = parentPort
const {journalPath, projectionsPath, networkId, volumeBucketMs} = workerData as WorkerSettings

let journal: JournalReader | undefined
let projections: Projections | undefined
/** The last group that is known to be committed. */
let committed = 0
let isScheduled = false
let hasFailed = false

function say(message: FromWorker): void {
  port.postMessage(message)
}

function orFail(work: () => void): void {
  try {
    work()
  } catch (error) {
    hasFailed = true
    say(sayFailure(error))
  }
}

function catchUp(): void {
  journal = new JournalReader(journalPath, networkId)
  projections = Projections.open(projectionsPath, journal, {networkId, volumeBucketMs})
  say({type: 'caught_up'})
}

function projectSome(): void {
  isScheduled = false
  if (hasFailed || journal === undefined || projections === undefined) return
  const {number, seq} = projections.projectSome(journal, committed)
  say({type: 'projected', lastSeq: seq})
  if (number < committed) schedule()
}

/** Between two transactions the port gets a turn: more may be committed by then. */
function schedule(): void {
  if (isScheduled) return
  isScheduled = true
  setImmediate(() => orFail(projectSome))
}

function close(): void {
  if (!hasFailed) {
    projections?.close()
    journal?.close()
  }
  hasFailed = true
  say({type: 'closed'})
  port.close()
}

function hear(message: ToProjections): void {
  if (message.type === 'close') close()
  else if (hasFailed) return
  else if (message.type === 'catch_up') catchUp()
  else {
    committed = message.number
    schedule()
  }
}

port.on('message', (message: ToProjections) => orFail(() => hear(message)))
say({type: 'opened'})
