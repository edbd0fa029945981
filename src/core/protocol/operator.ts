import {z} from 'zod'
import {accountIdSchema, amountSchema, incentiveIdSchema, nodeIdSchema, revisionIdSchema, sha256HexSchema, timeMsSchema} from './scalars.ts'

/** Rows of each list of the operator's page: what needs a look comes first. */
export const OPERATOR_ROWS_MAX = 100
export const OPERATOR_GROUPS_MAX = 10

export const operatorNodeStates = ['there', 'draining', 'lost', 'silent'] as const
const errorRowSchema = z.object({code: z.string(), count: z.int()})

/** What the operator's page shows. Text of others comes without control and direction characters. */
export const operatorViewSchema = z.object({
  network: z.string(),
  version: z.string(),
  sequence: z.int(),
  atMs: timeMsSchema,
  startedAtMs: timeMsSchema,
  nodes: z.object({
    /** How many are in each state; `silent` have not been heard since the coordinator started. */
    states: z.record(z.enum(operatorNodeStates), z.int()),
    rows: z
      .array(
        z.object({
          id: nodeIdSchema,
          name: z.string(),
          owner: accountIdSchema,
          state: z.enum(operatorNodeStates),
          lastSeenMs: timeMsSchema.nullable(),
          leases: z.int(),
          instances: z.int(),
          /** Of creo; null for one that does not say. */
          version: z.string().nullable(),
          noWorkReason: z.string().nullable()
        })
      )
      .max(OPERATOR_ROWS_MAX)
  }),
  functions: z.object({
    total: z.int(),
    wanted: z.int(),
    held: z.int(),
    rows: z
      .array(
        z.object({
          function: z.string(),
          revision: revisionIdSchema,
          wanted: z.int(),
          held: z.int(),
          instances: z.int(),
          lastFailure: z.object({atMs: timeMsSchema, reason: z.string(), line: z.string()}).nullable()
        })
      )
      .max(OPERATOR_ROWS_MAX)
  }),
  errors: z.object({api: z.array(errorRowSchema), registry: z.array(errorRowSchema)}),
  pools: z.object({
    total: z.int(),
    rows: z
      .array(
        z.object({
          incentive: incentiveIdSchema,
          decimals: z.int(),
          /** What leases can still reserve, what they hold, and what was paid within a day. */
          poolMinor: amountSchema,
          reservedMinor: amountSchema,
          paidLastDayMinor: amountSchema,
          /** Pool and reserved over what a day pays; null while there is no traffic. */
          daysLeft: z.number().nullable()
        })
      )
      .max(OPERATOR_ROWS_MAX)
  }),
  /** The last of the ledger, newest first. */
  groups: z
    .array(z.object({number: z.int(), firstSeq: z.int(), lastSeq: z.int(), atMs: timeMsSchema, hash: sha256HexSchema}))
    .max(OPERATOR_GROUPS_MAX)
})
export type OperatorView = z.output<typeof operatorViewSchema>
