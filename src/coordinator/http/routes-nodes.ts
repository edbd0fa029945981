import type {FastifyInstance} from 'fastify'
import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'
import {
  type Heartbeat,
  heartbeatEveryMs,
  heartbeatSchema,
  NODE_TABLE_WAIT_MAX_MS,
  nodeViewSchema,
  receiptViewSchema
} from '../../core/protocol/api.ts'
import {reputationViewSchema} from '../../core/protocol/conduct.ts'
import {receiptSchema} from '../../core/protocol/receipts.ts'
import {accountIdSchema, leaseIdSchema, nodeIdSchema, timeMsSchema} from '../../core/protocol/scalars.ts'
import {tableNewsSchema} from '../../core/protocol/tables.ts'
import type {EventHub} from '../events/event-hub.ts'
import type {FunctionLogs} from '../logs.ts'
import type {OwnCommands} from '../own-commands.ts'
import type {PresenceBoard} from '../presence.ts'
import {payReceipts} from '../receipts.ts'
import type {ReputationBoard} from '../reputation-board.ts'
import type {Scheduler} from '../scheduler.ts'
import type {CoordinatorSettings} from '../settings.ts'
import type {SignedTables} from '../tables.ts'
import type {Waiters} from '../waiters.ts'
import type {ClientLimits} from './client-limits.ts'
import {
  afterSchema,
  cursorSchema,
  deltasSchema,
  limitSchema,
  longLimitSchema,
  nextOf,
  nextSchema,
  nodeTableWaitMsSchema,
  pageOf,
  waitMsSchema
} from './query.ts'
import {type RouteTools, route} from './route.ts'
import type {SecretTools} from './routes-secrets.ts'

const HEARTBEAT_BYTES_MAX = 4 * 2 ** 20
const RECEIPTS_MAX = 100
const RECEIPTS_BYTES_MAX = 2 ** 20

export interface NodeTools extends RouteTools, Pick<SecretTools, 'secrets' | 'secretHolders'> {
  readonly presence: PresenceBoard
  readonly events: EventHub
  readonly reputation: ReputationBoard
  readonly scheduler: Scheduler
  readonly tables: SignedTables
  readonly logs: FunctionLogs
  readonly logWaiters: Waiters
  readonly commands: OwnCommands
  readonly limits: ClientLimits
  readonly receiptGraceMs: number
  readonly nowMs: () => number
  readonly settings: Pick<CoordinatorSettings, 'scheduling'>
}

const presenceSchema = z.object({
  lastHeartbeatMs: timeMsSchema,
  earn: z.array(z.string()),
  draining: z.boolean(),
  instances: z.int(),
  noWorkReason: z.string().nullable()
})
const receiptAnswerSchema = z.object({
  id: z.string(),
  status: z.enum(['paid', 'already_paid', 'rejected', 'retry']),
  code: z.string().optional(),
  message: z.string().optional()
})

/** What nodes and gateways say and ask. */
export function nodeRoutes(app: FastifyInstance, tools: NodeTools): void {
  nodeReads(app, tools)
  tableRoutes(app, tools)
  heartbeatRoute(app, tools)
  route(
    app,
    tools,
    {
      method: 'POST',
      path: '/v1/receipts',
      about: 'Up to 100 receipts to be paid, each answered on its own.',
      body: z.strictObject({receipts: z.array(receiptSchema).min(1).max(RECEIPTS_MAX)}),
      bodyBytesMax: RECEIPTS_BYTES_MAX,
      answer: z.object({answers: z.array(receiptAnswerSchema)})
    },
    async ({body, signal}) => ({answers: await payReceipts(tools, body.receipts, signal)})
  )
}

function nodeReads(app: FastifyInstance, tools: NodeTools): void {
  const {reads} = tools.ledger
  const owner = z.object({owner: accountIdSchema.optional(), limit: longLimitSchema, cursor: cursorSchema})
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/nodes',
      about: 'Nodes in the order in which they enrolled.',
      query: owner,
      answer: z.object({nodes: z.array(nodeViewSchema), next: nextSchema})
    },
    ({query}) => {
      const nodes = reads.nodes({...query, ...pageOf(query)})
      return {nodes, ...nextOf(nodes, query.limit, ({id}) => [id])}
    }
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/nodes/:node',
      about: 'One node, what it last said, and what gateways think of it.',
      params: z.object({node: nodeIdSchema}),
      answer: nodeViewSchema.extend({presence: presenceSchema.nullable(), reputation: reputationViewSchema})
    },
    ({params}) => {
      const node = reads.node(params.node)
      if (!node)
        throw new CreoError('not_found', `There is no node ${params.node}.`, {hint: 'Enroll it with a join token: creo node token'})
      return {...node, presence: presenceOf(tools, params.node), reputation: tools.reputation.viewOf(params.node, tools.nowMs())}
    }
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/receipts',
      about: 'What was paid for serving, newest first.',
      query: z.object({lease: leaseIdSchema.optional(), node: nodeIdSchema.optional(), limit: limitSchema, cursor: cursorSchema}),
      answer: z.object({receipts: z.array(receiptViewSchema), next: nextSchema})
    },
    ({query}) => {
      const receipts = reads.receipts({...query, ...pageOf(query)})
      return {receipts, ...nextOf(receipts, query.limit, ({seq}) => [seq])}
    }
  )
}

function presenceOf(tools: NodeTools, node: string): z.output<typeof presenceSchema> | null {
  const presence = tools.presence.of(node)
  if (!presence) return null
  const {earn, draining, instances} = presence.heartbeat
  return {lastHeartbeatMs: presence.seenAtMs, earn: [...earn], draining, instances, noWorkReason: tools.scheduler.reasonFor(presence)}
}

function tableRoutes(app: FastifyInstance, tools: NodeTools): void {
  const routes = z.object({after: afterSchema, waitMs: waitMsSchema, deltas: deltasSchema})
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/tables/routes',
      about: 'The signed table of all routes, or with `deltas` what changed since `after`; 204 when there is none newer.',
      query: routes,
      answer: tableNewsSchema
    },
    (request) => tools.tables.newer('routes', request.query, request.signal)
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/tables/nodes/:node',
      about: "A node's signed table of leases, or with `deltas` what changed since `after`; 204 when there is none newer.",
      params: z.object({node: nodeIdSchema}),
      query: z.object({after: afterSchema, waitMs: nodeTableWaitMsSchema, deltas: deltasSchema}),
      answer: tableNewsSchema,
      waitMaxMs: NODE_TABLE_WAIT_MAX_MS
    },
    ({params: {node}, query: wait, signal}) => tools.tables.newer({node}, wait, signal)
  )
}

function heartbeatRoute(app: FastifyInstance, tools: NodeTools): void {
  route(
    app,
    tools,
    {
      method: 'POST',
      path: '/v1/heartbeats',
      about: 'What a node selected and has, and what its functions wrote.',
      body: heartbeatSchema,
      bodyBytesMax: HEARTBEAT_BYTES_MAX,
      answer: z.object({ok: z.literal(true), noWorkReason: z.string().nullable(), everyMs: z.int(), secretsChange: z.int().optional()}),
      signed: true
    },
    ({body, keyId}) => {
      if (body.node !== `node_${keyId}`)
        throw new CreoError('forbidden', `${body.node} speaks for itself alone.`, {hint: "Sign with that node's key."})
      const before = tools.presence.of(body.node)
      if (tools.presence.record(body, tools.nowMs()) === 'changed') tools.scheduler.poke()
      tools.events.heard(body, before)
      keepLogs(tools, body)
      const presence = tools.presence.of(body.node)
      const noWorkReason = presence ? tools.scheduler.reasonFor(presence) : null
      const secretsChange = tools.secretHolders.changeFor(body.node, tools.secrets)
      const everyMs = heartbeatEveryMs(tools.settings.scheduling.lostAfterMs)
      return {ok: true as const, noWorkReason, everyMs, ...(secretsChange !== undefined && {secretsChange})}
    }
  )
}

/** A node speaks only for what it is leased. */
function keepLogs({ledger: {reads}, events, logs, logWaiters}: NodeTools, said: Heartbeat): void {
  const {node, logs: lines} = said
  if (lines.length === 0) return
  const leased = new Set(reads.leases({node, status: 'active'}).map((lease) => lease.revision))
  for (const id of logs.append(node, lines, (revision) => leased.has(revision))) {
    const revision = reads.revision(id)
    if (revision) logWaiters.wake(`${revision.org}/${revision.app}`)
  }
  events.failed(said, leased)
}
