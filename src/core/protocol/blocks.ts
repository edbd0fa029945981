import {z} from 'zod'
import {imageDigestSchema, keyIdSchema, labelSchema, nameSchema} from './scalars.ts'

/** A host name in lower case, without a dot at its end. */
const domainSchema = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/, 'must be a host name in lower case, as example.org')

/** What the operator of a network may keep out of it: an image by its digest, an account by its name, a domain with all names below it. */
export const blockTargetSchema = z.discriminatedUnion('kind', [
  z.strictObject({kind: z.literal('image'), name: imageDigestSchema}),
  z.strictObject({kind: z.literal('account'), name: nameSchema}),
  z.strictObject({kind: z.literal('domain'), name: domainSchema})
])
export type BlockTarget = z.output<typeof blockTargetSchema>
export const blockKinds = ['image', 'account', 'domain'] as const satisfies readonly BlockTarget['kind'][]

/** One entry of the record: what the operator did, when and why. */
export const blockEventSchema = z.object({
  seq: z.int(),
  atMs: z.int(),
  action: z.enum(['block', 'unblock']),
  kind: z.enum(blockKinds),
  name: z.string(),
  reason: labelSchema,
  /** The operator's key that signed it. */
  by: keyIdSchema
})
export type BlockEvent = z.output<typeof blockEventSchema>

/** The same target always has the same key, another one another. */
export function blockKey({kind, name}: {readonly kind: BlockTarget['kind']; readonly name: string}): string {
  return `${kind} ${name}`
}

/** The keys by which a revision may be blocked: its image, its org, and every domain that it asks to reach, with those above. */
export function blockKeysOf(revision: {readonly org: string; readonly imageDigest: string; readonly egress: readonly string[]}): string[] {
  const image = blockKey({kind: 'image', name: revision.imageDigest})
  return [image, blockKey({kind: 'account', name: revision.org}), ...revision.egress.flatMap(domainKeys)]
}

function domainKeys(host: string): string[] {
  const labels = host.toLowerCase().replace(/\.$/, '').split('.')
  return labels.map((_, index) => blockKey({kind: 'domain', name: labels.slice(index).join('.')}))
}
