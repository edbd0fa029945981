import {setImmediate as nextTurn, setTimeout as sleep} from 'node:timers/promises'
import type {Agent, Dispatcher} from 'undici'
import {CreoError, type ErrorCode, errorOfWire, isCreoError} from '../core/errors.ts'
import {isLoopback} from '../core/loopback.ts'
import {apiErrorSchema, COORDINATOR_KEEP_ALIVE_MS} from '../core/protocol/api.ts'
import {AgentOnly, requestBy} from './undici-parts.ts'

const CONNECTIONS_MAX = 16
/** Only to who names a tag. */
export const NOT_MODIFIED = 304
/** Time for three packets that open a connection, when two are lost. Who does not answer them at all is not asked again at once. */
const CONNECT_TIMEOUT_MS = 5000
const ANSWER_TIMEOUT_MS = 20_000
/** A table of the largest network that the protocol allows, in its envelope. */
const ANSWER_BYTES_MAX = 80 * 2 ** 20
const ATTEMPTS_MAX = 4
const RETRY_FIRST_MS = 100
const RETRY_MAX_MS = 2000
/** How long in all a request waits because it comes too often. */
export const RATE_LIMIT_WAIT_MAX_MS = 30_000
const RETRIED: ReadonlySet<ErrorCode> = new Set(['unavailable', 'timeout', 'overloaded', 'bad_gateway'])

export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  readonly url: string
  /** Made anew for each attempt, since a signature holds once. */
  readonly headers: () => Record<string, string>
  readonly body?: string
  /** How long the server may hold the answer back, besides the usual. */
  readonly waitMs?: number
  /** False: sent once, because sending it twice would do it twice. */
  readonly idempotent: boolean
  readonly signal: AbortSignal
}

export interface HttpAnswer {
  readonly status: number
  readonly body: string
  readonly etag?: string | undefined
}

/** A pool of connections that ends with `close`. */
export function createPool(): Agent {
  return new AgentOnly({
    connections: CONNECTIONS_MAX,
    connect: {timeout: CONNECT_TIMEOUT_MS, keepAliveInitialDelay: COORDINATOR_KEEP_ALIVE_MS}
  })
}

/**
 * Asks until there is an answer or the attempts are used up, with growing pauses that differ between clients. What comes too often is asked
 * again when the server says, within `RATE_LIMIT_WAIT_MAX_MS`.
 * @throws {CreoError} with the code of the server's error, or `unavailable`, `timeout`, `interrupted`.
 */
export async function ask(pool: Dispatcher, asked: HttpRequest): Promise<HttpAnswer> {
  let attemptsLeft = asked.idempotent ? ATTEMPTS_MAX : 1
  let patienceMs = asked.idempotent ? RATE_LIMIT_WAIT_MAX_MS : 0
  for (let pauseMs = RETRY_FIRST_MS; ; ) {
    try {
      return await askOnce(pool, asked)
    } catch (error) {
      if (error instanceof ToldToWait && error.waitMs <= patienceMs) {
        patienceMs -= error.waitMs
        await pause(error.waitMs, asked.signal)
        continue
      }
      attemptsLeft -= 1
      if (attemptsLeft <= 0 || !isPassing(error) || isOutOfReach(error)) throw error
      await pause(pauseMs * (0.5 + Math.random() / 2), asked.signal)
      pauseMs = Math.min(RETRY_MAX_MS, 2 * pauseMs)
    }
  }
}

/** Nothing at all came back, not even a refusal: so it would be once more. */
function isOutOfReach(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause && cause.code === 'UND_ERR_CONNECT_TIMEOUT'
}

/** Ends early, and without a word, when the signal fires: the next attempt says why. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, {signal}).catch(() => undefined)
}

/** A refusal of what came too often, which was not carried out. */
class ToldToWait extends CreoError {
  readonly waitMs: number

  constructor({message, hint}: CreoError, waitMs: number) {
    super('rate_limited', message, hint === undefined ? {} : {hint})
    this.waitMs = waitMs
  }
}

async function askOnce(pool: Dispatcher, asked: HttpRequest): Promise<HttpAnswer> {
  refuseInterrupted(asked.signal)
  const deadline = AbortSignal.timeout(ANSWER_TIMEOUT_MS + (asked.waitMs ?? 0))
  let answer: HttpAnswer
  let retryAfterMs = 0
  try {
    const {origin, pathname, search} = new URL(asked.url)
    const response = await requestBy(pool, {
      origin,
      path: pathname + search,
      method: asked.method,
      headers: {...(asked.body === undefined ? {} : {'content-type': 'application/json'}), ...asked.headers()},
      body: asked.body ?? null,
      headersTimeout: 0,
      bodyTimeout: 0,
      signal: AbortSignal.any([asked.signal, deadline])
    })
    const {etag} = response.headers
    retryAfterMs = retryAfterMsOf(response.headers['retry-after'])
    answer = {status: response.statusCode, body: await readBounded(response.body), etag: typeof etag === 'string' ? etag : undefined}
    // One turn later the connection is free: a request that follows at once would open another one.
    await nextTurn()
  } catch (cause) {
    refuseInterrupted(asked.signal)
    throw isCreoError(cause) ? cause : networkError(asked.url, deadline.aborted, cause)
  }
  if (answer.status < 300 || answer.status === NOT_MODIFIED) return answer
  const error = serverError(asked.url, answer)
  throw error.code === 'rate_limited' ? new ToldToWait(error, retryAfterMs) : error
}

/** Whole seconds (RFC 9110); a date or nothing is a second. */
function retryAfterMsOf(header: string | string[] | undefined): number {
  const seconds = /^\d{1,6}$/.test(String(header)) ? Number(header) : 1
  return Math.max(1, seconds) * 1000
}

/**
 * Opens an answer that goes on for long; its body ends with an error when nothing comes for `silenceMs`.
 * @throws {CreoError} as `ask`, which it does once.
 */
export async function openStream(
  pool: Dispatcher,
  asked: {readonly url: string; readonly headers: Record<string, string>; readonly silenceMs: number; readonly signal: AbortSignal}
): Promise<AsyncIterable<Uint8Array>> {
  const {url, headers, silenceMs, signal} = asked
  refuseInterrupted(signal)
  try {
    const {origin, pathname, search} = new URL(url)
    const timeouts = {headersTimeout: ANSWER_TIMEOUT_MS, bodyTimeout: silenceMs}
    const {statusCode, body} = await requestBy(pool, {origin, path: pathname + search, method: 'GET', headers, signal, ...timeouts})
    if (statusCode === 200) return body
    throw serverError(url, {status: statusCode, body: await readBounded(body)})
  } catch (cause) {
    refuseInterrupted(signal)
    throw isCreoError(cause) ? cause : networkError(url, false, cause)
  }
}

/** Whether the same request may be answered otherwise a little later. */
export function isPassing(error: unknown): boolean {
  return isCreoError(error) && RETRIED.has(error.code)
}

async function readBounded(body: Dispatcher.ResponseData['body']): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX) {
      throw new CreoError('payload_too_large', `The coordinator answered more than ${ANSWER_BYTES_MAX} bytes.`, {
        hint: 'Ask for less at once.'
      })
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function refuseInterrupted(signal: AbortSignal): void {
  if (!signal.aborted) return
  if (isCreoError(signal.reason)) throw signal.reason
  throw new CreoError('interrupted', 'Interrupted.', {cause: signal.reason})
}

function networkError(url: string, timedOut: boolean, cause: unknown): CreoError {
  const {origin, hostname} = new URL(url)
  if (timedOut) {
    return new CreoError('timeout', `The coordinator at ${origin} took too long to answer.`, {hint: 'Run the same command again.', cause})
  }
  return new CreoError('unavailable', `No coordinator answers at ${origin}.`, {
    hint: isLoopback(hostname) ? 'creo coordinator serve' : 'Look whether this machine reaches it: creo doctor',
    cause
  })
}

function serverError(url: string, {status, body}: HttpAnswer): CreoError {
  const parsed = apiErrorSchema.safeParse(jsonOrUndefined(body))
  if (!parsed.success) {
    const code = status >= 500 ? 'unavailable' : 'bad_gateway'
    return new CreoError(code, `${new URL(url).origin} answered ${status}, but not as a coordinator does.`, {
      hint: 'Check the URL of the coordinator.'
    })
  }
  return errorOfWire(parsed.data.error)
}

export function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
