import type {FastifyInstance} from 'fastify'
import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'
import {appViewSchema, leaseViewSchema, logLineSchema, type ReleaseView, releaseViewSchema} from '../../core/protocol/api.ts'
import {leaseIdSchema, nameSchema, nodeIdSchema, revisionIdSchema} from '../../core/protocol/scalars.ts'
import type {AppView, LeaseView, RevisionView} from '../../ledger/port.ts'
import type {FunctionLogs} from '../logs.ts'
import type {PresenceBoard} from '../presence.ts'
import type {Waiters} from '../waiters.ts'
import {knownApp} from './not-found.ts'
import {
  afterSchema,
  appParamsSchema,
  cursorSchema,
  longLimitSchema,
  nextOf,
  nextSchema,
  pageOf,
  placeInName,
  waitMsSchema
} from './query.ts'
import {type RouteTools, route} from './route.ts'

/** Newest revisions of an app whose lines are looked for. */
const LOGGED_REVISIONS_MAX = 1000

const logsQuerySchema = z.object({
  after: afterSchema,
  waitMs: waitMsSchema,
  function: nameSchema.optional(),
  revision: revisionIdSchema.optional(),
  /** Lines that were written earlier, by their nodes' clocks, are left out. */
  sinceMs: z.coerce.number().int().min(0).optional()
})

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
  const known = ({org, app: name}: z.output<typeof params>): AppView => knownApp(reads, org, name)
  appList(app, tools)
  route(app, tools, {method: 'GET', path: '/v1/apps/:org/:app', about: 'One app.', params, answer: appViewSchema}, (request) =>
    known(request.params)
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/apps/:org/:app/revisions',
      about: 'Its revisions, newest first, also those without traffic.',
      params,
      query: z.object({limit: longLimitSchema, cursor: cursorSchema}),
      answer: z.object({revisions: z.array(releaseViewSchema), next: nextSchema})
    },
    ({params: {org, app: name}, query}) => {
      known({org, app: name})
      const revisions = reads.revisions({org, app: name, ...pageOf(query)})
      return {revisions: revisions.map((revision) => releaseView(tools, revision)), ...nextOf(revisions, query.limit, placeInName)}
    }
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/apps/:org/:app/logs',
      about: 'What its functions wrote, waiting for more if asked to.',
      params,
      query: logsQuerySchema,
      answer: z.object({lines: z.array(logLineSchema), next: z.int()}),
      signed: true
    },
    ({params: {org, app: name}, query, keyId, signal}) => {
      tools.signer.assertOrgKey(keyId, org, ['deployer', 'viewer'])
      known({org, app: name})
      return readLogs(tools, {org, app: name}, query, signal)
    }
  )
  leaseRoutes(app, tools)
}

function appList(app: FastifyInstance, tools: AppTools): void {
  const {reads} = tools.ledger
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/apps',
      about: 'Apps with their routes, revisions and addresses.',
      query: z.object({org: nameSchema.optional(), limit: longLimitSchema, cursor: cursorSchema}),
      answer: z.object({apps: z.array(appViewSchema), next: nextSchema})
    },
    ({query}) => {
      const apps = reads.apps({...query, ...pageOf(query)})
      return {apps, ...nextOf(apps, query.limit, ({org, app: name}) => [org, name])}
    }
  )
}

function leaseRoutes(app: FastifyInstance, tools: AppTools): void {
  const {reads} = tools.ledger
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/leases',
      about: 'Who hosts what: the newest, oldest of them first.',
      query: z.object({
        node: nodeIdSchema.optional(),
        revision: revisionIdSchema.optional(),
        status: z.enum(['active', 'ended']).optional(),
        limit: longLimitSchema,
        cursor: cursorSchema
      }),
      answer: z.object({leases: z.array(leaseViewSchema), next: nextSchema})
    },
    ({query}) => {
      const leases = reads.leases({...query, ...pageOf(query)})
      // The newest, oldest of them first: further back lie those before the first.
      return {leases, ...nextOf(leases, query.limit, placeInName, leases[0])}
    }
  )
  route(
    app,
    tools,
    {method: 'GET', path: '/v1/leases/:lease', about: 'One lease.', params: z.object({lease: leaseIdSchema}), answer: leaseViewSchema},
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
  throw new CreoError('not_found', `There is no lease ${id}.`, {hint: 'GET /v1/leases lists them.'})
}

/** Answers at once when there are newer lines, otherwise waits for some. Lines of revisions that serve no more are among them. */
async function readLogs(
  {ledger, logs, logWaiters}: AppTools,
  app: {readonly org: string; readonly app: string},
  {function: only, revision, waitMs, ...place}: z.output<typeof logsQuerySchema>,
  signal: AbortSignal
) {
  const read = () => {
    const wanted = ledger.reads
      .revisions({...app, limit: LOGGED_REVISIONS_MAX})
      .filter((one) => (only === undefined || one.function === only) && (revision === undefined || one.id === revision))
    const functions = new Map(wanted.map((one) => [one.id, one.function]))
    const {lines, next} = logs.read([...functions.keys()], place)
    return {lines: lines.map((line) => ({...line, function: functions.get(line.revision)})), next}
  }
  const found = read()
  if (found.lines.length > 0 || waitMs === 0) return found
  await logWaiters.wait(`${app.org}/${app.app}`, waitMs, signal)
  return read()
}
