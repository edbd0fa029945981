import type {FastifyReply, FastifyRequest} from 'fastify'
import {isCreoError} from '../../core/errors.ts'
import {sha256OfContentDigest} from '../../identity/content-digest.ts'
import type {BlobStore} from '../../images/blob-store.ts'
import {type Digest, digestHex, digestOf, isDigest} from '../../images/digest.ts'
import {type Descriptor, MANIFEST_BYTES_MAX, type ParsedManifest, parseManifest} from '../../images/oci.ts'
import type {ManifestCatalog} from './catalog.ts'
import {OciError} from './oci-error.ts'
import {orgOf} from './repository-name.ts'
import {requestBody} from './request-body.ts'
import type {UploadSessions} from './upload-sessions.ts'

const TAGS_PAGE_MAX = 1_000

export interface ManifestTools {
  readonly store: BlobStore
  readonly catalog: ManifestCatalog
  readonly sessions: UploadSessions
}

interface Target {
  readonly repository: string
  readonly reference: string
}

export async function sendManifest(
  tools: ManifestTools,
  target: Target,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const link = await tools.catalog.find(target.repository, target.reference)
  if (!link) {
    throw new OciError('MANIFEST_UNKNOWN', 404, 'image_missing', `The registry has no image ${target.repository} ${target.reference}.`, {
      hint: 'Push it: creo deploy'
    })
  }
  reply.headers({
    'content-type': link.mediaType,
    'content-length': link.size,
    'docker-content-digest': link.digest,
    etag: `"${link.digest}"`
  })
  if (request.method === 'HEAD') return reply.send()
  return reply.send(await tools.store.read(link.digest, MANIFEST_BYTES_MAX))
}

/** Takes a manifest when everything that it names is here, so that an image which can be seen can be pulled. */
export async function putManifest(
  tools: ManifestTools,
  target: Target,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const bytes = await readManifestBody(request)
  const digest = digestOf(bytes)
  assertContentDigest(digest, request.headers['content-digest'])
  if (isDigest(target.reference) && target.reference !== digest) {
    throw new OciError('DIGEST_INVALID', 400, 'digest_mismatch', `The manifest has the digest ${digest}, not ${target.reference}.`)
  }
  const parsed = readManifest(bytes, request.headers['content-type'])
  await assertWhole(tools, target.repository, parsed)
  if (!(await tools.store.stat(digest))) await tools.sessions.store(orgOf(target.repository), bytes)
  const tag = isDigest(target.reference) ? undefined : target.reference
  await tools.catalog.put(target.repository, {digest, mediaType: parsed.mediaType, size: bytes.length}, tag)
  return reply
    .code(201)
    .headers({location: `/v2/${target.repository}/manifests/${digest}`, 'docker-content-digest': digest, 'content-length': 0})
    .send()
}

/** Tags in order, at most `n` of them after `last`. */
export async function sendTags(
  tools: ManifestTools,
  repository: string,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const all = await tools.catalog.tags(repository)
  if (!all) throw new OciError('NAME_UNKNOWN', 404, 'not_found', `The registry has no repository ${repository}.`)
  const query = request.query as {n?: unknown; last?: unknown}
  const limit = query.n === undefined ? TAGS_PAGE_MAX : Math.min(Number(query.n), TAGS_PAGE_MAX)
  if (!Number.isInteger(limit) || limit < 0) throw new OciError('UNSUPPORTED', 400, 'invalid_input', '?n= is not a number of tags.')
  const later = typeof query.last === 'string' ? all.filter((tag) => tag > String(query.last)) : all
  const tags = later.slice(0, limit)
  const last = tags.at(-1)
  if (later.length > tags.length && last !== undefined) {
    reply.header('link', `</v2/${repository}/tags/list?n=${limit}&last=${encodeURIComponent(last)}>; rel="next"`)
  }
  return reply.send({name: repository, tags})
}

async function readManifestBody(request: FastifyRequest): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of requestBody(request)) {
    size += chunk.length
    if (size > MANIFEST_BYTES_MAX) {
      throw new OciError('SIZE_INVALID', 413, 'payload_too_large', `A manifest has at most ${MANIFEST_BYTES_MAX} bytes.`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** A signed request covers its body by RFC 9530's header alone, so here header and body are compared. */
function assertContentDigest(digest: Digest, header: string | string[] | undefined): void {
  const promised = sha256OfContentDigest(String(header ?? ''))
  if (promised === undefined || promised === digestHex(digest)) return
  throw new OciError('DIGEST_INVALID', 400, 'digest_mismatch', 'The body is not the one that Content-Digest promises.')
}

function readManifest(bytes: Buffer, contentType: string | undefined): ParsedManifest {
  try {
    return parseManifest(bytes, contentType?.split(';')[0]?.trim())
  } catch (error) {
    if (!isCreoError(error)) throw error
    throw new OciError('MANIFEST_INVALID', 400, error.code, error.message, error.hint === undefined ? {} : {hint: error.hint})
  }
}

async function assertWhole(tools: ManifestTools, repository: string, parsed: ParsedManifest): Promise<void> {
  const blobs = parsed.kind === 'index' ? [] : [parsed.manifest.config, ...parsed.manifest.layers]
  for (const blob of blobs) assertPresent(blob, (await tools.store.stat(blob.digest))?.size)
  const manifests = parsed.kind === 'index' ? parsed.index.manifests : []
  for (const manifest of manifests) assertPresent(manifest, (await tools.catalog.find(repository, manifest.digest))?.size)
}

function assertPresent(descriptor: Descriptor, storedBytes: number | undefined): void {
  if (storedBytes === undefined) {
    throw new OciError('MANIFEST_BLOB_UNKNOWN', 400, 'image_missing', `The image names ${descriptor.digest}, which was not pushed.`, {
      hint: 'Push its blobs and manifests first.'
    })
  }
  if (storedBytes !== descriptor.size) {
    throw new OciError(
      'MANIFEST_INVALID',
      400,
      'invalid_input',
      `The image says that ${descriptor.digest} has ${descriptor.size} bytes; it has ${storedBytes}.`
    )
  }
}
