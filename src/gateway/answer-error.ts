import {CreoError, ERROR_CODES} from '../core/errors.ts'
import {linesOf, statusLine} from './http/header-lines.ts'

const RETRY_AFTER_S = 2
const RETRY_LATER = new Set<string>(['no_instance', 'overloaded', 'unavailable', 'rate_limited'])
/** A pool is filled by people, not within seconds. */
const RETRY_AFTER_FUNDING_S = 60

/** What an error can be answered to. */
interface Answerable {
  readonly hasBegun: boolean
  readonly isGone: boolean
  begin(status: number, headers: readonly string[]): void
  end(body: Buffer): void
  cut(): void
}

/** Answers one of creo's own errors, told apart from a function's by the header `creo-error`. */
export function answerError(call: Answerable, error: CreoError): void {
  if (call.isGone) return
  if (call.hasBegun) {
    call.cut()
    return
  }
  const body = Buffer.from(JSON.stringify({error}))
  const headers = headersOf(error, body.length)
  if (RETRY_LATER.has(error.code)) headers.push('retry-after', String(RETRY_AFTER_S))
  if (error.code === 'reward_pool_empty') headers.push('retry-after', String(RETRY_AFTER_FUNDING_S))
  call.begin(ERROR_CODES[error.code].http, headers)
  call.end(body)
}

/** The same, whole, for a connection whose request could not even be read. */
export function refusal(error: CreoError, status: number): string {
  const body = JSON.stringify({error})
  return `${statusLine(status)}${linesOf(headersOf(error, Buffer.byteLength(body)))}connection: close\r\n\r\n${body}`
}

function headersOf(error: CreoError, bytes: number): string[] {
  return [
    'content-type',
    'application/json',
    'x-content-type-options',
    'nosniff',
    'content-length',
    String(bytes),
    'creo-error',
    error.code
  ]
}

/** A function that did not answer as it should: who asks can only try again, who owns it can find out why. */
export function badGateway(message: string, cause?: unknown): CreoError {
  return new CreoError('bad_gateway', message, {
    hint: 'Try again; if it stays, the owner of the app finds the cause with: creo logs',
    cause
  })
}
