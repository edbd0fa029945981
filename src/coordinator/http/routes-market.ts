import type {FastifyInstance} from 'fastify'
import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'
import type {IncentiveView} from '../../core/protocol/api.ts'
import {bookViewSchema, incentiveViewSchema, offerViewSchema, redemptionViewSchema, tradeViewSchema} from '../../core/protocol/api.ts'
import {incentiveIdSchema} from '../../core/protocol/scalars.ts'
import {incentiveParamsSchema, limitSchema, longLimitSchema} from './query.ts'
import {type RouteTools, route} from './route.ts'
import {redemptionStatusSchema} from './routes-accounts.ts'

/** Incentives, what they buy, and what they trade for. */
export function marketRoutes(app: FastifyInstance, tools: RouteTools): void {
  const {reads} = tools.ledger
  const params = incentiveParamsSchema
  const known = ({org, code}: z.output<typeof params>): IncentiveView => {
    const incentive = reads.incentive(`${org}/${code}`)
    if (incentive) return incentive
    throw new CreoError('not_found', `There is no incentive ${org}/${code}.`, {hint: 'creo incentive list'})
  }
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/incentives',
      about: 'All incentives, by id.',
      query: z.object({after: incentiveIdSchema.optional(), limit: longLimitSchema}),
      answer: z.object({incentives: z.array(incentiveViewSchema)})
    },
    ({query}) => ({incentives: reads.incentives(query)})
  )
  route(
    app,
    tools,
    {method: 'GET', path: '/v1/incentives/:org/:code', about: 'One incentive.', params, answer: incentiveViewSchema},
    (request) => known(request.params)
  )
  route(
    app,
    tools,
    {method: 'GET', path: '/v1/markets/:org/:code/book', about: 'The price levels of its order book.', params, answer: bookViewSchema},
    (request) => reads.book(known(request.params).id)
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/markets/:org/:code/trades',
      about: 'Its trades, newest first.',
      params,
      query: z.object({limit: limitSchema, beforeSeq: z.coerce.number().int().min(0).optional()}),
      answer: z.object({trades: z.array(tradeViewSchema)})
    },
    (request) => ({trades: reads.trades(known(request.params).id, request.query)})
  )
  spendingRoutes(app, tools)
}

/** What incentives buy, and what was bought. */
function spendingRoutes(app: FastifyInstance, tools: RouteTools): void {
  const {reads} = tools.ledger
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/offers',
      about: 'What incentives buy.',
      query: z.object({incentive: incentiveIdSchema.optional(), limit: longLimitSchema}),
      answer: z.object({offers: z.array(offerViewSchema)})
    },
    ({query}) => ({offers: reads.offers(query)})
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/redemptions',
      about: 'The public record of redemptions, newest first.',
      query: z.object({incentive: incentiveIdSchema.optional(), status: redemptionStatusSchema.optional(), limit: limitSchema}),
      answer: z.object({redemptions: z.array(redemptionViewSchema)})
    },
    ({query}) => ({redemptions: reads.redemptions(query)})
  )
}
