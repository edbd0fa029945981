import type {Client} from '../client/client.ts'
import {isCreoError} from '../core/errors.ts'
import type {Log} from '../telemetry/log.ts'
import {Backoff} from './backoff.ts'
import type {LeaseBook} from './lease-book.ts'

const POLL_WAIT_MS = 30_000
const POLL_TIMEOUT_MS = POLL_WAIT_MS + 15_000
const RETRY_FIRST_MS = 500
const RETRY_MOST_MS = 30_000

export interface TableFeedOptions {
  readonly client: Pick<Client, 'nodeTable'>
  readonly book: LeaseBook
  readonly random: () => number
  readonly log: Log
  readonly onNewer: () => void
}

/** Asks for newer tables until the signal fires. Without an answer, the table on disk goes on being the law. */
export async function followTable(options: TableFeedOptions, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff({firstMs: RETRY_FIRST_MS, mostMs: RETRY_MOST_MS, random: options.random})
  while (!signal.aborted) {
    const asked = await askOnce(options, signal)
    if (asked === 'failed') await backoff.wait(signal)
    else backoff.succeeded()
  }
}

async function askOnce(options: TableFeedOptions, signal: AbortSignal): Promise<'answered' | 'failed'> {
  const {client, book, log} = options
  try {
    const timely = AbortSignal.any([signal, AbortSignal.timeout(POLL_TIMEOUT_MS)])
    const received = await client.nodeTable(Math.max(0, book.version), POLL_WAIT_MS, timely)
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
