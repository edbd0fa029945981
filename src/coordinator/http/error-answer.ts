import type {FastifyReply, FastifyRequest} from 'fastify'
import {ZodError} from 'zod'
import {CreoError, ERROR_CODES, isCreoError} from '../../core/errors.ts'
import {problemsText} from '../../core/issue-words.ts'
import type {Log} from '../../telemetry/log.ts'
import {RateLimited, retryAfterSeconds} from './rate-limit.ts'

/** Where nobody knows how long it takes. */
const RETRY_AFTER_MS = 1000

/** What SQLite and the system say of a disk that takes nothing more. */
const DISK_CODES = /^(SQLITE_FULL|SQLITE_IOERR\w*|ENOSPC|EDQUOT)$/

/** The one place that turns an error into HTTP: always `{"error": {code, message, hint}}`. What is our fault is logged and not explained to strangers. */
export function sendError(error: unknown, reply: FastifyReply, log: Log): FastifyReply {
  const known = asCreoError(error)
  const {http} = ERROR_CODES[known.code]
  if (http >= 500 && (known.code === 'internal' || isOfDisk(error))) log.error({err: error, url: reply.request.url}, 'a request failed')
  tellWhenToRetry(reply, error, http)
  return reply
    .code(http)
    .type('application/json')
    .send(JSON.stringify({error: known}))
}

/** `Retry-After`, where it can help to ask again. */
export function tellWhenToRetry(reply: FastifyReply, error: unknown, status: number): void {
  if (status !== 503 && status !== 429) return
  reply.header('retry-after', String(retryAfterSeconds(error instanceof RateLimited ? error.retryAfterMs : RETRY_AFTER_MS)))
}

export function unknownAddress(request: FastifyRequest): CreoError {
  return new CreoError('not_found', `There is nothing at ${request.method} ${request.url.slice(0, 200)}.`, {
    hint: 'docs/PROTOCOL.md lists every address.'
  })
}

export function asCreoError(error: unknown): CreoError {
  if (isCreoError(error)) return error
  if (error instanceof ZodError) return fromZod(error)
  if (isOfDisk(error)) return fullDisk(error)
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  if (status === 413)
    return new CreoError('payload_too_large', 'The body of the request is too large.', {hint: 'Send it in several requests.', cause: error})
  if (status === 415)
    return new CreoError('invalid_input', 'The body of the request is not of a type that is read here.', {
      hint: 'Send content-type: application/json and a JSON object.',
      cause: error
    })
  if (status >= 400 && status < 500)
    return new CreoError(
      'invalid_input',
      `The request cannot be read: ${error instanceof Error ? error.message : 'it is not plain HTTP'}.`,
      {
        hint: 'Send one plain HTTP/1.1 request; docs/PROTOCOL.md lists every address and what it takes.',
        cause: error
      }
    )
  return new CreoError('internal', 'The coordinator failed to answer this request.', {
    hint: "Try again; if it stays, the operator finds the cause in the coordinator's log.",
    cause: error
  })
}

export function fullDisk(cause: unknown): CreoError {
  return new CreoError('unavailable', "The coordinator's disk takes nothing more.", {
    hint: 'Try again later; its operator has to free some disk space.',
    cause
  })
}

/** Of an error, not of its causes. */
export function isOfDisk(error: unknown): boolean {
  return error instanceof Error && 'code' in error && DISK_CODES.test(String(error.code))
}

/** Of what a client sent, parsed by `IN_WORDS`. */
function fromZod(error: ZodError): CreoError {
  return new CreoError('invalid_input', `${problemsText(error.issues, 'the request')}.`, {
    hint: 'docs/PROTOCOL.md says what it takes.',
    cause: error
  })
}
