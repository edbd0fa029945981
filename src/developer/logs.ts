import {setTimeout as sleep} from 'node:timers/promises'
import type {LogsQuery} from '../client/reads.ts'
import {type CreoError, isCreoError} from '../core/errors.ts'
import type {LogLine} from '../core/protocol/api.ts'
import type {AppName} from './app-name.ts'
import type {AccountContext} from './context.ts'

const WAIT_MS = 20_000
/** A coordinator that is away is asked again so soon, and then more and more seldom. */
const AWAY_FIRST_MS = 500
const AWAY_MOST_MS = 15_000
/** What a coordinator that restarts, or a line to it that is cut, answers. */
const AWAY_CODES: ReadonlySet<string> = new Set(['unavailable', 'timeout', 'overloaded', 'rate_limited', 'bad_gateway'])

export interface LogsWanted extends LogsQuery {
  /** The `seq` of the last line that is known already. */
  readonly after: number
  /** On and on until the signal fires. */
  readonly follow: boolean
  /** The coordinator does not answer; told once until it does again. */
  readonly onAway: (error: CreoError) => void
  readonly signal: AbortSignal
}

/** What an app's functions wrote and what nodes said of their instances, oldest first. With `follow` it outlives a coordinator that is away for a while. */
export async function* readLogs(
  {client}: Pick<AccountContext, 'client'>,
  name: AppName,
  {after, follow, onAway, signal, ...query}: LogsWanted
): AsyncGenerator<LogLine> {
  let place = after
  let waitMs = 0
  let awayMs = 0
  for (;;) {
    try {
      const {lines, next} = await client.logs(name, {...query, after: place, waitMs}, signal)
      awayMs = 0
      yield* lines
      place = next
      if (lines.length > 0) continue
      if (!follow) return
      waitMs = WAIT_MS
    } catch (error) {
      signal.throwIfAborted()
      if (!follow || !isCreoError(error) || !AWAY_CODES.has(error.code)) throw error
      if (awayMs === 0) onAway(error)
      awayMs = Math.min(AWAY_MOST_MS, Math.max(AWAY_FIRST_MS, awayMs * 2))
      await sleep(awayMs, undefined, {signal})
    }
  }
}
