import * as z from 'zod/mini'
import {CreoError, errorOfWire, isCreoError} from '../core/errors.ts'
import type {ProvenAnswer} from './answer-proof.ts'

const ANSWER_TIMEOUT_MS = 20_000
const ANSWER_BYTES_MAX = 4 * 2 ** 20
const ATTEMPTS_MAX = 4
const RETRY_FIRST_MS = 200
const RETRY_MAX_MS = 4000
const RETRY_AFTER_MAX_MS = 30_000
const PASSING: ReadonlySet<string> = new Set(['unavailable', 'timeout', 'overloaded', 'bad_gateway', 'rate_limited'])

/** What says nothing about whether the command was done: nobody answered, or somebody on the way, when an attempt before may have arrived. */
export const UNKNOWN: ReadonlySet<string> = new Set([
  'unavailable',
  'timeout',
  'overloaded',
  'bad_gateway',
  'verification_failed',
  'rate_limited',
  'interrupted',
  'payload_too_large',
  'internal',
  'failed',
  'no_instance',
  'reward_pool_empty',
  'unhealthy',
  'asset_tampered',
  'loop_detected'
])

const apiErrorSchema = z.object({error: z.object({code: z.string(), message: z.string(), hint: z.optional(z.string())})})

export interface WebRequest {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal?: AbortSignal | undefined
  /** Looks whether an answer is the coordinator's own, and throws where it is not. */
  readonly prove?: (answer: ProvenAnswer) => Promise<void>
}

/**
 * Asks until there is an answer, at most four times with growing pauses: what is asked must be the same when it is done twice. The answer is JSON.
 * @throws {CreoError} the server's own code, or `unavailable`, `timeout`, `interrupted`, `bad_gateway`, `payload_too_large`.
 */
export async function askJson(fetcher: typeof fetch, request: WebRequest): Promise<unknown> {
  for (let attempt = 1, pauseMs = RETRY_FIRST_MS; ; attempt += 1, pauseMs = Math.min(RETRY_MAX_MS, 2 * pauseMs)) {
    try {
      return await askOnce(fetcher, request)
    } catch (error) {
      if (attempt === ATTEMPTS_MAX || !isCreoError(error) || !PASSING.has(error.code)) throw error
      await pause(error instanceof ToldToWait ? error.waitMs : pauseMs * (0.5 + Math.random() / 2), request.signal)
    }
  }
}

/** A refusal with the time after which to ask again. */
class ToldToWait extends CreoError {
  readonly waitMs: number

  constructor({code, message, hint}: CreoError, waitMs: number) {
    super(code, message, hint === undefined ? {} : {hint})
    this.waitMs = waitMs
  }
}

async function askOnce(fetcher: typeof fetch, {method, url, headers = {}, body, signal, prove}: WebRequest): Promise<unknown> {
  refuseInterrupted(signal)
  const deadline = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
  try {
    const response = await fetcher(url, {
      method,
      headers: {...(body === undefined ? {} : {'content-type': 'application/json'}), ...headers},
      ...(body === undefined ? {} : {body}),
      credentials: 'omit',
      redirect: 'error',
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline])
    })
    const text = await readBounded(response)
    if (!response.ok) throw refusalOf(response, text)
    await prove?.({status: response.status, headers: response.headers, text})
    return jsonOf(text)
  } catch (cause) {
    refuseInterrupted(signal)
    if (isCreoError(cause)) throw cause
    if (deadline.aborted) throw new CreoError('timeout', 'The network took too long to answer.', {hint: 'Try again.', cause})
    throw new CreoError('unavailable', 'The network cannot be reached.', {hint: 'Look whether this device is online.', cause})
  }
}

function refusalOf(response: Response, text: string): CreoError {
  const parsed = apiErrorSchema.safeParse(jsonOrUndefined(text))
  const error = parsed.success
    ? errorOfWire(parsed.data.error)
    : new CreoError(
        response.status >= 500 ? 'unavailable' : 'bad_gateway',
        `The network answered ${response.status}, but not as a coordinator does.`
      )
  const seconds = Number(response.headers.get('retry-after'))
  return seconds > 0 ? new ToldToWait(error, Math.min(seconds * 1000, RETRY_AFTER_MAX_MS)) : error
}

async function readBounded(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for (const reader = response.body?.getReader(); reader !== undefined; ) {
    const {done, value} = await reader.read()
    if (done) break
    bytes += value.length
    if (bytes > ANSWER_BYTES_MAX) {
      await reader.cancel()
      throw new CreoError('payload_too_large', `The network answered more than ${ANSWER_BYTES_MAX} bytes.`, {hint: 'Ask for less at once.'})
    }
    text += decoder.decode(value, {stream: true})
  }
  return text + decoder.decode()
}

function jsonOf(text: string): unknown {
  const value = jsonOrUndefined(text)
  if (value === undefined) throw notUnderstood()
  return value
}

/** For an answer that is none of this network's. */
export function notUnderstood(): CreoError {
  return new CreoError('bad_gateway', 'The network answered something that this program does not know.', {
    hint: 'Load the page again, or update creo/client.'
  })
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refuseInterrupted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return
  if (isCreoError(signal.reason)) throw signal.reason
  throw new CreoError('interrupted', 'Interrupted.', {cause: signal.reason})
}

/** Ends early when the signal fires. */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done)
  })
}
