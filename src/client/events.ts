import {setTimeout as sleep} from 'node:timers/promises'
import type {CandleSpan} from '../core/candle-spans.ts'
import {CreoError, isCreoError} from '../core/errors.ts'
import {EVENT_SCHEMAS, EVENTS_SILENCE_MAX_MS, type EventTopic, type NetworkEvent} from '../core/protocol/events.ts'
import type {KeyPair} from '../identity/keys.ts'
import type {Connection} from './connection.ts'
import {readEvents, type StreamedEvent} from './event-stream.ts'
import {isPassing, jsonOrUndefined} from './http.ts'

const RETRY_FIRST_MS = 200
const RETRY_MAX_MS = 10_000

export interface WatchQuery {
  readonly topics: readonly EventTopic[]
  readonly incentive?: string
  /** Of candles. */
  readonly span?: CandleSpan
  /** Id or name. */
  readonly account?: string
  /** `org/app`. */
  readonly app?: string
  readonly node?: string
  /** The ledger sequence after which to begin; without it, now. */
  readonly after?: number
}

export interface Watching {
  readonly query: WatchQuery
  /** Signs, for what is told to its account alone. */
  readonly key: KeyPair | undefined
  readonly signal: AbortSignal
}

/**
 * What happens on the network, as it happens, until the signal fires. A line that is cut is opened again, later each time it fails, and goes on after
 * the last event; each time begins with `open` or, when too much was missed, with `reset`: whoever watches what is in no ledger looks anew then.
 * @throws {CreoError} what the coordinator refuses for good, or `interrupted`.
 */
export async function* watchEvents(connection: Connection, {query, key, signal}: Watching): AsyncGenerator<NetworkEvent> {
  let place = query.after
  for (let failures = 0; ; failures += 1) {
    try {
      for await (const event of await open(connection, {query, key, signal}, place)) {
        failures = 0
        place = event.id === '' ? place : Number(event.id)
        const known = eventOf(event)
        if (known !== undefined) yield known
      }
    } catch (error) {
      await mend(connection, error, signal)
    }
    if (signal.aborted) throw new CreoError('interrupted', 'Interrupted.', {cause: signal.reason})
    const longestMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** failures)
    await sleep(longestMs * (0.5 + Math.random() / 2), undefined, {signal}).catch(() => undefined)
  }
}

async function open(connection: Connection, {query, key, signal}: Watching, place: number | undefined) {
  const {topics, after: _, ...filters} = query
  const headers: Record<string, string> = place === undefined ? {} : {'last-event-id': String(place)}
  const asked = {path: '/v1/events', query: {topic: topics.join(','), ...filters}, headers, key, silenceMs: EVENTS_SILENCE_MAX_MS, signal}
  return readEvents(await connection.stream(asked))
}

/** @throws what another attempt would meet again. */
async function mend(connection: Connection, error: unknown, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  if (isCreoError(error) && error.code === 'clock_skew') await connection.mendClock(signal)
  else if (isCreoError(error) && !isPassing(error)) throw error
}

/** Undefined for an event that a newer coordinator tells, or that is none. */
function eventOf({name, data, id}: StreamedEvent): NetworkEvent | undefined {
  if (!isKnown(name)) return undefined
  const parsed = EVENT_SCHEMAS[name].safeParse(jsonOrUndefined(data))
  if (!parsed.success) return undefined
  return {name, id: id === '' ? undefined : Number(id), data: parsed.data} as NetworkEvent
}

function isKnown(name: string): name is keyof typeof EVENT_SCHEMAS {
  return Object.hasOwn(EVENT_SCHEMAS, name)
}
