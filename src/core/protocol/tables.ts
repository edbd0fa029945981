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

const appEntry = z.object({
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
export type AppEntry = z.output<typeof appEntry>

const nodeEntry = z.object({id: nodeIdSchema, publicKey: publicKeySchema, owner: z.string()})

/** What a gateway needs to serve everything with the coordinator gone. */
export const routesTableSchema = z.object({
  kind: z.literal('routes'),
  apps: z.array(appEntry),
  revisions: z.array(revisionEntry),
  leases: z.array(leaseEntry),
  nodes: z.array(nodeEntry),
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

/** Entries that are new or other than before, and ids of those that are there no more. Gone ones go first; an id that is not there is no fault. */
function changesOf<E extends z.ZodType>(entry: E) {
  return z.object({set: z.array(entry), gone: z.array(z.string())})
}

/** What became of a node's table since an earlier version. */
export const nodeTableDeltaSchema = z.object({
  kind: z.literal('node'),
  node: nodeIdSchema,
  leases: changesOf(leaseEntry),
  revisions: changesOf(revisionEntry),
  /** All of them; absent when they are as before. */
  gateways: z.array(gatewayEntry).optional()
})
export type NodeTableDelta = z.output<typeof nodeTableDeltaSchema>

/** What became of the table of routes since an earlier version. An app's id is `org/app`. */
export const routesTableDeltaSchema = z.object({
  kind: z.literal('routes'),
  apps: changesOf(appEntry),
  revisions: changesOf(revisionEntry),
  leases: changesOf(leaseEntry),
  nodes: changesOf(nodeEntry),
  /** All of them; absent when they are as before. */
  gateways: z.array(gatewayEntry).optional()
})
export type RoutesTableDelta = z.output<typeof routesTableDeltaSchema>

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

/**
 * What changed between two versions of a table, for who has the older one exactly. Signed by the coordinator over the text
 * `creo-table-delta-v1`, network, since, version, SHA-256 of body (hex), one a line.
 */
export const signedTableDeltaSchema = z.object({
  v: z.literal('creo-table-delta-v1'),
  network: networkIdSchema,
  /** Version of the table that it is to be applied to, and of the one that it makes. */
  since: z.int().min(0),
  version: z.int().min(0),
  body: z.string().max(64 * 2 ** 20),
  signature: signatureSchema
})
export type SignedTableDelta = z.output<typeof signedTableDeltaSchema>
/** What a request for a newer table is answered. */
export const tableNewsSchema = z.discriminatedUnion('v', [signedTableSchema, signedTableDeltaSchema])
export type TableNews = z.output<typeof tableNewsSchema>

export function tableDeltaSigningText(delta: Omit<SignedTableDelta, 'signature' | 'body'>, bodySha256Hex: string): string {
  return [delta.v, delta.network, String(delta.since), String(delta.version), bodySha256Hex].join('\n')
}

export function tableSigningText(table: Omit<SignedTable, 'signature' | 'body'>, bodySha256Hex: string): string {
  return [table.v, table.network, String(table.version), bodySha256Hex].join('\n')
}
