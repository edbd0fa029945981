import type {FastifyReply, FastifyRequest} from 'fastify'
import {CreoError, isCreoError} from '../../core/errors.ts'
import type {Digest} from '../../images/digest.ts'
import {isReferredTo} from './collector.ts'
import {OciError} from './oci-error.ts'
import type {Registry} from './registry.ts'
import {asDigest, orgOf} from './repository-name.ts'
import {requestBody} from './request-body.ts'
import type {Session} from './upload-sessions.ts'

const CONTENT_RANGE = /^(?:bytes )?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/
/** A reader that takes not a byte for this long is cut: it holds a file open, and asks for the rest by a range. */
const ANSWER_IDLE_MAX_MS = 60_000

/** How often a blob that is counted on while it is to be deleted is looked at again. */
const DELETE_ATTEMPTS_MAX = 3

/** HEAD and GET of a blob, whole or one range of it. Whoever asks with HEAD is about to push: the blob is not collected for a while. */
export async function sendBlob(registry: Registry, digest: Digest, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const {store, nowMs} = registry
  registry.assertNotBlocked(digest)
  const found = await (request.method === 'HEAD' ? store.touch(digest, nowMs()) : store.stat(digest))
  if (!found) throw unknownBlob(digest)
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
  return reply.send(await store.open(digest, range))
}

/**
 * DELETE of a blob that no manifest names, by the org that sent it. Others may count on one that they found here while they push: between the look at all
 * manifests and the deletion nobody may have.
 */
export async function deleteBlob(registry: Registry, repository: string, digest: Digest, reply: FastifyReply): Promise<FastifyReply> {
  await registry.deletions.takeOf(orgOf(repository), async () => {
    for (let attempt = 0; attempt < DELETE_ATTEMPTS_MAX; attempt += 1) {
      if (await isDeleted(registry, orgOf(repository), digest)) return
    }
    throw inUse(`Somebody pushes an image with the blob ${digest}.`, 'Try again in a moment.')
  })
  return reply.code(202).header('content-length', 0).send()
}

async function isDeleted(registry: Registry, org: string, digest: Digest): Promise<boolean> {
  const {store, room, nowMs} = registry
  const lookedAtMs = nowMs()
  const found = await store.stat(digest)
  if (!found) throw unknownBlob(digest)
  if (!(await room.holds(org, {digest, size: found.size}))) throw inUse(`The blob ${digest} was sent by another org.`)
  if (await isReferredTo(registry, digest))
    throw inUse(`An image names the blob ${digest}.`, 'Delete the image; its blobs go by themselves.')
  if ((await store.deleteUnused(digest, lookedAtMs)) === 'used') return false
  await room.forget(org, {digest, size: found.size})
  return true
}

function unknownBlob(digest: Digest): OciError {
  return new OciError('BLOB_UNKNOWN', 404, 'image_missing', `The registry does not have the blob ${digest}.`)
}

function inUse(message: string, hint?: string): OciError {
  return new OciError('DENIED', 403, 'conflict', message, hint === undefined ? {} : {hint})
}

/**
 * POST: begins an upload, or takes the whole blob when `?digest=` says what it is. With `?mount=` nothing is sent of a blob that is here: who may push may
 * have any blob whose digest it knows.
 */
export async function beginUpload(
  registry: Registry,
  repository: string,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const digest = queryDigest(request, 'digest')
  const mounted = queryDigest(request, 'mount')
  if (mounted !== undefined) registry.assertNotBlocked(mounted)
  if (mounted !== undefined && (await registry.store.touch(mounted, registry.nowMs()))) return created(reply, repository, mounted)
  const session = await registry.sessions.begin(repository)
  if (digest === undefined) return uploadState(reply.code(202), session)
  return registry.sessions.alone(session, async () => {
    try {
      await receive(registry, session, request)
      return await finishUpload(registry, session, digest, reply)
    } finally {
      await registry.sessions.leave(session)
    }
  })
}

/** GET: how far the upload has come. */
export function uploadProgress(registry: Registry, repository: string, id: string, reply: FastifyReply): FastifyReply {
  return uploadState(reply.code(204), registry.sessions.get(repository, id))
}

/** PATCH: the next bytes, which go where the last ones ended. An older PATCH that still hangs has lost its client, and is cut. */
export async function appendUpload(
  registry: Registry,
  repository: string,
  id: string,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const session = registry.sessions.get(repository, id)
  return registry.sessions.alone(session, async () => {
    assertNext(session, request, reply)
    await receive(registry, session, request)
    return uploadState(reply.code(202), session)
  })
}

/** PUT: the last bytes, if any, and the name. The blob is visible from here on, or the upload is gone. */
export async function completeUpload(
  registry: Registry,
  repository: string,
  id: string,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const session = registry.sessions.get(repository, id)
  const digest = queryDigest(request, 'digest')
  if (digest === undefined) throw new OciError('DIGEST_INVALID', 400, 'invalid_input', 'The request lacks ?digest=.')
  return registry.sessions.alone(session, async () => {
    assertNext(session, request, reply)
    await receive(registry, session, request)
    try {
      return await finishUpload(registry, session, digest, reply)
    } finally {
      await registry.sessions.leave(session)
    }
  })
}

/** DELETE: the client gives up. */
export async function cancelUpload(registry: Registry, repository: string, id: string, reply: FastifyReply): Promise<FastifyReply> {
  const session = registry.sessions.get(repository, id)
  await registry.sessions.alone(session, () => registry.sessions.leave(session))
  return reply.code(204).send()
}

async function finishUpload(registry: Registry, session: Session, digest: Digest, reply: FastifyReply): Promise<FastifyReply> {
  registry.assertNotBlocked(digest)
  await registry.sessions.commit(session, digest)
  return created(reply, session.repository, digest)
}

function created(reply: FastifyReply, repository: string, digest: Digest): FastifyReply {
  return reply
    .code(201)
    .headers({location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest, 'content-length': 0})
    .send()
}

/** A chunk that says where it goes must go where the last one ended, and be as long as it says. */
function assertNext(session: Session, request: FastifyRequest, reply: FastifyReply): void {
  const header = request.headers['content-range']
  if (header === undefined) return
  const {offset} = session.upload
  const [, first = '', last = ''] = CONTENT_RANGE.exec(header) ?? []
  const bytes = Number(last) - Number(first) + 1
  if (first === '' || bytes < 1) {
    throw new OciError('BLOB_UPLOAD_INVALID', 400, 'invalid_input', 'Content-Range is not of the form first-last.')
  }
  if (Number(first) !== offset) {
    setState(reply, session)
    throw new OciError('BLOB_UPLOAD_INVALID', 416, 'conflict', `The upload has come to byte ${offset}, not to ${first}.`)
  }
  const length = request.headers['content-length']
  if (length === undefined || Number(length) === bytes) return
  throw new OciError('SIZE_INVALID', 400, 'invalid_input', `Content-Range names ${bytes} bytes, Content-Length ${length}.`)
}

/** Takes the request's body into the upload. What came before a cut stays, so that the client can go on. */
async function receive({sessions}: Registry, session: Session, request: FastifyRequest): Promise<void> {
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

/** `0-0` of one byte and of none: the header has no form for none, and clients expect it all the same. */
function setState(reply: FastifyReply, {repository, upload}: Session): FastifyReply {
  const range = `0-${Math.max(0, upload.offset - 1)}`
  return reply.headers({
    range,
    location: `/v2/${repository}/blobs/uploads/${upload.id}`,
    'docker-upload-uuid': upload.id,
    'content-length': 0
  })
}

function queryDigest(request: FastifyRequest, name: 'digest' | 'mount'): Digest | undefined {
  const value = (request.query as Readonly<Record<string, unknown>>)[name]
  return value === undefined ? undefined : asDigest(String(value))
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
