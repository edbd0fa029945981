import type {FastifyReply, FastifyRequest} from 'fastify'
import type {Digest} from '../../images/digest.ts'
import {encodeJson, MEDIA_TYPE} from '../../images/oci.ts'
import type {Referrer} from './catalog.ts'
import type {Registry} from './registry.ts'
import {asDigest} from './repository-name.ts'

const REFERRERS_PAGE_MAX = 1_000
/** The specification wants an answer to fit a manifest's size; one more entry may come on top. */
const PAGE_BYTES_MAX = 2 ** 20

interface Asked {
  readonly artifactType: string | undefined
  readonly last: Digest | undefined
}

/** What says something about a manifest, as an image index: signatures, lists of contents. Of a manifest that is not here, an empty one. */
export async function sendReferrers(
  {catalog}: Registry,
  {repository, digest}: {readonly repository: string; readonly digest: Digest},
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const query = request.query as {artifactType?: unknown; last?: unknown}
  const asked: Asked = {
    artifactType: typeof query.artifactType === 'string' ? query.artifactType : undefined,
    last: typeof query.last === 'string' ? asDigest(query.last) : undefined
  }
  const {manifests, isWhole} = await onePage(catalog.referrers(repository, digest), asked)
  if (asked.artifactType !== undefined) reply.header('oci-filters-applied', 'artifactType')
  const last = manifests.at(-1)
  if (!isWhole && last !== undefined) {
    const further = new URLSearchParams({last: last.digest, ...(asked.artifactType !== undefined && {artifactType: asked.artifactType})})
    reply.header('link', `</v2/${repository}/referrers/${digest}?${further}>; rel="next"`)
  }
  return reply.type(MEDIA_TYPE.index).send(encodeJson({schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests}))
}

async function onePage(all: AsyncIterable<Referrer>, {artifactType, last}: Asked): Promise<{manifests: Referrer[]; isWhole: boolean}> {
  const manifests: Referrer[] = []
  let bytes = 0
  for await (const referrer of all) {
    if (last !== undefined && referrer.digest <= last) continue
    if (artifactType !== undefined && referrer.artifactType !== artifactType) continue
    if (manifests.length >= REFERRERS_PAGE_MAX || bytes > PAGE_BYTES_MAX) return {manifests, isWhole: false}
    manifests.push(referrer)
    bytes += JSON.stringify(referrer).length
  }
  return {manifests, isWhole: true}
}
