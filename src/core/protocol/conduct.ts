import {z} from 'zod'
import {gatewayIdSchema, nodeIdSchema, timeMsSchema} from './scalars.ts'

/** How often a gateway says what it saw of nodes, when it saw anything. */
export const CONDUCT_REPORT_MS = 300_000
/** Nodes of one report; the rest is said with the next one. */
export const CONDUCT_NODES_MAX = 5000

const countSchema = z.int().min(0).max(1_000_000_000)

/** What one gateway saw of one node since it last said so. */
export const conductSchema = z
  .object({
    node: nodeIdSchema,
    /** That this node answered, or failed by its own doing. */
    requests: countSchema,
    failed: countSchema,
    /** Of those answered, far later than other nodes answer for the same functions. */
    slow: countSchema,
    /** Containers that it was asked to start; those that failed by the function's doing are left out. */
    starts: countSchema,
    startsFailed: countSchema,
    /** Sessions that broke off while it had work. */
    cuts: countSchema
  })
  .refine(({requests, failed, slow, starts, startsFailed}) => failed + slow <= requests && startsFailed <= starts, {
    error: 'More has failed than was asked for.'
  })
export type Conduct = z.output<typeof conductSchema>

/** Signed by the gateway. The same report may come twice: what lies before the end of an earlier one is known. */
export const conductReportSchema = z.object({
  gateway: gatewayIdSchema,
  untilMs: timeMsSchema,
  nodes: z.array(conductSchema).min(1).max(CONDUCT_NODES_MAX)
})
export type ConductReport = z.output<typeof conductReportSchema>

/** What gateways think of a node, as anybody may read it. */
export const reputationViewSchema = z.object({
  standing: z.enum(['fair', 'poor']),
  /** From 0 to 100; a node that nobody knows yet has 90. */
  score: z.int().min(0).max(100),
  /** How many gateways have seen enough of it to be asked. */
  gateways: z.int().min(0),
  /** What stands against it, in sentences, the gravest first; empty for nothing. */
  reasons: z.array(z.string())
})
export type ReputationView = z.output<typeof reputationViewSchema>
