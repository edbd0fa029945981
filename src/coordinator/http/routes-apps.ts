import type {FastifyInstance} from 'fastify'
import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'
import {appViewSchema, leaseViewSchema, logLineSchema, type ReleaseView, releaseViewSchema} from '../../core/protocol/api.ts'
import {leaseIdSchema, nameSchema, nodeIdSchema, revisionIdSchema} from '../../core/protocol/scalars.ts'
import type {AppView, LeaseView, RevisionView} from '../../ledger/port.ts'
import type {FunctionLogs} from '../logs.ts'
import type {PresenceBoard} from '../presence.ts'
import type {Waiters} from '../waiters.ts'
import {afterSchema, appParamsSchema, longLimitSchema, waitMsSchema} from './query.ts'
import {type RouteTools, route} from './route.ts'

export interface AppTools extends RouteTools {
  readonly logs: FunctionLogs
  readonly presence: PresenceBoard
  /** Woken by `org/app` when lines arrive. */
  readonly logWaiters: Waiters
}

/** Apps, the leases of their revisions, and what their functions wrote. */
export function appRoutes(app: FastifyInstance, tools: AppTools): void {
  const {reads} = tools.ledger
  const params = appParamsSchema
  const known = ({org, app: name}: z.output<typeof params>): AppView => {
    const found = reads.app(org, name)
    if (found) return found
    throw new CreoError('not_found', `${org} has no app "${name}".`, {hint: 'creo deploy'})
  }
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/apps',
      query: z.object({org: nameSchema.optional(), limit: longLimitSchema}),
      answer: z.object({apps: z.array(appViewSchema)})
    },
    ({query}) => ({apps: reads.apps(query)})
  )
  route(app, tools, {method: 'GET', path: '/v1/apps/:org/:app', params, answer: appViewSchema}, (request) => known(request.params))
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/apps/:org/:app/revisions',
      params,
      query: z.object({limit: longLimitSchema}),
      answer: z.object({revisions: z.array(releaseViewSchema)})
    },
    ({params: {org, app: name}, query}) => {
      known({org, app: name})
      return {revisions: reads.revisions({org, app: name, ...query}).map((revision) => releaseView(tools, revision))}
    }
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/apps/:org/:app/logs',
      params,
      query: z.object({after: afterSchema, waitMs: waitMsSchema}),
      answer: z.object({lines: z.array(logLineSchema), next: z.int()}),
      signed: true
    },
    ({params: {org, app: name}, query, keyId, signal}) => {
      tools.signer.assertOrgKey(keyId, org, ['deployer', 'viewer'])
      return readLogs(tools, () => known({org, app: name}), query, signal)
    }
  )
  leaseRoutes(app, tools)
}

function leaseRoutes(app: FastifyInstance, tools: AppTools): void {
  const {reads} = tools.ledger
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/leases',
      query: z.object({
        node: nodeIdSchema.optional(),
        revision: revisionIdSchema.optional(),
        status: z.enum(['active', 'ended']).optional(),
        limit: longLimitSchema
      }),
      answer: z.object({leases: z.array(leaseViewSchema)})
    },
    ({query}) => ({leases: reads.leases(query)})
  )
  route(
    app,
    tools,
    {method: 'GET', path: '/v1/leases/:lease', params: z.object({lease: leaseIdSchema}), answer: leaseViewSchema},
    (request) => knownLease(reads.lease(request.params.lease), request.params.lease)
  )
}

function releaseView({ledger, presence}: AppTools, revision: RevisionView): ReleaseView {
  const nodes = new Set(ledger.reads.leases({revision: revision.id, status: 'active'}).map((lease) => lease.node))
  const running = [...nodes].flatMap((node) => presence.of(node)?.heartbeat.running ?? []).filter((one) => one.revision === revision.id)
  return {...revision, instances: running.reduce((sum, one) => sum + one.instances, 0)}
}

function knownLease(lease: LeaseView | undefined, id: string): LeaseView {
  if (lease) return lease
  throw new CreoError('not_found', `There is no lease ${id}.`)
}

/** Answers at once when there are newer lines, otherwise waits for some. */
async function readLogs(tools: AppTools, app: () => AppView, wait: {readonly after: number; readonly waitMs: number}, signal: AbortSignal) {
  const read = () => {
    const revisions = app().revisions.map((revision) => revision.id)
    const {lines, next} = tools.logs.read(revisions, wait.after)
    return {lines: [...lines], next}
  }
  const found = read()
  if (found.lines.length > 0 || wait.waitMs === 0) return found
  const {org, app: name} = app()
  await tools.logWaiters.wait(`${org}/${name}`, wait.waitMs, signal)
  return read()
}
