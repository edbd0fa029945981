import type {FastifyReply, FastifyRequest} from 'fastify'
import {CreoError, isCreoError} from '../../core/errors.ts'
import type {BlobStore} from '../../images/blob-store.ts'
import {type Digest, isDigest} from '../../images/digest.ts'
import {OciError} from './oci-error.ts'
import {requestBody} from './request-body.ts'
import type {Session, UploadSessions} from './upload-sessions.ts'

/** A reader that takes not a byte for this long is cut: it holds a file open, and asks for the rest by a range. */
const ANSWER_IDLE_MAX_MS = 60_000

export interface BlobTools {
  readonly store: BlobStore
  readonly sessions: UploadSessions
}

/** HEAD and GET of a blob, whole or one range of it. */
export async function sendBlob(tools: BlobTools, digest: Digest, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const found = await tools.store.stat(digest)
  if (!found) throw new OciError('BLOB_UNKNOWN', 404, 'image_missing', `The registry does not have the blob ${digest}.`)
  reply.headers({
    'accept-ranges': 'bytes',
    'content-type': 'application/octet-stream',
    'docker-content-digest': digest,
    etag: `"${digest}"`
  })
  const range = request.method === 'HEAD' ? undefined : parseRange(request.headers.range, found.size)
  if (range === 'unsatisfiable') {
    reply.header('content-range', `bytes */${found.size}`)
    throw new OciError('SIZE_INVALID', 416, 'invalid_input', `The blob has ${found.size} bytes.`)
  }
  reply.header('content-length', range ? range.end - range.start + 1 : found.size)
  if (request.method === 'HEAD') return reply.send()
  if (range) reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${found.size}`)
  reply.raw.setTimeout(ANSWER_IDLE_MAX_MS, () => reply.raw.destroy())
  return reply.send(await tools.store.open(digest, range))
}

/** POST: begins an upload, or takes the whole blob when `?digest=` says what it is. */
export async function beginUpload(
  tools: BlobTools,
  repository: string,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const digest = queryDigest(request)
  const session = await tools.sessions.begin(repository)
  if (digest === undefined) return uploadState(reply.code(202), session)
  try {
    await receive(tools, session, request)
    return await finishUpload(tools, session, digest, reply)
  } finally {
    await tools.sessions.end(session.upload.id)
  }
}

/** GET: how far the upload has come. */
export function uploadProgress(tools: BlobTools, repository: string, id: string, reply: FastifyReply): FastifyReply {
  return uploadState(reply.code(204), tools.sessions.get(repository, id))
}

/** PATCH: the next bytes, which go where the last ones ended. An older PATCH that still hangs has lost its client, and is cut. */
export async function appendUpload(
  tools: BlobTools,
  repository: string,
  id: string,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const session = tools.sessions.get(repository, id)
  await tools.sessions.cut(session)
  const {offset} = session.upload
  const start = /^(\d{1,15})-\d{1,15}$/.exec(request.headers['content-range'] ?? '')?.[1]
  if (start !== undefined && Number(start) !== offset) {
    setState(reply, session)
    throw new OciError('BLOB_UPLOAD_INVALID', 416, 'conflict', `The upload has come to byte ${offset}, not to ${start}.`)
  }
  await receive(tools, session, request)
  return uploadState(reply.code(202), session)
}

/** PUT: the last bytes, if any, and the name. The blob is visible from here on, or the upload is gone. */
export async function completeUpload(
  tools: BlobTools,
  repository: string,
  id: string,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const session = tools.sessions.get(repository, id)
  const digest = queryDigest(request)
  if (digest === undefined) throw new OciError('DIGEST_INVALID', 400, 'invalid_input', 'The request lacks ?digest=.')
  await tools.sessions.cut(session)
  await receive(tools, session, request)
  try {
    return await finishUpload(tools, session, digest, reply)
  } finally {
    await tools.sessions.end(id)
  }
}

/** DELETE: the client gives up. */
export async function cancelUpload(tools: BlobTools, repository: string, id: string, reply: FastifyReply): Promise<FastifyReply> {
  tools.sessions.get(repository, id)
  await tools.sessions.end(id)
  return reply.code(204).send()
}

async function finishUpload(tools: BlobTools, session: Session, digest: Digest, reply: FastifyReply): Promise<FastifyReply> {
  await tools.sessions.commit(session, digest)
  return reply
    .code(201)
    .headers({location: `/v2/${session.repository}/blobs/${digest}`, 'docker-content-digest': digest, 'content-length': 0})
    .send()
}

/** Takes the request's body into the upload. What came before a cut stays, so that the client can go on. */
async function receive({sessions}: BlobTools, session: Session, request: FastifyRequest): Promise<void> {
  const cut = new AbortController()
  request.raw.once('close', () => {
    if (!request.raw.complete) cut.abort()
  })
  try {
    await sessions.receive(session, {bytes: requestBody(request), cut: () => request.raw.destroy(), signal: cut.signal})
  } catch (error) {
    if (isCreoError(error) || !request.raw.destroyed) throw error
    throw new CreoError('interrupted', 'The body of the request was cut.', {cause: error})
  }
}

function uploadState(reply: FastifyReply, session: Session): FastifyReply {
  return setState(reply, session).send()
}

function setState(reply: FastifyReply, {repository, upload}: Session): FastifyReply {
  if (upload.offset > 0) reply.header('range', `0-${upload.offset - 1}`)
  return reply.headers({location: `/v2/${repository}/blobs/uploads/${upload.id}`, 'docker-upload-uuid': upload.id, 'content-length': 0})
}

function queryDigest(request: FastifyRequest): Digest | undefined {
  const {digest} = request.query as {digest?: unknown}
  if (digest === undefined) return undefined
  if (typeof digest === 'string' && isDigest(digest)) return digest
  throw new OciError('DIGEST_INVALID', 400, 'invalid_input', 'The digest of the request is not sha256: and 64 hex digits.')
}

/** One range of bytes; anything that is not exactly one is answered with the whole, as RFC 9110 allows. */
function parseRange(header: string | undefined, size: number): {start: number; end: number} | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  const [first, last] = [match[1] ?? '', match[2] ?? '']
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1)
  return start > end ? 'unsatisfiable' : {start, end}
}
