import {z} from 'zod'
import {revisionSpecSchema, tagSchema, trafficShareSchema} from './revisions.ts'
import {
  amountSchema,
  gatewayIdSchema,
  imageDigestSchema,
  incentiveIdSchema,
  leaseIdSchema,
  nameSchema,
  networkIdSchema,
  nodeIdSchema,
  publicKeySchema,
  revisionIdSchema,
  signatureSchema,
  timeMsSchema
} from './scalars.ts'

const gatewayEntry = z.object({
  id: gatewayIdSchema,
  publicKey: publicKeySchema,
  name: z.string(),
  tunnelUrl: z.string(),
  publicUrl: z.string()
})

const leaseEntry = z.object({
  id: leaseIdSchema,
  node: nodeIdSchema,
  revision: revisionIdSchema,
  startsAtMs: timeMsSchema,
  endsAtMs: timeMsSchema,
  /** What is left to earn when the table was made: reserved minus paid. A line that is missing pays nothing. */
  budgets: z.array(z.object({incentive: incentiveIdSchema, amountMinor: amountSchema}))
})
export type LeaseEntry = z.output<typeof leaseEntry>

const revisionEntry = z.object({
  id: revisionIdSchema,
  org: nameSchema,
  app: nameSchema,
  function: nameSchema,
  /** Digest of the image index in the coordinator's registry, repository `org/app/function`. */
  imageDigest: imageDigestSchema,
  spec: revisionSpecSchema
})
export type RevisionEntry = z.output<typeof revisionEntry>

/** What a gateway needs to serve everything with the coordinator gone. */
export const routesTableSchema = z.object({
  kind: z.literal('routes'),
  apps: z.array(
    z.object({
      org: nameSchema,
      app: nameSchema,
      /** Longest path prefix wins; a prefix ends at a `/` or the end. */
      routes: z.array(z.object({path: z.string(), function: nameSchema})),
      functions: z.array(
        z.object({
          function: nameSchema,
          /** The revision that gets most of the function's traffic: all of it, without `traffic`. */
          revision: revisionIdSchema,
          /** Only while several share it. */
          traffic: z.array(trafficShareSchema).optional(),
          /** Revisions with an address of their own; absent when there are none. */
          tags: z.array(tagSchema).optional()
        })
      )
    })
  ),
  revisions: z.array(revisionEntry),
  leases: z.array(leaseEntry),
  nodes: z.array(z.object({id: nodeIdSchema, publicKey: publicKeySchema, owner: z.string()})),
  gateways: z.array(gatewayEntry)
})
export type RoutesTable = z.output<typeof routesTableSchema>

/** What one node needs: its leases with their revisions, and the gateways to dial. */
export const nodeTableSchema = z.object({
  kind: z.literal('node'),
  node: nodeIdSchema,
  leases: z.array(leaseEntry),
  revisions: z.array(revisionEntry),
  gateways: z.array(gatewayEntry)
})
export type NodeTable = z.output<typeof nodeTableSchema>

/**
 * A table as it travels and as it is kept on disk. Signed by the coordinator over the text
 * `creo-table-v1`, network, version, SHA-256 of body (hex), one a line. `body` is the exact JSON text.
 */
export const signedTableSchema = z.object({
  v: z.literal('creo-table-v1'),
  network: networkIdSchema,
  /** Ledger sequence that the table reflects; a reader never goes back to a lower one. */
  version: z.int().min(0),
  body: z.string().max(64 * 2 ** 20),
  signature: signatureSchema
})
export type SignedTable = z.output<typeof signedTableSchema>

export function tableSigningText(table: Omit<SignedTable, 'signature' | 'body'>, bodySha256Hex: string): string {
  return [table.v, table.network, String(table.version), bodySha256Hex].join('\n')
}
