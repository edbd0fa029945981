import {request} from 'undici'
import type {z} from 'zod'
import {CreoError, ERROR_CODES, type ErrorCode} from '../core/errors.ts'
import {apiErrorSchema} from '../core/protocol/api.ts'
import {
  type CallState,
  type CallSummary,
  type CallView,
  callsSchema,
  callViewSchema,
  GATEWAY_CALLS_PATH,
  handedCallSchema,
  type ScheduledCall
} from '../core/protocol/async.ts'
import {signRequest} from '../identity/http-signatures.ts'
import type {KeyPair} from '../identity/keys.ts'
import type {GatewayView} from '../ledger/port.ts'

/** A gateway that has not answered by then is taken for gone. */
const ANSWER_MAX_MS = 5000
const ANSWER_BYTES_MAX = 4 * 2 ** 20

export interface CallsFilter {
  readonly org: string
  readonly app: string
  readonly state?: CallState | undefined
  readonly limit: number
}

/** What the coordinator asks of gateways about calls that are answered later, signed by its key. */
export class GatewayCalls {
  readonly #key: KeyPair
  readonly #nowMs: () => number

  constructor(tools: {readonly key: KeyPair; readonly nowMs: () => number}) {
    this.#key = tools.key
    this.#nowMs = tools.nowMs
  }

  /** Has a gateway take a call; handing it in twice makes one call. @throws {CreoError} what the gateway says; `unavailable` when it does not answer. */
  async hand(gateway: GatewayView, call: ScheduledCall, signal: AbortSignal): Promise<void> {
    await this.#ask(handedCallSchema, gateway, {method: 'POST', path: GATEWAY_CALLS_PATH, body: JSON.stringify(call)}, signal)
  }

  /** Newest first. @throws {CreoError} as `hand`. */
  async list(gateway: GatewayView, {org, app, state, limit}: CallsFilter, signal: AbortSignal): Promise<readonly CallSummary[]> {
    const query = new URLSearchParams({org, app, ...(state !== undefined && {state}), limit: String(limit)})
    const {calls} = await this.#ask(callsSchema, gateway, {method: 'GET', path: `${GATEWAY_CALLS_PATH}?${query}`}, signal)
    return calls
  }

  /** @throws {CreoError} as `hand`; `not_found` for a call that it does not know. */
  find(gateway: GatewayView, id: string, signal: AbortSignal): Promise<CallView> {
    return this.#ask(callViewSchema, gateway, {method: 'GET', path: `${GATEWAY_CALLS_PATH}/${id}`}, signal)
  }

  async #ask<S extends z.ZodType>(
    schema: S,
    gateway: GatewayView,
    {method, path, body}: {readonly method: 'GET' | 'POST'; readonly path: string; readonly body?: string},
    signal: AbortSignal
  ): Promise<z.output<S>> {
    const url = new URL(path, gateway.publicUrl).href
    const signed = signRequest({method, url, key: this.#key, nowMs: this.#nowMs(), ...(body !== undefined && {body})})
    const headers = body === undefined ? signed : {...signed, 'content-type': 'application/json'}
    const ending = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MAX_MS)])
    const {statusCode, text} = await answerOf(url, {method, headers, body: body ?? null, signal: ending}).catch((cause: unknown) => {
      if (cause instanceof CreoError) throw cause
      throw new CreoError('unavailable', `The gateway ${gateway.name} does not answer.`, {hint: 'creo gateway serve', cause})
    })
    if (statusCode >= 400) throw refusalOf(gateway, statusCode, text)
    return schema.parse(jsonOf(text))
  }
}

async function answerOf(url: string, asked: NonNullable<Parameters<typeof request>[1]>): Promise<{statusCode: number; text: string}> {
  const {statusCode, body} = await request(url, asked)
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of body) {
    bytes += piece.length
    if (bytes > ANSWER_BYTES_MAX) throw new CreoError('bad_gateway', `${url} answers more than ${ANSWER_BYTES_MAX} bytes.`)
    pieces.push(piece)
  }
  return {statusCode, text: Buffer.concat(pieces).toString('utf8')}
}

function refusalOf({name}: GatewayView, status: number, text: string): CreoError {
  const said = apiErrorSchema.safeParse(jsonOf(text))
  if (!said.success) return new CreoError('bad_gateway', `The gateway ${name} answered ${status}.`)
  const {code, message} = said.data.error
  return new CreoError(Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'bad_gateway', message)
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
