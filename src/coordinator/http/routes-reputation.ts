import type {FastifyInstance} from 'fastify'
import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'
import {CLOCK_SKEW_MAX_MS} from '../../core/protocol/api.ts'
import {conductReportSchema} from '../../core/protocol/conduct.ts'
import type {ReputationBoard} from '../reputation-board.ts'
import type {Scheduler} from '../scheduler.ts'
import {type RouteTools, route} from './route.ts'

/** 5,000 nodes with counts of ten digits each. */
const REPORT_BYTES_MAX = 2 ** 20

export interface ReputationTools extends RouteTools {
  readonly reputation: ReputationBoard
  readonly scheduler: Pick<Scheduler, 'poke'>
  readonly nowMs: () => number
}

/** What gateways say of nodes. What has come of it stands with each node. */
export function reputationRoutes(app: FastifyInstance, tools: ReputationTools): void {
  route(
    app,
    tools,
    {
      method: 'POST',
      path: '/v1/conduct',
      about: 'What a gateway saw of nodes since it last said so; the same report twice counts once.',
      body: conductReportSchema,
      bodyBytesMax: REPORT_BYTES_MAX,
      answer: z.object({ok: z.literal(true)}),
      signed: true
    },
    ({body, keyId}) => {
      if (body.gateway !== `gw_${keyId}`)
        throw new CreoError('forbidden', `${body.gateway} speaks for itself alone.`, {hint: "Sign with that gateway's key."})
      // Anybody can have a key: what others say is not even noted.
      if (!tools.ledger.reads.gateways().some(({id}) => id === body.gateway))
        throw new CreoError('forbidden', `${body.gateway} is not admitted.`, {hint: 'Ask the operator: creo gateway admit'})
      // What came until then counts as told: a clock that was ahead once would silence the gateway for as long.
      if (body.untilMs > tools.nowMs() + CLOCK_SKEW_MAX_MS)
        throw new CreoError('invalid_input', 'The report ends in the future.', {hint: "Set the gateway's clock."})
      if (tools.reputation.record(body, tools.nowMs()) === 'changed') tools.scheduler.poke()
      return {ok: true as const}
    }
  )
}
