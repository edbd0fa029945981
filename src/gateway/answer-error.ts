import type {ServerResponse} from 'node:http'
import {CreoError, ERROR_CODES} from '../core/errors.ts'

const RETRY_AFTER_S = 2
const RETRY_LATER = new Set<string>(['no_instance', 'overloaded', 'unavailable', 'rate_limited'])
/** A pool is filled by people, not within seconds. */
const RETRY_AFTER_FUNDING_S = 60

/** Answers one of creo's own errors, told apart from a function's by the header `creo-error`. */
export function answerError(response: ServerResponse, error: CreoError): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const body = JSON.stringify({error})
  const headers = ['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body)), 'creo-error', error.code]
  if (RETRY_LATER.has(error.code)) headers.push('retry-after', String(RETRY_AFTER_S))
  if (error.code === 'reward_pool_empty') headers.push('retry-after', String(RETRY_AFTER_FUNDING_S))
  response.writeHead(ERROR_CODES[error.code].http, headers)
  response.end(body)
}

/** The same for a connection whose request could not even be parsed. */
export function rawError(error: CreoError, status: number): string {
  const body = JSON.stringify({error})
  return `HTTP/1.1 ${status} Refused\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\ncreo-error: ${error.code}\r\nconnection: close\r\n\r\n${body}`
}

/** A function that did not answer as it should: who asks can only try again, who owns it can find out why. */
export function badGateway(message: string, cause?: unknown): CreoError {
  return new CreoError('bad_gateway', message, {
    hint: 'Try again; if it stays, the owner of the app finds the cause with: creo logs',
    cause
  })
}
