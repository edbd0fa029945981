import type {FastifyReply} from 'fastify'
import {CreoError, ERROR_CODES, type ErrorCode, isCreoError} from '../../core/errors.ts'
import {fullDisk, isOfDisk, tellWhenToRetry} from '../http/error-answer.ts'

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

/** What to do about a refusal that has no advice of its own. */
const HINTS: Readonly<Record<OciCode, string>> = {
  BLOB_UNKNOWN: 'Push the image again: creo deploy',
  BLOB_UPLOAD_UNKNOWN: 'Begin the upload again.',
  BLOB_UPLOAD_INVALID: 'Ask with GET how far the upload has come, and go on there.',
  DENIED: 'Ask the operator of the network, or push to a repository of your own account.',
  DIGEST_INVALID: 'Send the bytes that the digest is of: sha256: and 64 lower-case hex digits.',
  MANIFEST_BLOB_UNKNOWN: 'Push what the manifest names before it.',
  MANIFEST_INVALID: 'Send an image manifest or index of the OCI image specification, with its own content type.',
  MANIFEST_UNKNOWN: 'Push the image: creo deploy',
  NAME_INVALID: 'Use lower-case words with slashes, as in org/app/function.',
  NAME_UNKNOWN: 'Check the name; a repository is made by the first push to it.',
  SIZE_INVALID: 'Ask for, or send, as many bytes as there are.',
  TOOMANYREQUESTS: 'Ask again in a moment, and for less at once.',
  UNAUTHORIZED: 'Log in: creo registry login',
  UNSUPPORTED: 'Use the OCI distribution API, version 1.1.'
}
/** Of every refusal with this code, whoever is at fault: other programs wait and ask again by this status alone. */
const TOO_MANY_STATUS = 429

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

/** What is answered to an error. A full disk is told, also when the store that met it named it otherwise; a fault of ours is not explained to strangers. */
export function asRegistryError(error: unknown): CreoError {
  if (isOfDisk(error) || (isCreoError(error) && error.code === 'data_dir_unwritable' && isOfDisk(error.cause))) return fullDisk(error)
  return isCreoError(error) ? error : new CreoError('internal', 'The registry failed.')
}

/** Answers in the JSON form of the specification; creo's code and hint travel in `detail`. */
export function replyWithError(reply: FastifyReply, known: CreoError): FastifyReply {
  const code = known instanceof OciError ? known.oci : ociCodeOf(known.code)
  const status = code === 'TOOMANYREQUESTS' ? TOO_MANY_STATUS : known instanceof OciError ? known.status : ERROR_CODES[known.code].http
  const detail = {code: known.code, hint: known.hint ?? HINTS[code]}
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
