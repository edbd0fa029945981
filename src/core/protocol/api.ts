import {z} from 'zod'
import {LEASES_PER_NODE_MOST} from '../lease-count.ts'
import {keyRoles} from './account-keys.ts'
import {revisionSpecSchema} from './revisions.ts'
import {
  accountIdSchema,
  amountSchema,
  architectureSchema,
  imageDigestSchema,
  incentiveIdSchema,
  keyIdSchema,
  leaseIdSchema,
  nodeIdSchema,
  offerIdSchema,
  orderIdSchema,
  publicKeySchema,
  redemptionIdSchema,
  revisionIdSchema,
  signatureSchema,
  signedAmountSchema,
  timeMsSchema
} from './scalars.ts'

/**
 * What the coordinator's public API answers (docs/PROTOCOL.md). Amounts travel as strings of minor units; a schema decodes
 * them to safe integers, `z.encode` makes the wire form.
 */

/**
 * With what `/v1/network` answers: `ADDRESS; proxy=none`, the address that the request counts to, and whether a proxy handed it on: `none` that says so, one
 * that the operator `trusted`, or one `untrusted`, whose clients all count as one.
 */
export const SEEN_HEADER = 'creo-seen'
/** Sent with a read: answer only once the projections have reached this sequence (read your own writes). */
export const AFTER_SEQUENCE_HEADER = 'creo-after'
/** Longest time a read waits for that, ms. */
export const AFTER_SEQUENCE_WAIT_MAX_MS = 5000

/** Asset id of the native currency in balances and entries. Every other asset is an incentive id. */
export const GUTTA = 'gutta'
export const balanceKinds = ['available', 'held', 'pool', 'reserved', 'issued', 'fee', 'sink'] as const
export type BalanceKind = (typeof balanceKinds)[number]

export const networkViewSchema = z.object({
  id: z.string(),
  name: z.string(),
  network: z.enum(['production', 'development']),
  coordinatorKey: publicKeySchema,
  /** The exact genesis text, so that a client can check the id. */
  genesis: z.string(),
  version: z.string(),
  /** Last committed ledger sequence. */
  sequence: z.int(),
  registryPath: z.literal('/v2/')
})

/** Signed by the coordinator over `creo-time-v1`, nonce, atMs, one a line: mends clients with a wrong clock. */
export const signedTimeSchema = z.object({nonce: z.string().max(64), atMs: timeMsSchema, signature: signatureSchema})
export const CLOCK_SKEW_MAX_MS = 300_000

export const accountViewSchema = z.object({
  id: accountIdSchema,
  name: z.string(),
  createdAtMs: timeMsSchema,
  keys: z.array(
    z.object({
      keyId: keyIdSchema,
      publicKey: publicKeySchema,
      roles: z.array(z.enum(keyRoles)),
      /** The key that added it, or made the invitation that it accepted; absent for those that the account was made with. */
      addedBy: keyIdSchema.optional(),
      addedAtMs: timeMsSchema.optional()
    })
  ),
  /** Invitations that nobody has accepted; absent for none. */
  invites: z
    .array(z.object({keyId: keyIdSchema, roles: z.array(z.enum(keyRoles)), expiresAtMs: timeMsSchema, madeBy: keyIdSchema.optional()}))
    .optional(),
  /** The key that takes the place of the owner keys at that time; absent while nobody recovers the account. */
  recovery: z.object({keyId: keyIdSchema, dueAtMs: timeMsSchema, startedBy: keyIdSchema.optional()}).optional()
})
export const balanceViewSchema = z.object({
  account: z.string(),
  asset: z.string(),
  kind: z.enum(balanceKinds),
  amountMinor: signedAmountSchema
})
export type BalanceView = z.output<typeof balanceViewSchema>

export const incentiveViewSchema = z.object({
  id: incentiveIdSchema,
  org: accountIdSchema,
  name: z.string(),
  scope: z.object({app: z.string(), function: z.string()}).nullable(),
  decimals: z.int(),
  lotMinor: amountSchema,
  supplyMinor: amountSchema,
  tradeVolumeLimitMicroGutta: amountSchema,
  /** Executed notional in the current window. */
  tradeVolumeUsedMicroGutta: amountSchema,
  /** Of the limit, what one owner may take; absent: all of it. */
  ownerSharePermille: z.int().min(1).max(1000).optional(),
  captured: z.enum(['burn', 'return']),
  transferable: z.boolean(),
  issuedAtMs: timeMsSchema
})
export type IncentiveView = z.output<typeof incentiveViewSchema>

export const offerViewSchema = z.object({
  id: offerIdSchema,
  incentive: incentiveIdSchema,
  item: z.string(),
  priceMinor: amountSchema,
  stock: z.int(),
  where: z.enum(['in-app', 'in-store']),
  /** Digest, for `/v1/pictures/<digest>`; absent for none. */
  picture: imageDigestSchema.optional(),
  /** True when it can be redeemed no longer; absent while it can. */
  stopped: z.literal(true).optional()
})
export type OfferView = z.output<typeof offerViewSchema>

/** Of a side of a book that is shown whole, best price first. */
export const BOOK_LEVELS_MAX = 100
const levelSchema = z.object({priceMicroGutta: amountSchema, lots: amountSchema})

/** A call auction that a market is in: its first, or one after a breach of its price band. Orders gather until then, and trade at one price. */
export const auctionViewSchema = z.object({kind: z.enum(['opening', 'auction']), endsAtMs: timeMsSchema})
export type AuctionView = z.output<typeof auctionViewSchema>

export const bookViewSchema = z.object({
  incentive: incentiveIdSchema,
  sequence: z.int(),
  /** Absent while orders trade as they come. In an auction bids and asks may cross. */
  auction: auctionViewSchema.optional(),
  /** Best price first; at most 100 levels a side. Price in micro-gutta per lot. */
  bids: z.array(levelSchema),
  asks: z.array(levelSchema)
})
export type BookView = z.output<typeof bookViewSchema>

export const tradeViewSchema = z.object({
  seq: z.int(),
  /** Number of the fill within its command, from 0. */
  index: z.int(),
  incentive: incentiveIdSchema,
  priceMicroGutta: amountSchema,
  lots: amountSchema,
  takerSide: z.enum(['buy', 'sell']),
  atMs: timeMsSchema
})
export type TradeView = z.output<typeof tradeViewSchema>

export const orderViewSchema = z.object({
  id: orderIdSchema,
  account: accountIdSchema,
  incentive: incentiveIdSchema,
  side: z.enum(['buy', 'sell']),
  priceMicroGutta: amountSchema,
  lots: amountSchema,
  remainingLots: amountSchema,
  status: z.enum(['open', 'filled', 'cancelled', 'expired']),
  /** Why the rest ended, for cancelled and expired: `by_owner`, `volume_limit`, `immediate`, `time`, `would_self_trade`. */
  reason: z.string().nullable(),
  placedAtMs: timeMsSchema
})
export type OrderView = z.output<typeof orderViewSchema>

export const redemptionViewSchema = z.object({
  id: redemptionIdSchema,
  offer: offerIdSchema,
  incentive: incentiveIdSchema,
  holder: accountIdSchema,
  quantity: z.int(),
  amountMinor: amountSchema,
  status: z.enum(['held', 'captured', 'released']),
  requestedAtMs: timeMsSchema,
  endedAtMs: timeMsSchema.nullable(),
  /** By which its code is known again (`redemption-code.ts`); null without one, and absent from an older coordinator. */
  codeSalt: z.string().nullable().optional(),
  codeHash: z.string().nullable().optional(),
  /** Why its issuer released it; null where nothing was said. */
  reason: z.string().nullable().optional()
})
export type RedemptionView = z.output<typeof redemptionViewSchema>

export const revisionViewSchema = z.object({
  id: revisionIdSchema,
  org: z.string(),
  app: z.string(),
  function: z.string(),
  imageDigest: imageDigestSchema,
  spec: revisionSpecSchema,
  /** True while it gets traffic or has a tag. */
  current: z.boolean(),
  /** Its share of the function's requests. */
  percent: z.int().min(0).max(100),
  /** By name. */
  tags: z.array(z.string()),
  /** True when it gets or once got traffic, so that the function can go back to it; no longer once its app was destroyed. */
  served: z.boolean(),
  /** When it last began or ceased to be current, or its share changed. */
  trafficAtMs: timeMsSchema,
  deployedAtMs: timeMsSchema
})
export type RevisionView = z.output<typeof revisionViewSchema>

/** A revision with how many of its instances run, by its nodes' last heartbeats. */
export const releaseViewSchema = revisionViewSchema.extend({instances: z.int().min(0)})
export type ReleaseView = z.output<typeof releaseViewSchema>

export const appViewSchema = z.object({
  org: z.string(),
  app: z.string(),
  routes: z.array(z.object({path: z.string(), function: z.string()})),
  revisions: z.array(revisionViewSchema),
  /** Addresses at each admitted gateway. */
  addresses: z.array(z.string())
})
export type AppView = z.output<typeof appViewSchema>

export const leaseViewSchema = z.object({
  id: leaseIdSchema,
  node: nodeIdSchema,
  revision: revisionIdSchema,
  startsAtMs: timeMsSchema,
  endsAtMs: timeMsSchema,
  status: z.enum(['active', 'ended']),
  budgets: z.array(z.object({incentive: incentiveIdSchema, reservedMinor: amountSchema, paidMinor: amountSchema}))
})
export type LeaseView = z.output<typeof leaseViewSchema>

export const nodeViewSchema = z.object({
  id: nodeIdSchema,
  name: z.string(),
  owner: accountIdSchema,
  architecture: architectureSchema,
  publicKey: publicKeySchema,
  enrolledAtMs: timeMsSchema
})
export type NodeView = z.output<typeof nodeViewSchema>

export const receiptViewSchema = z.object({
  id: z.string(),
  lease: leaseIdSchema,
  requests: z.int(),
  mibMs: z.int(),
  standbyMs: z.int().default(0),
  paid: z.array(z.object({incentive: incentiveIdSchema, amountMinor: amountSchema})),
  seq: z.int(),
  atMs: timeMsSchema
})
export type ReceiptView = z.output<typeof receiptViewSchema>

export const epochViewSchema = z.object({
  epoch: z.int(),
  seq: z.int(),
  mintedMicroGutta: amountSchema,
  shares: z.array(
    z.object({
      account: accountIdSchema,
      workPoints: z.int(),
      amountMicroGutta: amountSchema,
      probes: z.object({good: z.int(), failed: z.int()}).optional()
    })
  )
})
export type EpochView = z.output<typeof epochViewSchema>

/** Why an instance did not start or ended by itself, as its node saw it (core/instance-failure.ts). Whoever reads it passes unknown reasons on. */
export const instanceFailureSchema = z.object({
  reason: z.string().regex(/^[a-z_]{1,40}$/),
  /** Of a process that ended by itself; 128 + signal when it was killed. */
  exitCode: z.int().optional(),
  /** It had listened before. */
  served: z.boolean().optional()
})
export type InstanceFailure = z.output<typeof instanceFailureSchema>

/** No machine runs more; what all nodes say together stays a safe integer. */
const INSTANCES_PER_NODE_MAX = 1_000_000

/**
 * What a node tells the coordinator when something is new, at most every `HEARTBEAT_MS`, and else as often as that asks for; never journaled. A newer
 * node may say more: what is not known here is left out.
 */
export const heartbeatSchema = z.object({
  node: nodeIdSchema,
  /** Incentives the owner selected, in order of preference: `gutta`, `org/CODE`, or `org:NAME` for any of an org's. */
  earn: z.array(z.string().regex(/^(gutta|[a-z][a-z0-9-]{1,19}\/[A-Z][A-Z0-9]{1,9}|org:[a-z][a-z0-9-]{1,19})$/)).max(64),
  architecture: architectureSchema,
  runtime: z.string().max(40),
  /** Of the program; an older node does not say. */
  version: z.string().max(40).optional(),
  enforcesLimits: z.boolean(),
  memoryBytes: z.int().min(0),
  cpuMillis: z.int().min(0),
  draining: z.boolean(),
  /** How many leases it takes, where its owner said so. */
  leasesMax: z.int().min(1).max(LEASES_PER_NODE_MOST).optional(),
  instances: z.int().min(0).max(INSTANCES_PER_NODE_MAX),
  /** How many of them are of each revision. */
  running: z
    .array(z.object({revision: revisionIdSchema, instances: z.int().min(1).max(INSTANCES_PER_NODE_MAX)}))
    .max(1000)
    .optional(),
  /** Function output since the last heartbeat; with a failure, the node's own words about the instance. */
  logs: z
    .array(
      z.object({
        revision: revisionIdSchema,
        instance: z.string().max(60),
        atMs: timeMsSchema,
        line: z.string().max(4096),
        failure: instanceFailureSchema.optional()
      })
    )
    .max(500)
})
export type Heartbeat = z.output<typeof heartbeatSchema>
export const HEARTBEAT_MS = 5000
/** A node that has nothing new to say is asked for a heartbeat at least this often. */
const HEARTBEAT_REST_MAX_MS = 15 * 60_000
/** So often a node says that it is there, so that one that is not is noticed after `lostAfterMs`: what did not arrive is said again meanwhile. */
export function heartbeatEveryMs(lostAfterMs: number): number {
  return Math.min(HEARTBEAT_REST_MAX_MS, Math.floor(lostAfterMs / 2))
}
/** How long a node may wait for a newer table of its own. */
export const NODE_TABLE_WAIT_MAX_MS = HEARTBEAT_REST_MAX_MS
/** It waits for this share of the time between its heartbeats, or by chance for a little more: the next one goes over the connection that the answer leaves free. */
export const NODE_TABLE_WAIT_SHARE_LEAST = 0.9
/** A connection to the coordinator on which nothing passes is kept alive by TCP so often: home routers forget it a little later. */
export const COORDINATOR_KEEP_ALIVE_MS = 240_000

export const logLineSchema = z.object({
  seq: z.int(),
  node: nodeIdSchema,
  revision: revisionIdSchema,
  /** Of the revision; an older coordinator does not say. */
  function: z.string().optional(),
  instance: z.string(),
  atMs: timeMsSchema,
  line: z.string(),
  /** The line is its node's word about the instance, not the function's. */
  failure: instanceFailureSchema.optional()
})
export type LogLine = z.output<typeof logLineSchema>

export const apiErrorSchema = z.object({error: z.object({code: z.string(), message: z.string(), hint: z.string().optional()})})
