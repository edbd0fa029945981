import type {FastifyReply} from 'fastify'
import {CreoError, ERROR_CODES, type ErrorCode, isCreoError} from '../../core/errors.ts'
import {tellWhenToRetry} from '../http/error-answer.ts'

/** The codes of the OCI distribution specification that this registry uses. */
export type OciCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'DENIED'
  | 'DIGEST_INVALID'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'SIZE_INVALID'
  | 'TOOMANYREQUESTS'
  | 'UNAUTHORIZED'
  | 'UNSUPPORTED'

/** A refusal that carries its OCI code and status beside creo's own code. */
export class OciError extends CreoError {
  readonly oci: OciCode
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(
    oci: OciCode,
    status: number,
    code: ErrorCode,
    message: string,
    {headers = {}, ...options}: {readonly hint?: string; readonly headers?: Readonly<Record<string, string>>} = {}
  ) {
    super(code, message, options)
    this.oci = oci
    this.status = status
    this.headers = headers
  }
}

/** Answers in the JSON form of the specification; creo's code and hint travel in `detail`. A fault of ours is not explained to strangers. */
export function replyWithError(reply: FastifyReply, error: unknown): FastifyReply {
  const known = isCreoError(error) ? error : new CreoError('internal', 'The registry failed.')
  const status = known instanceof OciError ? known.status : ERROR_CODES[known.code].http
  const code = known instanceof OciError ? known.oci : ociCodeOf(known.code)
  const detail = {code: known.code, ...(known.hint === undefined ? {} : {hint: known.hint})}
  tellWhenToRetry(reply, known, status)
  return reply
    .code(status)
    .headers(known instanceof OciError ? known.headers : {})
    .type('application/json')
    .send(JSON.stringify({errors: [{code, message: known.message, detail}]}))
}

function ociCodeOf(code: ErrorCode): OciCode {
  switch (code) {
    case 'unauthorized':
    case 'bad_signature':
    case 'clock_skew':
    case 'replayed':
      return 'UNAUTHORIZED'
    case 'forbidden':
      return 'DENIED'
    case 'digest_mismatch':
      return 'DIGEST_INVALID'
    case 'payload_too_large':
      return 'SIZE_INVALID'
    case 'overloaded':
    case 'rate_limited':
      return 'TOOMANYREQUESTS'
    case 'not_found':
      return 'NAME_UNKNOWN'
    default:
      return 'UNSUPPORTED'
  }
}
