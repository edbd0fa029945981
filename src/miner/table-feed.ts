import type {Client} from '../client/client.ts'
import {isCreoError} from '../core/errors.ts'
import {NODE_TABLE_WAIT_MAX_MS, NODE_TABLE_WAIT_SHARE_LEAST} from '../core/protocol/api.ts'
import type {Log} from '../telemetry/log.ts'
import {Backoff} from './backoff.ts'
import type {Heartbeats} from './heartbeats.ts'
import type {LeaseBook} from './lease-book.ts'

/** Every coordinator, and nearly every proxy before one, lets a request wait so long. */
const WAIT_SURE_MS = 30_000
const LATE_MS = 15_000
const RETRY_FIRST_MS = 500
const RETRY_MOST_MS = 30_000

export interface TableFeedOptions {
  readonly client: Pick<Client, 'nodeTable'>
  readonly book: Pick<LeaseBook, 'version' | 'takesDeltas' | 'accept'>
  readonly heartbeats: Pick<Heartbeats, 'everyMs' | 'passBy' | 'forgotten'>
  readonly random: () => number
  readonly log: Log
  readonly onNewer: () => void
}

/**
 * Asks for newer tables until the signal fires. Without an answer, the table on disk goes on being the law. Where a wait was cut short by whatever
 * lies between, the next ones are short and grow again.
 */
export async function followTable(options: TableFeedOptions, signal: AbortSignal): Promise<void> {
  const {heartbeats, random} = options
  const backoff = new Backoff({firstMs: RETRY_FIRST_MS, mostMs: RETRY_MOST_MS, random})
  let mostMs = NODE_TABLE_WAIT_MAX_MS
  while (!signal.aborted) {
    const restMs = Math.round(heartbeats.everyMs * (NODE_TABLE_WAIT_SHARE_LEAST + (1 - NODE_TABLE_WAIT_SHARE_LEAST) * random()))
    const waitMs = Math.min(mostMs, Math.max(WAIT_SURE_MS, restMs))
    if ((await askOnce(options, waitMs, signal)) === 'answered') {
      backoff.succeeded()
      mostMs = Math.min(NODE_TABLE_WAIT_MAX_MS, 2 * mostMs)
      await heartbeats.passBy(signal)
    } else {
      mostMs = WAIT_SURE_MS
      heartbeats.forgotten()
      await backoff.wait(signal)
    }
  }
}

async function askOnce(options: TableFeedOptions, waitMs: number, signal: AbortSignal): Promise<'answered' | 'failed'> {
  const {client, book, log} = options
  try {
    const timely = AbortSignal.any([signal, AbortSignal.timeout(waitMs + LATE_MS)])
    const received = await client.nodeTable(Math.max(0, book.version), waitMs, timely, {deltas: book.takesDeltas})
    if (received !== undefined && (await book.accept(received.signed)) === 'newer') {
      log.debug({version: book.version}, 'new table')
      options.onNewer()
    }
    return 'answered'
  } catch (error) {
    if (!signal.aborted) log.info({code: isCreoError(error) ? error.code : String(error)}, 'no table')
    return 'failed'
  }
}
