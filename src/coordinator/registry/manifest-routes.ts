import type {FastifyReply, FastifyRequest} from 'fastify'
import {isCreoError} from '../../core/errors.ts'
import {sha256OfContentDigest} from '../../identity/content-digest.ts'
import {type Digest, digestHex, digestOf, isDigest} from '../../images/digest.ts'
import {type Descriptor, isNondistributable, MANIFEST_BYTES_MAX, type ParsedManifest, parseManifest} from '../../images/oci.ts'
import type {ManifestLink, Referrer} from './catalog.ts'
import {linkOf, type ManifestParts, partsOf, referrerOf} from './manifest-parts.ts'
import {OciError} from './oci-error.ts'
import type {Registry} from './registry.ts'
import {orgOf} from './repository-name.ts'
import {requestBody} from './request-body.ts'

const TAGS_PAGE_MAX = 1_000
/** Of annotations, which every list of referrers repeats. */
const REFERRER_BYTES_MAX = 64 * 1024

interface Target {
  readonly repository: string
  readonly reference: string
}

/** Whoever asks with HEAD is about to push or to deploy: the manifest, and so all that it names, is not collected for a while. */
export async function sendManifest(
  registry: Registry,
  target: Target,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const link =
    request.method === 'HEAD' ? await countedOn(registry, target) : await registry.catalog.find(target.repository, target.reference)
  if (!link) throw unknownManifest(target, 'Push it: creo deploy')
  registry.assertNotBlocked(link.digest)
  reply.headers({
    'content-type': link.mediaType,
    'content-length': link.size,
    'docker-content-digest': link.digest,
    etag: `"${link.digest}"`
  })
  if (request.method === 'HEAD') return reply.send()
  return reply.send(await registry.store.read(link.digest, MANIFEST_BYTES_MAX))
}

/** Takes a manifest when everything that it names is here, so that an image which can be seen can be pulled. */
export async function putManifest(registry: Registry, target: Target, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const {repository, reference} = target
  const bytes = await readManifestBody(request)
  const digest = digestOf(bytes)
  assertContentDigest(digest, request.headers['content-digest'])
  if (isDigest(reference) && reference !== digest) {
    throw new OciError('DIGEST_INVALID', 400, 'digest_mismatch', `The manifest has the digest ${digest}, not ${reference}.`)
  }
  const parsed = readManifest(bytes, request.headers['content-type'])
  const link = linkOf(parsed, bytes)
  for (const part of [digest, ...(link.blobs ?? []), ...(link.manifests ?? [])]) registry.assertNotBlocked(part)
  const referrer = link.subject === undefined ? undefined : checkedReferrer(parsed, link)
  await registry.turns.take(async () => {
    await assertWhole(registry, repository, partsOf(parsed))
    const nowMs = registry.nowMs()
    if (!(await registry.store.touch(digest, nowMs))) await registry.sessions.store(orgOf(repository), bytes)
    await registry.catalog.put(repository, {link, nowMs, ...(!isDigest(reference) && {tag: reference}), ...(referrer && {referrer})})
  })
  if (link.subject !== undefined) reply.header('oci-subject', link.subject)
  return reply
    .code(201)
    .headers({location: `/v2/${repository}/manifests/${digest}`, 'docker-content-digest': digest, 'content-length': 0})
    .send()
}

/** By tag, the tag goes; by digest, the manifest with its tags, unless a live revision or an index needs it. Its blobs go when nothing needs them. */
export async function deleteManifest(registry: Registry, target: Target, reply: FastifyReply): Promise<FastifyReply> {
  const {repository, reference} = target
  await registry.turns.take(async () => {
    if (!(await registry.catalog.find(repository, reference))) throw unknownManifest(target)
    if (!isDigest(reference)) return registry.catalog.untag(repository, reference)
    await assertUnneeded(registry, repository, reference)
    return registry.catalog.remove(repository, reference)
  })
  return reply.code(202).header('content-length', 0).send()
}

/** Tags in order, at most `n` of them after `last`. */
export async function sendTags(
  registry: Registry,
  repository: string,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const all = await registry.catalog.tags(repository)
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

async function countedOn({catalog, turns, nowMs}: Registry, {repository, reference}: Target): Promise<ManifestLink | undefined> {
  return turns.take(async () => {
    const link = await catalog.find(repository, reference)
    if (link) await catalog.touch(repository, link.digest, nowMs())
    return link
  })
}

function unknownManifest({repository, reference}: Target, hint?: string): OciError {
  const message = `The registry has no image ${repository} ${reference}.`
  return new OciError('MANIFEST_UNKNOWN', 404, 'image_missing', message, hint === undefined ? {} : {hint})
}

async function assertUnneeded({catalog, liveImages}: Registry, repository: string, digest: Digest): Promise<void> {
  if (liveImages().has(digest)) {
    throw new OciError('DENIED', 403, 'conflict', `${digest} is the image of a revision that is live or can be gone back to.`, {
      hint: 'Once newer revisions have taken its place, it is deleted by itself.'
    })
  }
  const index = (await catalog.manifests(repository)).find(({link}) => link.manifests?.includes(digest))?.link
  if (index)
    throw new OciError('DENIED', 403, 'conflict', `The image index ${index.digest} names ${digest}.`, {hint: 'Delete the index first.'})
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

function checkedReferrer(parsed: ParsedManifest, link: ManifestLink): Referrer {
  const referrer = referrerOf(parsed, link)
  if (JSON.stringify(referrer).length <= REFERRER_BYTES_MAX) return referrer
  throw new OciError(
    'MANIFEST_INVALID',
    400,
    'payload_too_large',
    `The annotations of a manifest with a subject have at most ${REFERRER_BYTES_MAX} bytes.`
  )
}

/**
 * Whatever is found is counted on from now, so that it is still there when the manifest is linked. A layer that may not be handed on need not be here;
 * a node that can't fetch it says so.
 */
async function assertWhole(registry: Registry, repository: string, {blobs, manifests}: ManifestParts): Promise<void> {
  for (const blob of blobs) {
    const found = await registry.store.touch(blob.digest, registry.nowMs())
    if (found !== undefined || !isNondistributable(blob)) assertPresent(blob, found?.size)
  }
  for (const manifest of manifests) assertPresent(manifest, (await registry.catalog.find(repository, manifest.digest))?.size)
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
