import type {FastifyInstance} from 'fastify'
import {z} from 'zod'
import {candleSpans} from '../../core/candle-spans.ts'
import {CreoError} from '../../core/errors.ts'
import type {TradingRoom} from '../../core/exchange/meet-market.ts'
import {costOf, type MetOrder, planSwap, proceedsOf, swapRefusal} from '../../core/exchange/swap-plan.ts'
import type {IncentiveView} from '../../core/protocol/api.ts'
import {
  bookViewSchema,
  incentiveViewSchema,
  offerViewSchema,
  orderViewSchema,
  redemptionViewSchema,
  tradeViewSchema
} from '../../core/protocol/api.ts'
import {candleSchema, redemptionRecordSchema, swapQuoteSchema, tickerSchema} from '../../core/protocol/market-data.ts'
import {
  accountIdSchema,
  incentiveIdSchema,
  offerIdSchema,
  orderIdSchema,
  positiveAmountSchema,
  redemptionIdSchema
} from '../../core/protocol/scalars.ts'
import {AMOUNT_MAX} from '../../core/units.ts'
import {cursorSchema, incentiveParamsSchema, limitSchema, longLimitSchema, nextOf, nextSchema, pageOf, placeInName} from './query.ts'
import {type RouteTools, route} from './route.ts'
import {redemptionStatusSchema} from './routes-accounts.ts'
import type {NetworkTools} from './routes-network.ts'

type MarketTools = RouteTools & Pick<NetworkTools, 'genesis'>

/** Incentives, what they buy, and what they trade for. */
export function marketRoutes(app: FastifyInstance, tools: MarketTools): void {
  const {reads} = tools.ledger
  const params = incentiveParamsSchema
  const known = knownIncentive(tools)
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/incentives',
      about: 'All incentives, by id.',
      query: z.object({after: incentiveIdSchema.optional(), limit: longLimitSchema, cursor: cursorSchema}),
      answer: z.object({incentives: z.array(incentiveViewSchema), next: nextSchema})
    },
    ({query}) => {
      const {limit, after} = pageOf(query)
      const incentives = reads.incentives({limit, after: after === undefined ? query.after : String(after[0])})
      return {incentives, ...nextOf(incentives, limit, ({id}) => [id])}
    }
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
      query: z.object({limit: limitSchema, cursor: cursorSchema, beforeSeq: z.coerce.number().int().min(0).optional()}),
      answer: z.object({trades: z.array(tradeViewSchema), next: nextSchema})
    },
    ({params: of, query}) => {
      const before = query.beforeSeq === undefined ? {} : {after: [query.beforeSeq, 0]}
      const trades = reads.trades(known(of).id, {...before, ...pageOf(query)})
      return {trades, ...nextOf(trades, query.limit, ({seq, index}) => [seq, index])}
    }
  )
  orderRoute(app, tools)
  marketDataRoutes(app, tools)
  swapRoute(app, tools)
  spendingRoutes(app, tools)
}

function orderRoute(app: FastifyInstance, tools: RouteTools): void {
  route(
    app,
    tools,
    {method: 'GET', path: '/v1/orders/:order', about: 'One order.', params: z.object({order: orderIdSchema}), answer: orderViewSchema},
    ({params: {order}}) => {
      const known = tools.ledger.reads.order(order)
      if (known !== undefined) return known
      throw new CreoError('not_found', `There is no order ${order}.`, {hint: 'creo trade orders'})
    }
  )
}

function knownIncentive({ledger}: RouteTools): (of: z.output<typeof incentiveParamsSchema> | string) => IncentiveView {
  return (of) => {
    const id = typeof of === 'string' ? of : `${of.org}/${of.code}`
    const incentive = ledger.reads.incentive(id)
    if (incentive) return incentive
    throw new CreoError('not_found', `There is no incentive ${id}.`, {hint: 'creo incentive list'})
  }
}

/** What a market has done, and whether what it trades is worth anything. */
function marketDataRoutes(app: FastifyInstance, tools: RouteTools): void {
  const {reads} = tools.ledger
  const params = incentiveParamsSchema
  const known = knownIncentive(tools)
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/markets/:org/:code/candles',
      about: 'Its trades by spans of time, newest first.',
      params,
      query: z.object({span: z.enum(candleSpans).default('1h'), limit: limitSchema, beforeMs: z.coerce.number().int().min(0).optional()}),
      answer: z.object({candles: z.array(candleSchema)})
    },
    ({params: of, query}) => ({candles: reads.candles({incentive: known(of).id, ...query})})
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/markets/:org/:code/ticker',
      about: 'Its last price, its best prices now, and its last 24 hours.',
      params,
      answer: tickerSchema
    },
    (request) => reads.ticker(known(request.params).id)
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/incentives/:org/:code/record',
      about: 'How many of its redemptions were captured, and how soon.',
      params,
      answer: redemptionRecordSchema
    },
    (request) => reads.redemptionRecord(known(request.params).id)
  )
}

/** What a swap would come to now. */
function swapRoute(app: FastifyInstance, tools: MarketTools): void {
  const {reads} = tools.ledger
  const {takerPpm} = tools.genesis.fees
  const known = knownIncentive(tools)
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/swaps/quote',
      about: 'What sending or receiving exactly so many lots by a swap would come to now; with an account, past its own orders or not.',
      query: z.object({
        from: incentiveIdSchema,
        to: incentiveIdSchema,
        exact: z.enum(['send', 'receive']),
        lots: positiveAmountSchema,
        account: accountIdSchema.optional(),
        selfTrade: z.literal('cancel-oldest').optional()
      }),
      answer: swapQuoteSchema
    },
    ({query: {exact, lots, account, selfTrade, ...between}}) => {
      const [from, to] = [known(between.from), known(between.to)]
      if (from.id === to.id)
        throw new CreoError('invalid_input', 'A swap is between two incentives.', {hint: 'Name another one to receive.'})
      const sizes = exact === 'send' ? {sendLots: lots, receiveLots: 1} : {sendLots: AMOUNT_MAX, receiveLots: lots}
      const met = (id: string, side: 'buy' | 'sell'): MetOrder[] =>
        reads.restingOrders(id, side).map((order) => ({...order, isOwn: order.account === account, isExpired: false}))
      const rooms = {from: roomOf(tools, from.id, account), to: roomOf(tools, to.id, account)}
      const terms = {
        exact,
        ...sizes,
        takerPpm,
        goesPastOwn: selfTrade !== undefined,
        volumeLeft: {from: rooms.from.volumeLeftMicroGutta, to: rooms.to.volumeLeftMicroGutta},
        bands: {from: rooms.from.band, to: rooms.to.band}
      }
      const plan = planSwap({bids: met(from.id, 'buy'), asks: met(to.id, 'sell')}, terms)
      if ('trouble' in plan) {
        const {code, message} = swapRefusal(plan, {...sizes, ...between})
        throw new CreoError(code, message, {hint: 'Look at both books (creo trade book), swap less, or wait.'})
      }
      const {selling, buying} = plan
      return {
        ...between,
        sentLots: selling.lots,
        deliveredLots: buying.lots,
        soldForMicroGutta: selling.notionalMicroGutta,
        boughtForMicroGutta: buying.notionalMicroGutta,
        feeMicroGutta: selling.feeMicroGutta + buying.feeMicroGutta,
        leftMicroGutta: proceedsOf(selling) - costOf(buying)
      }
    }
  )
}

/** @throws {CreoError} `in_auction` where nothing can be swapped now. */
function roomOf({ledger}: RouteTools, incentive: string, account: string | undefined): TradingRoom {
  const room = ledger.tradingRoom({incentive, account})
  if (room.isOpen) return room
  throw new CreoError('in_auction', `The market of ${incentive} is in an auction: nothing is swapped before its end.`, {
    hint: `creo trade book ${incentive} says until when it lasts.`
  })
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
      query: z.object({incentive: incentiveIdSchema.optional(), limit: longLimitSchema, cursor: cursorSchema}),
      answer: z.object({offers: z.array(offerViewSchema), next: nextSchema})
    },
    ({query}) => {
      const offers = reads.offers({...query, ...pageOf(query)})
      return {offers, ...nextOf(offers, query.limit, placeInName)}
    }
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/redemptions',
      about: 'The public record of redemptions, newest first.',
      query: z.object({
        incentive: incentiveIdSchema.optional(),
        offer: offerIdSchema.optional(),
        status: redemptionStatusSchema.optional(),
        limit: limitSchema,
        cursor: cursorSchema
      }),
      answer: z.object({redemptions: z.array(redemptionViewSchema), next: nextSchema})
    },
    ({query}) => {
      const redemptions = reads.redemptions({...query, ...pageOf(query)})
      return {redemptions, ...nextOf(redemptions, query.limit, placeInName)}
    }
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/redemptions/:redemption',
      about: 'One redemption, as everybody can read it.',
      params: z.object({redemption: redemptionIdSchema}),
      answer: redemptionViewSchema
    },
    ({params: {redemption}}) => {
      const known = reads.redemption(redemption)
      if (known !== undefined) return known
      throw new CreoError('not_found', `There is no redemption ${redemption}.`, {hint: 'creo redemption list'})
    }
  )
}
