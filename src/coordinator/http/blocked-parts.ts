import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'
import type {SignedCommand} from '../../core/protocol/commands.ts'
import type {LedgerReads} from '../../ledger/port.ts'
import type {BlockedImages} from '../registry/blocked-images.ts'
import type {RouteTools} from './route.ts'
import {signedBody} from './signed-body.ts'

const TYPES = ['revision.deploy', 'traffic.set'] as const
const servedSchema = z.looseObject({revision: z.string()})
const commandSchema = z.discriminatedUnion('type', [
  z.looseObject({type: z.literal(TYPES[0]), revisions: z.array(z.looseObject({imageDigest: z.string()})).max(64)}),
  z.looseObject({
    type: z.literal(TYPES[1]),
    functions: z.array(z.looseObject({traffic: z.array(servedSchema).optional(), tags: z.array(servedSchema).optional()})).max(64)
  })
])

/**
 * Refuses to deploy an image with a layer, a config or a manifest that the operator blocks, or to send traffic to one, before the ledger sees it: the
 * ledger knows of an image its own digest alone.
 * @throws {CreoError} `forbidden`
 */
export async function refuseBlockedParts(
  {ledger: {reads}, blockedImages}: RouteTools & {readonly blockedImages: BlockedImages},
  command: SignedCommand
): Promise<void> {
  const signed = signedBody(reads, command, TYPES)
  const body = signed && commandSchema.safeParse(signed.body).data
  if (body === undefined) return
  const [found] = await blockedImages.among(() => imagesOf(body, reads))
  if (found === undefined) return
  const [image, part] = found
  const reason = reads.blockReason({kind: 'image', name: part}) ?? ''
  throw new CreoError('forbidden', `The operator of the network has blocked ${part}, which is in the image ${image}: ${reason}`, {
    hint: 'Build the image without it.'
  })
}

function imagesOf(body: z.output<typeof commandSchema>, reads: LedgerReads): string[] {
  if (body.type === 'revision.deploy') return body.revisions.map(({imageDigest}) => imageDigest)
  const served = body.functions.flatMap(({traffic = [], tags = []}) => [...traffic, ...tags])
  return served.flatMap(({revision}) => reads.revision(revision)?.imageDigest ?? [])
}
