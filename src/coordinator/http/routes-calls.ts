import type {FastifyInstance} from 'fastify'
import {z} from 'zod'
import {type CallOfApp, callStateSchema, callsOfAppSchema} from '../../core/protocol/async.ts'
import {type ScheduleView, schedulesSchema} from '../../core/protocol/cron.ts'
import type {Cron} from '../cron/cron.ts'
import type {GatewayCalls} from '../gateway-calls.ts'
import {knownApp} from './not-found.ts'
import {appParamsSchema, limitSchema} from './query.ts'
import {type RouteTools, route} from './route.ts'

export interface CallTools extends RouteTools {
  readonly calls: GatewayCalls
  readonly cron: Cron
}

/** An app's calls that are answered later, and its schedules. Signed; since the id of a call is the right to end it, who may only look is told none. */
export function callRoutes(app: FastifyInstance, tools: CallTools): void {
  const {reads} = tools.ledger
  const params = appParamsSchema
  const expectApp = ({org, app: name}: z.output<typeof params>): void => {
    knownApp(reads, org, name)
  }
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/apps/:org/:app/calls',
      about: 'Its calls that are answered later, newest first.',
      params,
      query: z.object({state: callStateSchema.optional(), limit: limitSchema}),
      answer: callsOfAppSchema,
      signed: true
    },
    async ({params: of, query, keyId, signal}) => {
      tools.signer.assertOrgKey(keyId, of.org, ['deployer', 'viewer'])
      expectApp(of)
      const gateways = reads.gateways()
      const answers = await Promise.allSettled(gateways.map((gateway) => tools.calls.list(gateway, {...of, ...query}, signal)))
      const calls: CallOfApp[] = []
      const silent: string[] = []
      for (const [index, {name}] of gateways.entries()) {
        const answer = answers[index]
        if (answer?.status === 'fulfilled') calls.push(...answer.value.map((call) => ({...call, gateway: name})))
        else silent.push(name)
      }
      const newest = calls.sort((a, b) => b.acceptedAtMs - a.acceptedAtMs).slice(0, query.limit)
      return {calls: tools.signer.isOrgKey(keyId, of.org, ['deployer']) ? newest : newest.map(withoutIds), silent}
    }
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/apps/:org/:app/cron',
      about: 'Its schedules, and what came of the last time.',
      params,
      answer: schedulesSchema,
      signed: true
    },
    async ({params: of, keyId, signal}) => {
      tools.signer.assertOrgKey(keyId, of.org, ['deployer', 'viewer'])
      expectApp(of)
      const schedules = await tools.cron.list(of, signal)
      return {schedules: tools.signer.isOrgKey(keyId, of.org, ['deployer']) ? schedules : schedules.map(withoutCall)}
    }
  )
}

function withoutIds({id: _id, callbackOf: _callbackOf, ...call}: CallOfApp): CallOfApp {
  return call
}

function withoutCall({last, ...schedule}: ScheduleView): ScheduleView {
  if (last === null) return {...schedule, last}
  const {call: _, ...came} = last
  return {...schedule, last: came}
}
