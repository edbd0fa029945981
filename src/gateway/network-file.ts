import {z} from 'zod'
import {readFileIfThere, writeFileDurably} from '../config/durable-file.ts'
import {CreoError} from '../core/errors.ts'
import {networkIdSchema, publicKeySchema} from '../core/protocol/scalars.ts'

const networkFileSchema = z.strictObject({
  networkId: networkIdSchema,
  coordinatorKey: publicKeySchema,
  network: z.enum(['production', 'development'])
})
export type PinnedNetwork = z.output<typeof networkFileSchema>

/**
 * The network that this gateway serves. Learnt and checked once, then read from disk, so that it starts with the coordinator gone.
 * @throws {CreoError} `conflict` when the folder belongs to a gateway of another network, and what `learn` throws.
 */
export async function pinNetwork(path: string, networkId: string, learn: () => Promise<PinnedNetwork>): Promise<PinnedNetwork> {
  const bytes = await readFileIfThere(path)
  const known = bytes === undefined ? undefined : networkFileSchema.parse(JSON.parse(bytes.toString()))
  if (known !== undefined && known.networkId !== networkId) {
    throw new CreoError('conflict', `This folder belongs to a gateway of the network ${known.networkId}.`, {
      hint: 'Give each network its own folder with --data.'
    })
  }
  if (known !== undefined) return known
  const learnt = await learn()
  await writeFileDurably(path, JSON.stringify(learnt))
  return learnt
}
