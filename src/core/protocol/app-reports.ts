import {z} from 'zod'
import {logLineSchema} from './api.ts'
import {incentiveIdSchema, nodeIdSchema, revisionIdSchema, signedAmountSchema, timeMsSchema} from './scalars.ts'

/** What the coordinator tells an org of one app's nodes and pay. */

/** How far one revision has come on its nodes, and what keeps it. */
export const revisionReadinessSchema = z.object({
  revision: revisionIdSchema,
  function: z.string(),
  /** Those that hold a lease of it. */
  nodes: z.array(nodeIdSchema),
  /** Why the scheduler grants no further lease, when that is for want of pay: `pool_empty`, `day_spent`. */
  shortOfPay: z.string().nullable(),
  /** While no node holds a lease: what nodes that are there are told, and how many of them. */
  refusals: z.array(z.object({reason: z.string(), nodes: z.int()})),
  /** Of these nodes, how many selected what it pays and are of an architecture that it is not built for. */
  otherArchitecture: z.int().default(0),
  /** Of these nodes, how many selected what it pays, may run it, and are too small for it. */
  tooSmall: z.int().default(0),
  /** Of these nodes, how many could run it at some time. Left out while the coordinator has not heard long enough who is there. */
  candidates: z.int().optional(),
  /** What nodes said of its instances, oldest first; each has a `failure`. */
  failures: z.array(logLineSchema)
})
export type RevisionReadiness = z.output<typeof revisionReadinessSchema>

export const readinessSchema = z.object({
  /** The place in the logs after everything that has come. */
  next: z.int(),
  revisions: z.array(revisionReadinessSchema)
})
export type Readiness = z.output<typeof readinessSchema>

/** What an app's functions did and were paid since a time, and how long the pools that pay them last. */
export const spendingSchema = z.object({
  sinceMs: timeMsSchema,
  functions: z.array(
    z.object({
      function: z.string(),
      incentive: incentiveIdSchema,
      requests: z.int(),
      mibMs: z.int(),
      paidMinor: signedAmountSchema
    })
  ),
  pools: z.array(
    z.object({
      incentive: incentiveIdSchema,
      /** What leases can still reserve. */
      poolMinor: signedAmountSchema,
      /** What leases hold and have not paid yet. */
      reservedMinor: signedAmountSchema,
      /** To all functions that pay it, since `sinceMs`. */
      paidMinor: signedAmountSchema
    })
  )
})
export type Spending = z.output<typeof spendingSchema>
