import assert from 'node:assert'
import {parentPort, workerData} from 'node:worker_threads'
import {JournalReader} from './journal.ts'
import type {FromWorker, ToProjections, WorkerSettings} from './journal-messages.ts'
import {GROUPS_AT_ONCE, Projections, type Watermark} from './projections.ts'
import {sayFailure} from './worker-failure.ts'

/**
 * The thread that owns the projections. What is committed it reads from the journal itself, so no group waits in memory for it; those that came
 * while it wrote are written together next. After the first error it writes nothing more and says so.
 */
assert(parentPort !== null, 'projection-worker runs as a worker thread')
const port = parentPort

/** How long groups of several commands wait for others: a transaction costs as much for four of them as for one. */
const PAUSE_MS = 8
/** A group of fewer commands is of people that wait for what they did to be shown, one by one. */
const RUSH_COMMANDS = 4

type Place = Pick<Watermark, 'number' | 'seq'>

const {journalPath, projectionsPath, networkId, volumeBucketMs} = workerData as WorkerSettings

let journal: JournalReader | undefined
let projections: Projections | undefined
/** The last group that is known to be committed, and the last that is projected. */
let committed: Place = {number: 0, seq: 0}
let projected: Place = {number: 0, seq: 0}
let isScheduled = false
/** Runs while more is let come together. */
let pause: NodeJS.Timeout | undefined
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
  projected = projections.watermark
  committed = projected
  say({type: 'caught_up'})
}

function projectSome(): void {
  isScheduled = false
  if (hasFailed || journal === undefined || projections === undefined) return
  projected = projections.projectSome(journal, committed.number)
  say({type: 'projected', lastSeq: projected.seq})
  if (projected.number < committed.number) schedule()
}

/** Between two transactions the port gets a turn: more may be committed by then. */
function schedule(): void {
  clearTimeout(pause)
  pause = undefined
  if (isScheduled) return
  isScheduled = true
  setImmediate(() => orFail(projectSome))
}

function whenCommitted(place: Place): void {
  const isRush = place.seq - committed.seq >= RUSH_COMMANDS && place.number - projected.number < GROUPS_AT_ONCE
  committed = place
  if (isRush) pause ??= setTimeout(schedule, PAUSE_MS)
  else schedule()
}

function close(): void {
  clearTimeout(pause)
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
  else whenCommitted(message)
}

port.on('message', (message: ToProjections) => orFail(() => hear(message)))
say({type: 'opened'})
