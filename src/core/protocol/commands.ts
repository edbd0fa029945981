import {z} from 'zod'
import {ACCOUNT_KEYS_MAX, keyCommandBodies, newAccountKeySchema} from './account-keys.ts'
import {blockTargetSchema} from './blocks.ts'
import {marketCommandBodies} from './market-commands.ts'
import {receiptSchema} from './receipts.ts'
import {revisionSpecSchema, TAGS_PER_FUNCTION_MAX, TRAFFIC_REVISIONS_MAX, tagSchema, trafficShareSchema} from './revisions.ts'
import {
  accountIdSchema,
  architectureSchema,
  httpPathSchema,
  imageDigestSchema,
  incentiveIdSchema,
  keyIdSchema,
  labelSchema,
  leaseIdSchema,
  nameSchema,
  networkIdSchema,
  nodeIdSchema,
  positiveAmountSchema,
  publicKeySchema,
  revisionIdSchema,
  sha256Base64urlSchema,
  sha256HexSchema,
  signatureSchema,
  timeMsSchema
} from './scalars.ts'
import {nodeProbesSchema, PROBED_NODES_MAX} from './work-probes.ts'

/**
 * Everything that changes the ledger. A body is the JSON text that was signed; these schemas decode it.
 * `account` in the envelope is an account id, or `new` (account.create, key.accept, node.enroll: the key is in the body), or
 * `coordinator` / `operator` (keys of the genesis).
 */

const accountCreate = z.strictObject({
  type: z.literal('account.create'),
  /** Unique in the network; the `org` in `org/CODE` and in addresses. The exchange's org is made by the operator, who signs for it. */
  name: nameSchema,
  keys: z.array(newAccountKeySchema).min(1).max(ACCOUNT_KEYS_MAX)
})

const nodeToken = z.strictObject({
  type: z.literal('node.token'),
  /** SHA-256 of the one-use token, hex: the token itself is never journaled. */
  tokenHash: sha256HexSchema,
  expiresAtMs: timeMsSchema
})

/** Signed by the node's own key. Uses up the token, makes the node the token account's. */
const nodeEnroll = z.strictObject({
  type: z.literal('node.enroll'),
  publicKey: publicKeySchema,
  /** The one-use token's SHA-256; the edge has checked that the caller knows the token. */
  tokenHash: sha256HexSchema,
  /** Whose node it will be: the account that the token names. */
  owner: accountIdSchema,
  name: labelSchema,
  architecture: architectureSchema
})

const gatewayAdmit = z.strictObject({
  type: z.literal('gateway.admit'),
  publicKey: publicKeySchema,
  name: labelSchema,
  /** Where miners dial in, e.g. `http://203.0.113.7:7800`. */
  tunnelUrl: z.url({protocol: /^https?$/}).max(200),
  /** Where the public asks, with the domain that apps get names under, e.g. `http://localhost:7801`. */
  publicUrl: z.url({protocol: /^https?$/}).max(200)
})
const gatewayRevoke = z.strictObject({type: z.literal('gateway.revoke'), publicKey: publicKeySchema})

/** By the operator: who and what is kept out of the network, and why. It stays in the journal. */
const operatorBlock = z.strictObject({type: z.literal('operator.block'), target: blockTargetSchema, reason: labelSchema})
const operatorUnblock = z.strictObject({type: z.literal('operator.unblock'), target: blockTargetSchema, reason: labelSchema})

/**
 * By the org that owns the app (its name is `org` of the manifest). Makes an immutable revision and sends all of the function's traffic to it,
 * unless it says `noTraffic`; with `tag` the revision gets an address of its own, which the tag's revision before loses.
 */
const revisionDeploy = z.strictObject({
  type: z.literal('revision.deploy'),
  app: nameSchema,
  /** All functions of the app in one command, so that a deploy is one step. */
  revisions: z
    .array(
      z.strictObject({
        function: nameSchema,
        imageDigest: imageDigestSchema,
        spec: revisionSpecSchema,
        tag: nameSchema.optional(),
        noTraffic: z.boolean().optional(),
        /** The revision that all of the function's traffic goes to, or that there is no such function: if it is so no longer, nothing is deployed. */
        expected: z.union([revisionIdSchema, z.literal('none')]).optional()
      })
    )
    .min(1)
    .max(64),
  /** Absent: as they are, also where somebody else changes them at the same time. */
  routes: z
    .array(
      z.strictObject({
        path: httpPathSchema,
        function: nameSchema
      })
    )
    .min(1)
    .max(64)
    .optional()
})

/** Which revisions the requests of an app's functions go to, and which have an address of their own: all that is named in one step, or nothing. */
const trafficSet = z.strictObject({
  type: z.literal('traffic.set'),
  app: nameSchema,
  functions: z
    .array(
      z.strictObject({
        function: nameSchema,
        /** The whole of the new split. Absent: it stays. */
        traffic: z.array(z.strictObject(trafficShareSchema.shape)).min(1).max(TRAFFIC_REVISIONS_MAX).optional(),
        /** Tags to give or to move. */
        tags: z.array(z.strictObject(tagSchema.shape)).min(1).max(TAGS_PER_FUNCTION_MAX).optional(),
        untag: z.array(nameSchema).min(1).max(TAGS_PER_FUNCTION_MAX).optional()
      })
    )
    .min(1)
    .max(64)
})

/** Takes an app away for good; what was deployed and paid stays in the journal. */
const appDestroy = z.strictObject({type: z.literal('app.destroy'), app: nameSchema})

/** Operator of a development network only. Micro-gutta to an account out of nothing. */
const allot = z.strictObject({type: z.literal('allot'), account: accountIdSchema, amountMicroGutta: positiveAmountSchema})

/** pool → reserved. Terms copied from the revision; the budget is what may be earned before the lease ends. */
const leaseGrant = z.strictObject({
  type: z.literal('lease.grant'),
  node: nodeIdSchema,
  revision: revisionIdSchema,
  endsAtMs: timeMsSchema,
  budgets: z.array(z.strictObject({incentive: incentiveIdSchema, amountMinor: positiveAmountSchema})).max(8)
})
/** Ends the lease's term now; what is left goes reserved → pool once the grace for its receipts is over. */
const leaseEnd = z.strictObject({type: z.literal('lease.end'), lease: leaseIdSchema})

const receiptPay = z.strictObject({type: z.literal('receipt.pay'), receipt: receiptSchema})

/** Mints one epoch's emission by the work verified since the last close. `epoch` counts from 0 without gaps. */
const epochClose = z.strictObject({
  type: z.literal('epoch.close'),
  epoch: z.int().min(0),
  /** What came of the coordinator's last probes of nodes, by node; absent for none. */
  probes: z.array(nodeProbesSchema).max(PROBED_NODES_MAX).optional()
})

/**
 * Expires orders, redemptions, join tokens and invitations whose time has come, completes recoveries and settles leases after their grace, at most 1,000
 * per command.
 */
const timeAdvance = z.strictObject({type: z.literal('time.advance')})

export const commandBodySchema = z.discriminatedUnion('type', [
  accountCreate,
  ...keyCommandBodies,
  nodeToken,
  nodeEnroll,
  gatewayAdmit,
  gatewayRevoke,
  operatorBlock,
  operatorUnblock,
  ...marketCommandBodies,
  revisionDeploy,
  trafficSet,
  appDestroy,
  allot,
  leaseGrant,
  leaseEnd,
  receiptPay,
  epochClose,
  timeAdvance
])
export type CommandBody = z.output<typeof commandBodySchema>
export type CommandType = CommandBody['type']
export type CommandOf<T extends CommandType> = Extract<CommandBody, {type: T}>

export const commandAccountSchema = z.union([accountIdSchema, z.enum(['new', 'coordinator', 'operator'])])

export const COMMAND_BATCH_MAX = 1000
/** Hashes from one of so many commands to the root over all. */
const BATCH_PATH_MAX = Math.ceil(Math.log2(COMMAND_BATCH_MAX))

/**
 * Where a command is in a batch that was signed as one. The path are the hashes that lead from it to the root that was signed, nearest first, so
 * that whoever has one command of a batch can check who signed it (docs/PROTOCOL.md).
 */
const batchPlaceSchema = z.strictObject({
  index: z
    .int()
    .min(0)
    .max(COMMAND_BATCH_MAX - 1),
  size: z.int().min(1).max(COMMAND_BATCH_MAX),
  path: z.array(sha256Base64urlSchema).max(BATCH_PATH_MAX)
})
export type BatchPlace = z.output<typeof batchPlaceSchema>

/** A signed command as it travels and as it is journaled. `body` is the exact JSON text that was signed. */
export const signedCommandSchema = z.strictObject({
  v: z.literal('creo-command-v1'),
  network: networkIdSchema,
  account: commandAccountSchema,
  keyId: keyIdSchema,
  idempotencyKey: z.string().regex(/^[A-Za-z0-9_.:-]{1,80}$/),
  /** The command is refused from this time on; at most `COMMAND_LIFETIME_MAX_MS` ahead. */
  notAfterMs: timeMsSchema,
  body: z.string().min(2).max(65_536),
  /** Absent: the command was signed by itself. */
  batch: batchPlaceSchema.optional(),
  signature: signatureSchema
})
export type SignedCommand = z.output<typeof signedCommandSchema>
export type UnsignedCommand = Omit<SignedCommand, 'signature' | 'batch'>

export const COMMAND_LIFETIME_MAX_MS = 24 * 3600 * 1000

/** What the ledger answers. `rejected` is an expected outcome and is journaled like an applied command. */
export const commandAnswerSchema = z.discriminatedUnion('status', [
  z.object({status: z.literal('applied'), seq: z.int(), result: z.record(z.string(), z.unknown())}),
  z.object({status: z.literal('rejected'), seq: z.int(), code: z.string(), message: z.string()})
])
export type CommandAnswer = z.output<typeof commandAnswerSchema>
