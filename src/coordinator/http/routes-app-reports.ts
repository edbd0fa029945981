import type {FastifyInstance} from 'fastify'
import {z} from 'zod'
import {type Readiness, readinessSchema, type Spending, spendingSchema} from '../../core/protocol/app-reports.ts'
import type {AppView, RevisionView} from '../../ledger/port.ts'
import type {FunctionLogs} from '../logs.ts'
import type {Scheduler} from '../scheduler.ts'
import {knownApp} from './not-found.ts'
import {afterSchema, appParamsSchema} from './query.ts'
import {type RouteTools, route} from './route.ts'

const HOUR_MS = 3_600_000
const FULL_HOURS = 23

export interface AppReportTools extends RouteTools {
  readonly logs: FunctionLogs
  readonly scheduler: Pick<Scheduler, 'refusalsFor' | 'shortOfPay'>
}

/** What an org is told of one of its apps: how far its revisions have come on their nodes. */
export function appReportRoutes(app: FastifyInstance, tools: AppReportTools): void {
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/apps/:org/:app/readiness',
      about: 'How far its revisions have come on their nodes.',
      params: appParamsSchema,
      query: z.object({after: afterSchema}),
      answer: readinessSchema,
      signed: true
    },
    ({params: {org, app: name}, query: {after}, keyId}) => {
      tools.signer.assertOrgKey(keyId, org, ['deployer', 'viewer'])
      const known = knownApp(tools.ledger.reads, org, name)
      return {next: tools.logs.place, revisions: known.revisions.map((revision) => readinessOf(tools, revision, after))}
    }
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/apps/:org/:app/spending',
      about: 'What its functions were paid within a day, and what is left to pay them.',
      params: appParamsSchema,
      answer: spendingSchema
    },
    ({params: {org, app: name}}) => spendingOf(tools, knownApp(tools.ledger.reads, org, name))
  )
}

function readinessOf({ledger, logs, scheduler}: AppReportTools, revision: RevisionView, after: number): Readiness['revisions'][number] {
  const nodes = [...new Set(ledger.reads.leases({revision: revision.id, status: 'active'}).map((lease) => lease.node))]
  return {
    revision: revision.id,
    function: revision.function,
    nodes,
    shortOfPay: scheduler.shortOfPay(revision.id) ?? null,
    ...(nodes.length > 0 ? {refusals: [], otherArchitecture: 0, tooSmall: 0} : scheduler.refusalsFor(revision)),
    failures: [...logs.failures(revision.id, after)]
  }
}

/** Of the hour that runs and the 23 before it. */
function spendingOf({ledger}: RouteTools, {org, app, revisions}: AppView): Spending {
  const {reads} = ledger
  const sinceMs = (Math.floor(ledger.nowMs() / HOUR_MS) - FULL_HOURS) * HOUR_MS
  const incentives = [...new Set(revisions.flatMap(({spec}) => spec.rewards.map((line) => line.incentive)))]
  const paid = incentives.map((incentive) => ({incentive, rows: reads.paid({incentive, sinceMs})}))
  return {
    sinceMs,
    functions: paid.flatMap(({incentive, rows}) =>
      rows.filter((row) => row.org === org && row.app === app).map(({org: _, app: __, ...row}) => ({incentive, ...row}))
    ),
    pools: paid.map(({incentive, rows}) => {
      const balances = reads.balances({account: reads.incentive(incentive)?.org ?? '', asset: incentive})
      const of = (wanted: string): number => balances.find(({kind}) => kind === wanted)?.amountMinor ?? 0
      return {incentive, poolMinor: of('pool'), reservedMinor: of('reserved'), paidMinor: rows.reduce((sum, row) => sum + row.paidMinor, 0)}
    })
  }
}
