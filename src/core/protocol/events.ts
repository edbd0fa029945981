import {z} from 'zod'
import {candleSpans} from '../candle-spans.ts'
import {auctionViewSchema, bookViewSchema, instanceFailureSchema, leaseViewSchema, orderViewSchema, tradeViewSchema} from './api.ts'
import {candleSchema, tickerSchema} from './market-data.ts'
import {incentiveIdSchema, nameSchema, nodeIdSchema, revisionIdSchema, timeMsSchema} from './scalars.ts'

/**
 * What `GET /v1/events` tells, as server-sent events (docs/PROTOCOL.md). The id of an event is the ledger sequence up to which everything was told;
 * what nodes say has none, since it is in no ledger.
 */

/** Longest time that a watcher hears nothing, ms: then it takes the line for dead. */
export const EVENTS_SILENCE_MAX_MS = 45_000
/** How often something is sent at least, ms. */
export const EVENTS_HEARTBEAT_MS = 15_000

/** What can be watched, each with the name of its events. `instances` of an app are told to keys of its org alone. */
export const EVENT_TOPICS = {
  groups: 'group',
  trades: 'trade',
  phases: 'phase',
  orders: 'order',
  books: 'book',
  candles: 'candle',
  tickers: 'ticker',
  leases: 'lease',
  apps: 'app',
  nodes: 'node',
  instances: 'instance'
} as const
export type EventTopic = keyof typeof EVENT_TOPICS
export const eventTopicSchema = z.enum(Object.keys(EVENT_TOPICS) as [EventTopic, ...EventTopic[]])

/** Of a node that enrols, comes, goes, or has another number of instances. */
export const nodeStates = ['enrolled', 'there', 'draining', 'lost'] as const

const placeSchema = z.object({org: nameSchema, app: nameSchema})

export const EVENT_SCHEMAS = {
  /** The first one: what has been committed until `sequence` was told before, or is not told. */
  open: z.object({sequence: z.int().min(0)}),
  /** What was asked for is too long ago, or too much: what is watched must be read anew, as of `sequence`. */
  reset: z.object({sequence: z.int().min(0)}),
  group: z.object({firstSeq: z.int(), lastSeq: z.int(), atMs: timeMsSchema}),
  trade: tradeViewSchema,
  /** How a market trades from now on; without an auction as orders come. */
  phase: z.object({incentive: incentiveIdSchema, auction: auctionViewSchema.optional()}),
  /** As it is when this is sent. */
  order: orderViewSchema,
  /**
   * The levels of a market that changed, as they are after the command `sequence` (no lots where one is gone); or, if it says `whole`, all that a book
   * shows: first, after `reset`, and where more changed than is told. What is not newer than the book that one has is nothing new.
   */
  book: bookViewSchema.omit({auction: true}).extend({whole: z.boolean()}),
  /** As it is when this is sent: a trade was in it. */
  candle: candleSchema.extend({incentive: incentiveIdSchema, span: z.enum(candleSpans)}),
  /** As it is when this is sent, after its market changed. */
  ticker: tickerSchema,
  /** As it is when this is sent. */
  lease: leaseViewSchema.omit({budgets: true}).extend({...placeSchema.shape, function: nameSchema}),
  app: placeSchema.extend({change: z.enum(['deployed', 'traffic', 'destroyed']), revisions: z.array(revisionIdSchema)}),
  node: z.object({node: nodeIdSchema, state: z.enum(nodeStates), instances: z.int().min(0)}),
  /** How many instances a node runs of a revision now, or why one of them failed. */
  instance: placeSchema.extend({
    function: nameSchema,
    revision: revisionIdSchema,
    node: nodeIdSchema,
    instances: z.int().min(0).optional(),
    failure: instanceFailureSchema.extend({instance: z.string(), line: z.string()}).optional()
  })
} as const
export type EventName = keyof typeof EVENT_SCHEMAS

export type NetworkEvent = {
  readonly [N in EventName]: {readonly name: N; readonly id: number | undefined; readonly data: z.output<(typeof EVENT_SCHEMAS)[N]>}
}[EventName]

const appIdSchema = z
  .string()
  .max(41)
  .regex(/^[a-z][a-z0-9-]*\/[a-z][a-z0-9-]*$/, 'must look like org/app')

/** What a watcher asks for. Each filter is about the topics whose events have such a thing, and leaves the others alone. */
export const eventsQuerySchema = z.strictObject({
  /** Once or several times; also with commas between. */
  topic: z.union([z.string().max(200), z.array(z.string().max(40)).max(20)]).transform((given, context): EventTopic[] => {
    const topics = z.array(eventTopicSchema).min(1).safeParse([given].flat().join(',').split(','))
    if (topics.success) return [...new Set(topics.data)]
    context.addIssue({code: 'custom', message: `must be of ${Object.keys(EVENT_TOPICS).join(', ')}`})
    return z.NEVER
  }),
  /** Of trades, phases, orders, books, candles and tickers. */
  incentive: incentiveIdSchema.optional(),
  /** Of candles. */
  span: z.enum(candleSpans).optional(),
  /** Of orders: id or name. */
  account: z.string().min(2).max(40).optional(),
  /** Of leases, apps and instances. */
  app: appIdSchema.optional(),
  /** Of leases, nodes and instances. */
  node: nodeIdSchema.optional(),
  /** The sequence after which to go on, for who can't send `last-event-id`. */
  after: z.coerce.number().int().min(0).optional()
})
export type EventsQuery = z.output<typeof eventsQuerySchema>
