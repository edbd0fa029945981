import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'
import type {SignedCommand} from '../../core/protocol/commands.ts'
import type {BlockedImages} from '../registry/blocked-images.ts'
import type {RouteTools} from './route.ts'
import {signedBody} from './signed-body.ts'

const TYPE = 'revision.deploy'
const deploySchema = z.looseObject({type: z.literal(TYPE), revisions: z.array(z.looseObject({imageDigest: z.string()})).max(64)})

/**
 * Refuses to deploy an image with a layer, a config or a manifest that the operator blocks, before the ledger sees it: the ledger knows of an
 * image its own digest alone.
 * @throws {CreoError} `forbidden`
 */
export async function refuseBlockedParts(
  {ledger: {reads}, blockedImages}: RouteTools & {readonly blockedImages: BlockedImages},
  command: SignedCommand
): Promise<void> {
  const deploy = deploySchema.safeParse(signedBody(reads, command, [TYPE])?.body).data
  if (deploy === undefined) return
  const [found] = await blockedImages.among(() => deploy.revisions.map(({imageDigest}) => imageDigest))
  if (found === undefined) return
  const [image, part] = found
  const reason = reads.blockReason({kind: 'image', name: part}) ?? ''
  throw new CreoError('forbidden', `The operator of the network has blocked ${part}, which is in the image ${image}: ${reason}`, {
    hint: 'Build the image without it.'
  })
}
