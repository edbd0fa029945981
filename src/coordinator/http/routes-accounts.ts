import type {FastifyInstance} from 'fastify'
import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'
import {accountViewSchema, balanceKinds, balanceViewSchema, orderViewSchema, redemptionViewSchema} from '../../core/protocol/api.ts'
import {accountIdSchema, assetIdSchema, signedAmountSchema, timeMsSchema} from '../../core/protocol/scalars.ts'
import type {Ledger} from '../../ledger/port.ts'
import {knownAccount} from './not-found.ts'
import {accountParamsSchema, cursorSchema, limitSchema, nextOf, nextSchema, pageOf, placeInName} from './query.ts'
import {type RouteTools, route} from './route.ts'

export const orderStatusSchema = z.enum(['open', 'filled', 'cancelled', 'expired'])
export const redemptionStatusSchema = z.enum(['held', 'captured', 'released'])
const pastSeqSchema = z.coerce.number().int().min(0)
const entrySchema = z.object({
  number: z.int(),
  seq: z.int(),
  atMs: timeMsSchema,
  command: z.string(),
  asset: z.string(),
  kind: z.enum(balanceKinds),
  deltaMinor: signedAmountSchema,
  balanceMinor: signedAmountSchema,
  /** Of a transfer: who paid it or was paid, and what was said with it. */
  counterparty: z.object({account: accountIdSchema, name: z.string()}).optional(),
  memo: z.string().optional()
})

/** What an account is, has, wants and did. */
export function accountRoutes(app: FastifyInstance, tools: RouteTools): void {
  const {reads} = tools.ledger
  const params = accountParamsSchema
  accountList(app, tools)
  holdingRoutes(app, tools)
  route(
    app,
    tools,
    {method: 'GET', path: '/v1/accounts/:account', about: 'An account by id or name.', params, answer: accountViewSchema},
    (request) => knownAccount(tools.ledger.reads, request.params.account)
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/accounts/:account/orders',
      about: 'Its orders, newest first.',
      params,
      query: z.object({status: orderStatusSchema.optional(), limit: limitSchema, cursor: cursorSchema}),
      answer: z.object({orders: z.array(orderViewSchema), next: nextSchema})
    },
    ({params: {account}, query}) => {
      const orders = reads.orders({account: knownAccount(tools.ledger.reads, account).id, ...query, ...pageOf(query)})
      return {orders, ...nextOf(orders, query.limit, placeInName)}
    }
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/accounts/:account/redemptions',
      about: 'What it redeemed, newest first.',
      params,
      query: z.object({status: redemptionStatusSchema.optional(), limit: limitSchema, cursor: cursorSchema}),
      answer: z.object({redemptions: z.array(redemptionViewSchema), next: nextSchema})
    },
    ({params: {account}, query}) => {
      const redemptions = reads.redemptions({holder: knownAccount(tools.ledger.reads, account).id, ...query, ...pageOf(query)})
      return {redemptions, ...nextOf(redemptions, query.limit, placeInName)}
    }
  )
}

/** What an account has, and how it came to it. */
function holdingRoutes(app: FastifyInstance, tools: RouteTools): void {
  const {ledger} = tools
  const params = accountParamsSchema
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/accounts/:account/balances',
      about: 'What it holds, or held after the command `seq`, or at the time `atMs`.',
      params,
      query: z.object({seq: pastSeqSchema.optional(), atMs: z.coerce.number().int().min(0).optional()}),
      answer: z.object({sequence: z.int(), balances: z.array(balanceViewSchema)})
    },
    async (request) => {
      const latest = await shownSequence(ledger, request.signal)
      const account = knownAccount(tools.ledger.reads, request.params.account).id
      const sequence = pastSequence(ledger, request.query, latest)
      if (sequence === undefined) return {sequence: latest, balances: ledger.reads.balances({account})}
      if (sequence <= latest) return {sequence, balances: ledger.reads.balancesAt({account, seq: sequence})}
      throw new CreoError('invalid_input', `The ledger has come to ${latest} commands, not to ${sequence}.`, {
        hint: `Ask for ${latest} or less.`
      })
    }
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/accounts/:account/entries',
      about: 'Its statement, newest first.',
      params,
      query: z.object({asset: assetIdSchema.optional(), limit: limitSchema, cursor: cursorSchema}),
      answer: z.object({entries: z.array(entrySchema), next: nextSchema})
    },
    ({params: {account}, query}) => {
      const entries = ledger.reads.entries({account: knownAccount(tools.ledger.reads, account).id, ...query, ...pageOf(query)})
      return {entries, ...nextOf(entries, query.limit, ({number}) => [number])}
    }
  )
}

/** By time at most `latest`: reads may show what was committed since that was asked for. */
function pastSequence(
  {reads}: Ledger,
  {seq, atMs}: {readonly seq?: number | undefined; readonly atMs?: number | undefined},
  latest: number
): number | undefined {
  if (seq !== undefined && atMs !== undefined)
    throw new CreoError('invalid_input', 'Both a sequence and a time are given.', {hint: 'Give seq or atMs.'})
  return atMs === undefined ? seq : Math.min(reads.seqAt(atMs), latest)
}

/** Everybody, by name. */
function accountList(app: FastifyInstance, tools: RouteTools): void {
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/accounts',
      about: 'Everybody, by name.',
      query: z.object({limit: limitSchema, cursor: cursorSchema}),
      answer: z.object({accounts: z.array(accountViewSchema), next: nextSchema})
    },
    ({query}) => {
      const accounts = tools.ledger.reads.accounts(pageOf(query))
      return {accounts, ...nextOf(accounts, query.limit, ({name}) => [name])}
    }
  )
}

/** Last committed sequence, once reads show it. */
async function shownSequence(ledger: Ledger, signal: AbortSignal): Promise<number> {
  const {sequence} = ledger
  await ledger.projected(sequence, signal)
  return sequence
}
