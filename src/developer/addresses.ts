import {CreoError, ERROR_CODES, type ErrorCode} from '../core/errors.ts'
import {apiErrorSchema} from '../core/protocol/api.ts'

/** For whoever has an app: a gateway is the operator's. */
export const NO_GATEWAY_HINT = "Ask the network's operator for a gateway, or bring up a network of your own: creo up"
const ANSWER_TIMEOUT_MS = 60_000
const ANSWER_BYTES_MAX = 32 * 2 ** 20
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/** With it a gateway marks an answer as its own: the function was not asked, or could not answer. */
const GATEWAY_ERROR_HEADER = 'creo-error'

/** An app, one function of it, or what has a tag of that function. */
export interface Addressed {
  readonly org: string
  readonly app: string
  readonly function?: string
  readonly tag?: string
}

/** Where it answers at one gateway, without a slash at the end. On loopback by path, which needs no name service. */
export function appAddress(publicUrl: string, of: Addressed): string {
  const url = new URL(publicUrl)
  const label = addressLabel(of)
  return LOOPBACK.test(url.hostname) ? `${url.origin}/@${label}` : `${url.protocol}//${label}.${url.host}`
}

/** The first label of its host name. */
export function addressLabel({org, app, function: name, tag}: Addressed): string {
  return [tag, name, app, org].filter((part) => part !== undefined).join('--')
}

export interface AppRequest {
  readonly url: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | undefined
  readonly signal: AbortSignal
}

export interface AppAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  readonly ms: number
}

/**
 * Asks an app as anybody would.
 * @throws {CreoError} what the gateway says when the function could not answer; `unavailable` when no gateway answers; `timeout`.
 */
export async function askApp(asked: AppRequest): Promise<AppAnswer> {
  const startedAtMs = performance.now()
  const deadline = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
  const answer = await exchange(asked, AbortSignal.any([asked.signal, deadline])).catch((cause: unknown) => {
    asked.signal.throwIfAborted()
    if (cause instanceof CreoError) throw cause
    if (deadline.aborted)
      throw new CreoError('timeout', `${asked.url} did not answer in ${ANSWER_TIMEOUT_MS / 1000} s.`, {hint: 'creo logs', cause})
    throw new CreoError('unavailable', `No gateway answers at ${new URL(asked.url).origin}.`, {hint: NO_GATEWAY_HINT, cause})
  })
  const refused = gatewayError(answer)
  if (refused) throw refused
  return {...answer, ms: Math.round(performance.now() - startedAtMs)}
}

async function exchange(asked: AppRequest, signal: AbortSignal): Promise<Omit<AppAnswer, 'ms'>> {
  const {request} = (await import('../client/undici-parts.ts')).undiciParts
  const response = await request(asked.url, {method: asked.method ?? 'GET', headers: {...asked.headers}, body: asked.body ?? null, signal})
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response.body) {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX)
      throw new CreoError('payload_too_large', `${asked.url} answers more than ${ANSWER_BYTES_MAX} bytes.`, {hint: 'Ask it with curl.'})
    chunks.push(chunk)
  }
  return {status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks)}
}

function gatewayError({status, headers, body}: Omit<AppAnswer, 'ms'>): CreoError | undefined {
  const code = headers[GATEWAY_ERROR_HEADER]
  if (code === undefined) return undefined
  const parsed = apiErrorSchema.safeParse(jsonOf(body))
  const {message, hint} = parsed.success
    ? parsed.data.error
    : {message: `The gateway answered ${status} (${String(code)}).`, hint: undefined}
  return new CreoError(isErrorCode(code) ? code : 'bad_gateway', message, hint === undefined ? {} : {hint})
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERROR_CODES, code)
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
