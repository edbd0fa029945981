import {z} from 'zod'
import {RECEIPT_TEXT_MAX, receiptSchema} from './receipts.ts'
import {gatewayIdSchema, leaseIdSchema, networkIdSchema, nodeIdSchema, revisionIdSchema, signatureSchema, timeMsSchema} from './scalars.ts'

/**
 * The tunnel between a miner and a gateway (docs/PROTOCOL.md). The miner dials `GET /.creo/tunnel` with
 * `Upgrade: creo-tunnel-v1` and the header `creo-hello`: base64url of the hello JSON, a dot, the node's signature of it.
 * The answer 101 carries no body. A `control` connection then carries one JSON object a line in both directions;
 * a `data` connection stays silent until the gateway writes one line `BIND <instance>\n`, after which it is a byte pipe;
 * a `calls` connection carries HTTP/1.1 requests of one instance to other functions of its app, and their answers.
 */
export const TUNNEL_PATH = '/.creo/tunnel'
export const TUNNEL_UPGRADE = 'creo-tunnel-v1'
export const TUNNEL_HELLO_HEADER = 'creo-hello'
export const TUNNEL_LINE_MAX = 64 * 1024
/** Data connections that a miner keeps open and unbound, for all gateways together (`shareIdle`); home routers have small NAT tables. */
export const TUNNEL_IDLE_MAX = 4
/** Data connections per miner and gateway in all. */
export const TUNNEL_DATA_MAX = 512
/** Connections with calls of functions, per miner and gateway. */
export const TUNNEL_CALLS_MAX = 512
/** A hello is refused when its time is further than this from the gateway's clock. */
export const TUNNEL_HELLO_SKEW_MAX_MS = 60_000
/**
 * Each side sends `ping` when it has heard nothing for this long. Home routers and load balancers forget a silent TCP connection after four minutes at the
 * earliest, so this is a little less; each minute less would cost an idle miner's data plan (core/idle-traffic.ts).
 */
export const TUNNEL_PING_MS = 225_000
/** Idle data connections have TCP probe them so often, for the same reason. */
export const TUNNEL_KEEP_ALIVE_MS = 240_000
/** The same for a miner that something passed through within `TUNNEL_BUSY_MS`: it must be back soon after its line is. */
export const TUNNEL_BUSY_PING_MS = 5000
export const TUNNEL_BUSY_MS = 60_000
/**
 * A peer of which nothing was heard for this long after a ping, on any of its connections, is gone: ten round trips of the longest line,
 * or what a home router holds back when its line is full.
 */
export const TUNNEL_SILENCE_MAX_MS = 8000
/** A gateway asks a miner whether it is there when a request has waited so long and nothing was heard of the miner. */
export const TUNNEL_PROBE_MS = 2000

/**
 * A data connection bound to this name leads to no function: the miner says the one line back that follows, and ends it. A miner that does not know it
 * closes the connection, as for any instance that it has not. So a gateway tests the way from its own public address to the miner, once a session and
 * then so often; only a miner that has answered is told of it, by `reach`.
 */
export const TUNNEL_REACH_BIND = 'creo-reach'
export const TUNNEL_REACH_LINE_MAX = 64
export const TUNNEL_REACH_EVERY_MS = 6 * 3_600_000

export const instanceIdSchema = z.string().regex(/^[a-z0-9-]{1,60}$/)
export function bindLine(instance: string): string {
  return `BIND ${instance}\n`
}
export const BIND_LINE = /^BIND ([a-z0-9-]{1,60})$/
export const BIND_LINE_MAX = 80

/** Who calls: an instance on the hello's node, and the lease under which it runs. */
const callerSchema = z.strictObject({instance: instanceIdSchema, lease: leaseIdSchema})

export const tunnelHelloSchema = z.strictObject({
  v: z.literal('creo-tunnel-v1'),
  network: networkIdSchema,
  node: nodeIdSchema,
  gateway: gatewayIdSchema,
  kind: z.enum(['control', 'data', 'calls']),
  /** Of `calls` alone. */
  caller: callerSchema.optional(),
  /** Same for the control connection and those behind it: a new one replaces an older session of the node. */
  session: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
  /** Unique per connection; the gateway refuses one it has seen within the skew window. */
  nonce: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
  atMs: timeMsSchema,
  /** Hex of the TLS exporter (label `EXPORTER-creo-tunnel`, 32 bytes) on TLS; empty on plain loopback. */
  exporter: z.string().regex(/^([0-9a-f]{64})?$/)
})
export type TunnelHello = z.output<typeof tunnelHelloSchema>
export type Caller = z.output<typeof callerSchema> & Pick<TunnelHello, 'node'>

const restingTier = z.enum(['frozen', 'initialised', 'created'])
const instanceTier = z.enum(['running', ...restingTier.options, 'pulled', 'absent'])
export type InstanceTier = z.output<typeof instanceTier>

/** gateway → miner */
export const gatewayMessageSchema = z.discriminatedUnion('type', [
  /** Open this many further data connections now. */
  z.strictObject({type: z.literal('dial'), count: z.int().min(1).max(TUNNEL_DATA_MAX)}),
  /** Start one instance of a leased revision. Answered by `started` or `start_failed` with the same instance. */
  z.strictObject({type: z.literal('start'), instance: instanceIdSchema, revision: revisionIdSchema, lease: leaseIdSchema}),
  /** End an instance. With `rest` another one of its revision may be wanted soon: the miner may keep its container for that, at its own expense. */
  z.strictObject({
    type: z.literal('stop'),
    instance: instanceIdSchema,
    graceMs: z.int().min(0).max(600_000),
    rest: z.boolean().optional()
  }),
  /** Sign what this window's proposal says, or answer `refuse_receipt`. */
  z.strictObject({type: z.literal('propose_receipt'), proposal: z.string().max(RECEIPT_TEXT_MAX), gatewaySignature: signatureSchema}),
  /** How long the way from the public address took, there and back; null when it did not lead to this miner. */
  z.strictObject({type: z.literal('reach'), ms: z.int().min(0).nullable()}),
  z.strictObject({type: z.literal('ping')}),
  z.strictObject({type: z.literal('pong')})
])
export type GatewayMessage = z.output<typeof gatewayMessageSchema>

/** miner → gateway */
export const minerMessageSchema = z.discriminatedUnion('type', [
  /** First message: instances that run already (adopted after a restart), so that the gateway can use them at once. */
  z.strictObject({
    type: z.literal('ready'),
    instances: z.array(z.strictObject({instance: instanceIdSchema, revision: revisionIdSchema, lease: leaseIdSchema})).max(1000)
  }),
  /** `tier`: where the instance waited until it was asked for, or `pulled` or `absent` (its image had to be fetched first) when none did. */
  z.strictObject({type: z.literal('started'), instance: instanceIdSchema, tier: instanceTier, startMs: z.number().min(0)}),
  z.strictObject({type: z.literal('start_failed'), instance: instanceIdSchema, code: z.string().max(40), message: z.string().max(2000)}),
  /** What waits on this node, at most one a revision: all of it, each time that it changes. */
  z.strictObject({type: z.literal('resting'), waiting: z.array(z.strictObject({revision: revisionIdSchema, tier: restingTier})).max(1000)}),
  /** An instance ended without being asked to. */
  z.strictObject({type: z.literal('ended'), instance: instanceIdSchema, exitCode: z.int(), oom: z.boolean()}),
  /** The lease's budget is used up: nothing of it is served until a table says otherwise. */
  z.strictObject({type: z.literal('budget_empty'), lease: leaseIdSchema}),
  /** Close idle data connections of mine beyond so many; without it `TUNNEL_IDLE_MAX`. */
  z.strictObject({type: z.literal('idle'), max: z.int().min(0).max(TUNNEL_IDLE_MAX)}),
  /** Leave me out of new starts; finish what runs. */
  z.strictObject({type: z.literal('draining')}),
  z.strictObject({type: z.literal('receipt'), receipt: receiptSchema}),
  z.strictObject({type: z.literal('refuse_receipt'), proposalSha256: z.string(), reason: z.string().max(400)}),
  z.strictObject({type: z.literal('ping')}),
  z.strictObject({type: z.literal('pong')})
])
export type MinerMessage = z.output<typeof minerMessageSchema>
