import {Readable} from 'node:stream'
import {setTimeout as delay} from 'node:timers/promises'
import type {Dispatcher, request as undiciRequest} from 'undici'
import {CreoError, ERROR_CODES, type ErrorCode, isCreoError} from '../core/errors.ts'

/** Gives the headers that let a request in, a signature for example. `body` is what will be sent, whole. */
export type AuthorizeRequest = (request: {
  readonly method: string
  readonly url: string
  readonly body: Buffer | undefined
}) => Promise<Readonly<Record<string, string>>>

export interface RegistryAddress {
  /** `http://host:port` of the registry; `/v2/` follows. */
  readonly registryUrl: string
  readonly repository: string
  readonly authorize?: AuthorizeRequest
  /** Left out, undici's own; given by who pins the server's key. */
  readonly dispatcher?: Dispatcher
  /** Left out, undici's, which is loaded then with all that belongs to it. */
  readonly request?: typeof undiciRequest
}

export const ATTEMPTS_MAX = 5
const HEADERS_TIMEOUT_MS = 30_000
/** A line that carries less is not worth waiting for. */
const LINE_BYTES_PER_SECOND_MIN = 10_000
const BODY_IDLE_TIMEOUT_MS = 60_000
const ERROR_BODY_BYTES_MAX = 64 * 1024
const RETRY_FIRST_MS = 100
/** How long in all a transfer waits without progress because it asks too often. */
export const RATE_LIMIT_WAIT_MAX_MS = 60_000

export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  /** After `/v2/<repository>/`, or a whole address of the same registry. */
  readonly target: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
  /** Hands the body to the line in such pieces, and tells how much of it that was. */
  readonly sliced?: {readonly bytes: number; readonly onSent: (bytes: number) => void}
  readonly signal: AbortSignal
}

/** One request, no redirect followed. @throws {CreoError} `unavailable` when no answer comes. */
export async function send(address: RegistryAddress, options: RegistryRequest): Promise<Dispatcher.ResponseData> {
  const url = targetUrl(address, options.target)
  const {body, sliced} = options
  const length = sliced !== undefined && body !== undefined ? {'content-length': String(body.length)} : {}
  const authorization = (await address.authorize?.({method: options.method, url, body: options.body})) ?? {}
  try {
    const request = address.request ?? (await import('./undici-request.ts')).request
    return await request(url, {
      method: options.method,
      headers: {...options.headers, ...length, ...authorization},
      body:
        sliced === undefined || body === undefined
          ? (body ?? null)
          : Readable.from(slices(body, sliced), {objectMode: false, highWaterMark: sliced.bytes}),
      signal: options.signal,
      headersTimeout: answerTimeoutMs(options.body?.length ?? 0),
      bodyTimeout: BODY_IDLE_TIMEOUT_MS,
      ...(address.dispatcher ? {dispatcher: address.dispatcher} : {})
    })
  } catch (cause) {
    throw unreachable(address, options.signal, cause)
  }
}

/** Asked for the next piece once the line has taken the one before. */
function* slices(body: Buffer, {bytes, onSent}: NonNullable<RegistryRequest['sliced']>): Generator<Buffer> {
  for (let from = 0; from < body.length; from += bytes) {
    yield body.subarray(from, from + bytes)
    onSent(Math.min(body.length, from + bytes))
  }
}

/** How long an answer may take after so many bytes, which must first get through the line. */
export function answerTimeoutMs(bodyBytes: number): number {
  return HEADERS_TIMEOUT_MS + Math.ceil((bodyBytes / LINE_BYTES_PER_SECOND_MIN) * 1000)
}

/** What `send` answers if its status is one of `accepted`, else the registry's error as a CreoError. */
export async function expectStatus(response: Dispatcher.ResponseData, accepted: readonly number[], what: string): Promise<void> {
  if (accepted.includes(response.statusCode)) return
  throw await errorOf(response, what)
}

/** The whole body, at most `bytesMax`. @throws {CreoError} `payload_too_large`, or `unavailable` when it is cut. */
export async function readBody(response: Dispatcher.ResponseData, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of response.body) {
      bytes += chunk.length
      if (bytes > bytesMax) break
      chunks.push(chunk)
    }
  } catch (cause) {
    throw new CreoError('unavailable', 'The registry broke off its answer.', {cause})
  }
  if (bytes > bytesMax) throw new CreoError('payload_too_large', `The registry sent more than ${bytesMax} bytes.`)
  return Buffer.concat(chunks)
}

/** Reads and drops what is left of a body, so that its connection can be used again. */
export async function dropBody(response: Dispatcher.ResponseData): Promise<void> {
  await response.body.dump({limit: ERROR_BODY_BYTES_MAX}).catch(() => undefined)
}

/**
 * Does `work` again while it fails for want of an answer, at most ATTEMPTS_MAX times in a row without progress; `progress` tells
 * how far it has come. A registry that is asked too often is asked again when it says.
 */
export async function withRetries<T>(work: () => Promise<T>, progress: () => number, signal: AbortSignal): Promise<T> {
  let attempts = 0
  let reached = progress()
  let waitedMs = 0
  for (;;) {
    try {
      return await work()
    } catch (error) {
      signal.throwIfAborted()
      const hasProgress = progress() > reached
      reached = Math.max(reached, progress())
      if (hasProgress) [attempts, waitedMs] = [0, 0]
      if (error instanceof ToldToWait && waitedMs + error.waitMs <= RATE_LIMIT_WAIT_MAX_MS) {
        waitedMs += error.waitMs
        await delay(error.waitMs, undefined, {signal})
        continue
      }
      attempts += 1
      const transient = isCreoError(error) && ['unavailable', 'overloaded', 'timeout'].includes(error.code)
      if (!transient || attempts >= ATTEMPTS_MAX) throw error
      await delay(RETRY_FIRST_MS * 2 ** (attempts - 1), undefined, {signal})
    }
  }
}

/** A cut connection as the error that `withRetries` takes up again. */
export function unreachable(address: RegistryAddress, signal: AbortSignal, cause: unknown): unknown {
  if (signal.aborted || isCreoError(cause)) return cause
  return new CreoError('unavailable', `The registry at ${address.registryUrl} does not answer.`, {
    hint: 'Check that it runs and can be reached from here.',
    cause
  })
}

/** An upload address is given by the registry: credentials must not follow it to another one. */
function targetUrl(address: RegistryAddress, target: string): string {
  const origin = new URL(address.registryUrl)
  if (!target.startsWith('/') && !/^https?:\/\//.test(target)) return new URL(`/v2/${address.repository}/${target}`, origin).href
  const url = new URL(target, origin)
  if (url.origin === origin.origin) return url.href
  throw new CreoError('rejected', `The registry at ${address.registryUrl} sent us on to ${url.origin}, which is not trusted.`)
}

/** The registry's refusal, with creo's own code and hint when it is creo's. */
export async function errorOf(response: Dispatcher.ResponseData, what: string): Promise<CreoError> {
  const text = (await readBody(response, ERROR_BODY_BYTES_MAX).catch(() => Buffer.alloc(0))).toString('utf8')
  const first = firstError(text)
  const code = first.code ?? codeOfStatus(response.statusCode)
  const message = `${what}: ${first.message ?? `the registry answered ${response.statusCode}`}`
  const options = first.hint === undefined ? {} : {hint: first.hint}
  return response.statusCode === 429
    ? new ToldToWait(code, message, {...options, waitMs: waitMsOf(response)})
    : new CreoError(code, message, options)
}

/** A registry's word that it is asked too often. */
class ToldToWait extends CreoError {
  readonly waitMs: number

  constructor(code: ErrorCode, message: string, {waitMs, ...options}: {readonly hint?: string; readonly waitMs: number}) {
    super(code, message, options)
    this.waitMs = waitMs
  }
}

/** By its `Retry-After` in seconds (RFC 9110); where that is missing or a date, a second. */
function waitMsOf({headers}: Dispatcher.ResponseData): number {
  const said = String(headers['retry-after'])
  return 1000 * (/^\d{1,6}$/.test(said) ? Math.max(1, Number(said)) : 1)
}

function firstError(text: string): {code?: ErrorCode; message?: string; hint?: string} {
  try {
    const error = (JSON.parse(text) as {errors?: {message?: unknown; detail?: {code?: unknown; hint?: unknown}}[]}).errors?.[0]
    const code = error?.detail?.code
    return {
      ...(typeof code === 'string' && code in ERROR_CODES ? {code: code as ErrorCode} : {}),
      ...(typeof error?.message === 'string' ? {message: error.message.slice(0, 500)} : {}),
      ...(typeof error?.detail?.hint === 'string' ? {hint: error.detail.hint.slice(0, 500)} : {})
    }
  } catch {
    return {}
  }
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 401) return 'unauthorized'
  if (status === 403) return 'forbidden'
  if (status === 404) return 'image_missing'
  if (status === 413) return 'payload_too_large'
  if (status === 429) return 'rate_limited'
  if (status >= 500) return 'unavailable'
  return 'rejected'
}
