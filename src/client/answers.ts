import {z} from 'zod'
import {
  accountViewSchema,
  appViewSchema,
  balanceKinds,
  balanceViewSchema,
  epochViewSchema,
  HEARTBEAT_MS,
  incentiveViewSchema,
  leaseViewSchema,
  logLineSchema,
  nodeViewSchema,
  offerViewSchema,
  orderViewSchema,
  receiptViewSchema,
  redemptionViewSchema,
  releaseViewSchema,
  tradeViewSchema
} from '../core/protocol/api.ts'
import {blockEventSchema} from '../core/protocol/blocks.ts'
import {commandAnswerSchema} from '../core/protocol/commands.ts'
import {reputationViewSchema} from '../core/protocol/conduct.ts'
import {candleSchema} from '../core/protocol/market-data.ts'
import {accountIdSchema, signedAmountSchema, timeMsSchema} from '../core/protocol/scalars.ts'

/** What the coordinator's routes answer around the views of core/protocol/api.ts. */

export const commandErrorSchema = z.object({
  status: z.literal('error'),
  error: z.object({code: z.string(), message: z.string(), hint: z.string().optional()})
})
export const commandAnswersSchema = z.object({answers: z.array(z.union([commandAnswerSchema, commandErrorSchema]))})
export type CommandOutcome = z.output<typeof commandAnswersSchema>['answers'][number]
export const enrollAnswerSchema = z.object({answer: commandAnswerSchema})

/** Of a list that has another page. */
const nextSchema = z.string().optional()

export const accountsSchema = z.object({accounts: z.array(accountViewSchema), next: nextSchema})
export const releasesSchema = z.object({revisions: z.array(releaseViewSchema)})
export const balancesSchema = z.object({sequence: z.int(), balances: z.array(balanceViewSchema)})
export const ordersSchema = z.object({orders: z.array(orderViewSchema)})
export const redemptionsSchema = z.object({redemptions: z.array(redemptionViewSchema), next: nextSchema})
export const entriesSchema = z.object({
  entries: z.array(
    z.object({
      seq: z.int(),
      atMs: timeMsSchema,
      command: z.string(),
      asset: z.string(),
      kind: z.enum(balanceKinds),
      deltaMinor: signedAmountSchema,
      balanceMinor: signedAmountSchema,
      counterparty: z.object({account: accountIdSchema, name: z.string()}).optional(),
      memo: z.string().optional()
    })
  ),
  next: nextSchema
})
export const incentivesSchema = z.object({incentives: z.array(incentiveViewSchema), next: nextSchema})
export const offersSchema = z.object({offers: z.array(offerViewSchema), next: nextSchema})
export const tradesSchema = z.object({trades: z.array(tradeViewSchema)})
export const candlesSchema = z.object({candles: z.array(candleSchema)})
export const appsSchema = z.object({apps: z.array(appViewSchema), next: nextSchema})
export const logsSchema = z.object({lines: z.array(logLineSchema), next: z.int()})
export const leasesSchema = z.object({leases: z.array(leaseViewSchema)})
export const nodesSchema = z.object({nodes: z.array(nodeViewSchema), next: nextSchema})
export const nodeStatusSchema = nodeViewSchema.extend({
  /** An older coordinator does not say. */
  reputation: reputationViewSchema.optional(),
  presence: z.object({lastHeartbeatMs: timeMsSchema, earn: z.array(z.string()), draining: z.boolean(), instances: z.int()}).nullable()
})
export const receiptsSchema = z.object({receipts: z.array(receiptViewSchema)})
export const epochsSchema = z.object({epochs: z.array(epochViewSchema)})
export const blocksSchema = z.object({blocks: z.array(blockEventSchema)})
export const gatewaysSchema = z.object({
  gateways: z.array(z.object({id: z.string(), publicKey: z.string(), name: z.string(), tunnelUrl: z.string(), publicUrl: z.string()}))
})
export const okSchema = z.object({ok: z.literal(true)})
export const heartbeatAnswerSchema = z.object({
  ok: z.literal(true),
  noWorkReason: z.string().nullable(),
  /** How often the coordinator wants to hear of a node that has nothing new to say; an older one wants to hear every time. */
  everyMs: z.int().min(HEARTBEAT_MS).default(HEARTBEAT_MS),
  /** The newest change of the secrets that this node was given; absent for one that was given none. */
  secretsChange: z.int().optional()
})
export const receiptAnswersSchema = z.object({
  answers: z.array(
    z.object({
      id: z.string(),
      status: z.enum(['paid', 'already_paid', 'rejected', 'retry']),
      code: z.string().optional(),
      message: z.string().optional()
    })
  )
})
export type ReceiptAnswer = z.output<typeof receiptAnswersSchema>['answers'][number]
