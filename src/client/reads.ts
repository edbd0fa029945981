import type {z} from 'zod'
import type {CandleSpan} from '../core/candle-spans.ts'
import {
  accountViewSchema,
  appViewSchema,
  bookViewSchema,
  incentiveViewSchema,
  type OrderView,
  orderViewSchema,
  type RedemptionView,
  redemptionViewSchema
} from '../core/protocol/api.ts'
import {readinessSchema, spendingSchema} from '../core/protocol/app-reports.ts'
import {type CallState, callsOfAppSchema} from '../core/protocol/async.ts'
import {schedulesSchema} from '../core/protocol/cron.ts'
import type {NetworkEvent} from '../core/protocol/events.ts'
import {redemptionRecordSchema, swapQuoteSchema, tickerSchema} from '../core/protocol/market-data.ts'
import {pictureContentSchema, pictureViewSchema} from '../core/protocol/pictures.ts'
import {type Sealed, sealingKeySchema, secretsViewSchema, secretUnsetViewSchema, secretViewSchema} from '../core/protocol/secrets.ts'
import type {KeyPair} from '../identity/keys.ts'
import * as answers from './answers.ts'
import type {Ask, Connection} from './connection.ts'
import {type WatchQuery, watchEvents} from './events.ts'

const PAGE_ROWS = 1000
/** Of a list that is read whole. */
const PAGES_MAX = 100

interface AppPlace {
  readonly org: string
  readonly app: string
}

/** Which of an app's lines: of one function or revision, and written since a time by their nodes' clocks. */
export interface LogsQuery {
  readonly function?: string | undefined
  readonly revision?: string | undefined
  readonly sinceMs?: number | undefined
}

export type PastMoment = {readonly seq: number} | {readonly atMs: number}

interface RedemptionFilter {
  readonly incentive?: string
  readonly offer?: string
  readonly status?: RedemptionView['status']
}

type Query = NonNullable<Ask['query']>
type Read<S extends z.ZodType> = Promise<z.output<S>>

/** The coordinator's public reads. Each shows at least what this client has done or seen before. */
export class Reads {
  readonly #connection: Connection
  readonly #key: KeyPair | undefined

  constructor(connection: Connection, key: KeyPair | undefined) {
    this.#connection = connection
    this.#key = key
  }

  async accounts(signal?: AbortSignal): Read<typeof answers.accountsSchema> {
    const next = (query: Query) => this.#get(answers.accountsSchema, '/v1/accounts', query, signal)
    return {accounts: await wholeList(next, ({accounts}) => accounts)}
  }

  account(idOrName: string, signal?: AbortSignal): Read<typeof accountViewSchema> {
    return this.#get(accountViewSchema, `/v1/accounts/${segment(idOrName)}`, {}, signal)
  }

  balances(idOrName: string, signal?: AbortSignal): Read<typeof answers.balancesSchema> {
    return this.#get(answers.balancesSchema, `/v1/accounts/${segment(idOrName)}/balances`, {}, signal)
  }

  /** As they were after a command, or at a time. */
  balancesAt(idOrName: string, at: PastMoment, signal?: AbortSignal): Read<typeof answers.balancesSchema> {
    return this.#get(answers.balancesSchema, `/v1/accounts/${segment(idOrName)}/balances`, {...at}, signal)
  }

  orders(
    idOrName: string,
    filter: {readonly status?: OrderView['status']; readonly limit?: number} = {},
    signal?: AbortSignal
  ): Read<typeof answers.ordersSchema> {
    return this.#get(answers.ordersSchema, `/v1/accounts/${segment(idOrName)}/orders`, filter, signal)
  }

  order(id: string, signal?: AbortSignal): Read<typeof orderViewSchema> {
    return this.#get(orderViewSchema, `/v1/orders/${segment(id)}`, {}, signal)
  }

  /** The public record, whole. */
  async redemptions(filter: RedemptionFilter, signal?: AbortSignal): Read<typeof answers.redemptionsSchema> {
    const next = (query: Query) => this.redemptionsPage({...filter, ...query}, signal)
    return {redemptions: await wholeList(next, ({redemptions}) => redemptions)}
  }

  /** Of the public record so many, newest first, from `cursor` on: `next` of the page before. */
  redemptionsPage(
    filter: RedemptionFilter & {readonly limit?: number | undefined; readonly cursor?: string | undefined},
    signal?: AbortSignal
  ): Read<typeof answers.redemptionsSchema> {
    return this.#get(answers.redemptionsSchema, '/v1/redemptions', {...filter}, signal)
  }

  redemption(id: string, signal?: AbortSignal): Read<typeof redemptionViewSchema> {
    return this.#get(redemptionViewSchema, `/v1/redemptions/${segment(id)}`, {}, signal)
  }

  entries(
    idOrName: string,
    filter: {readonly asset?: string | undefined; readonly limit?: number; readonly cursor?: string | undefined} = {},
    signal?: AbortSignal
  ): Read<typeof answers.entriesSchema> {
    return this.#get(answers.entriesSchema, `/v1/accounts/${segment(idOrName)}/entries`, filter, signal)
  }

  /** All of them: amounts are shown by their decimals. */
  async incentives(signal?: AbortSignal): Read<typeof answers.incentivesSchema> {
    const next = (query: Query) => this.#get(answers.incentivesSchema, '/v1/incentives', query, signal)
    return {incentives: await wholeList(next, ({incentives}) => incentives)}
  }

  incentive(id: string, signal?: AbortSignal): Read<typeof incentiveViewSchema> {
    return this.#get(incentiveViewSchema, `/v1/incentives/${path(id)}`, {}, signal)
  }

  async offers(filter: {readonly incentive?: string} = {}, signal?: AbortSignal): Read<typeof answers.offersSchema> {
    const next = (query: Query) => this.#get(answers.offersSchema, '/v1/offers', {...filter, ...query}, signal)
    return {offers: await wholeList(next, ({offers}) => offers)}
  }

  book(incentive: string, signal?: AbortSignal): Read<typeof bookViewSchema> {
    return this.#get(bookViewSchema, `/v1/markets/${path(incentive)}/book`, {}, signal)
  }

  trades(incentive: string, filter: {readonly limit?: number} = {}, signal?: AbortSignal): Read<typeof answers.tradesSchema> {
    return this.#get(answers.tradesSchema, `/v1/markets/${path(incentive)}/trades`, filter, signal)
  }

  /** Newest first. */
  candles(
    incentive: string,
    filter: {readonly span: CandleSpan; readonly limit: number},
    signal?: AbortSignal
  ): Read<typeof answers.candlesSchema> {
    return this.#get(answers.candlesSchema, `/v1/markets/${path(incentive)}/candles`, filter, signal)
  }

  ticker(incentive: string, signal?: AbortSignal): Read<typeof tickerSchema> {
    return this.#get(tickerSchema, `/v1/markets/${path(incentive)}/ticker`, {}, signal)
  }

  /** @throws {CreoError} `rejected`, `volume_limit` or `would_self_trade` where there would be none. */
  swapQuote(
    query: {
      readonly from: string
      readonly to: string
      readonly exact: 'send' | 'receive'
      readonly lots: number
      readonly account: string
      readonly selfTrade?: 'cancel-oldest'
    },
    signal?: AbortSignal
  ): Read<typeof swapQuoteSchema> {
    return this.#get(swapQuoteSchema, '/v1/swaps/quote', query, signal)
  }

  redemptionRecord(incentive: string, signal?: AbortSignal): Read<typeof redemptionRecordSchema> {
    return this.#get(redemptionRecordSchema, `/v1/incentives/${path(incentive)}/record`, {}, signal)
  }

  async apps(filter: {readonly org?: string} = {}, signal?: AbortSignal): Read<typeof answers.appsSchema> {
    const next = (query: Query) => this.#get(answers.appsSchema, '/v1/apps', {...filter, ...query}, signal)
    return {apps: await wholeList(next, ({apps}) => apps)}
  }

  app(org: string, app: string, signal?: AbortSignal): Read<typeof appViewSchema> {
    return this.#get(appViewSchema, `/v1/apps/${segment(org)}/${segment(app)}`, {}, signal)
  }

  /** Revisions of an app, newest first, also those that get no traffic. */
  releases(org: string, app: string, filter: {readonly limit?: number} = {}, signal?: AbortSignal): Read<typeof answers.releasesSchema> {
    return this.#get(answers.releasesSchema, `/v1/apps/${segment(org)}/${segment(app)}/revisions`, filter, signal)
  }

  /** A picture of an offer, whose digest whoever asks compares. */
  picture(digest: string, signal?: AbortSignal): Read<typeof pictureContentSchema> {
    return this.#get(pictureContentSchema, `/v1/pictures/${segment(digest)}`, {}, signal)
  }

  /** Stores a picture that an offer of the org is to name. Signed by a key of the org. */
  storePicture(org: string, content: string, signal?: AbortSignal): Read<typeof pictureViewSchema> {
    const asked = {method: 'POST', path: `/v1/orgs/${segment(org)}/pictures`, body: {content}, key: this.#key, signal} as const
    return this.#connection.ask(pictureViewSchema, asked)
  }

  /** Lines after sequence `after`, waiting up to `waitMs` for one. Signed: what an app writes is its org's business. */
  logs(
    {org, app}: {readonly org: string; readonly app: string},
    query: LogsQuery & {readonly after: number; readonly waitMs: number},
    signal?: AbortSignal
  ): Read<typeof answers.logsSchema> {
    const asked = {path: `/v1/apps/${segment(org)}/${segment(app)}/logs`, query: {...query}, waitMs: query.waitMs, key: this.#key, signal}
    return this.#connection.ask(answers.logsSchema, asked)
  }

  /** The key to which values for the coordinator are sealed: to be verified against the coordinator's. */
  sealingKey(signal?: AbortSignal): Read<typeof sealingKeySchema> {
    return this.#get(sealingKeySchema, '/v1/sealing-key', {}, signal)
  }

  /** Names and versions of an app's secrets. Signed by a key of its org, like the two that follow. */
  secrets({org, app}: AppPlace, signal?: AbortSignal): Read<typeof secretsViewSchema> {
    return this.#connection.ask(secretsViewSchema, {path: secretsPath({org, app}), key: this.#key, signal})
  }

  /** The same sealed value again is no newer one. */
  setSecret(place: AppPlace, body: {readonly name: string; readonly sealed: Sealed}, signal?: AbortSignal): Read<typeof secretViewSchema> {
    return this.#connection.ask(secretViewSchema, {method: 'POST', path: secretsPath(place), body, key: this.#key, signal})
  }

  unsetSecret(place: AppPlace, name: string, signal?: AbortSignal): Read<typeof secretUnsetViewSchema> {
    const path = `${secretsPath(place)}/unset`
    return this.#connection.ask(secretUnsetViewSchema, {method: 'POST', path, body: {name}, key: this.#key, signal})
  }

  /** An app's calls that are answered later, newest first, as far as gateways answer. Signed: who sees the id of a call may end it. */
  calls(
    {org, app}: {readonly org: string; readonly app: string},
    filter: {readonly state?: CallState; readonly limit?: number} = {},
    signal?: AbortSignal
  ): Read<typeof callsOfAppSchema> {
    const asked = {path: `/v1/apps/${segment(org)}/${segment(app)}/calls`, query: filter, key: this.#key, signal}
    return this.#connection.ask(callsOfAppSchema, asked)
  }

  /** An app's schedules and what came of their last times. Signed, as `calls`. */
  schedules({org, app}: {readonly org: string; readonly app: string}, signal?: AbortSignal): Read<typeof schedulesSchema> {
    return this.#connection.ask(schedulesSchema, {path: `/v1/apps/${segment(org)}/${segment(app)}/cron`, key: this.#key, signal})
  }

  /** How far an app's revisions have come on their nodes, with failures after a place in the logs. Signed likewise. */
  readiness(
    {org, app}: {readonly org: string; readonly app: string},
    query: {readonly after: number},
    signal?: AbortSignal
  ): Read<typeof readinessSchema> {
    return this.#connection.ask(readinessSchema, {
      path: `/v1/apps/${segment(org)}/${segment(app)}/readiness`,
      query,
      key: this.#key,
      signal
    })
  }

  /** What an app's functions were paid within the last day, and what is left to pay them. */
  spending({org, app}: {readonly org: string; readonly app: string}, signal?: AbortSignal): Read<typeof spendingSchema> {
    return this.#get(spendingSchema, `/v1/apps/${segment(org)}/${segment(app)}/spending`, {}, signal)
  }

  leases(
    filter: {readonly node?: string; readonly revision?: string; readonly status?: 'active' | 'ended'} = {},
    signal?: AbortSignal
  ): Read<typeof answers.leasesSchema> {
    return this.#get(answers.leasesSchema, '/v1/leases', filter, signal)
  }

  async nodes(signal?: AbortSignal): Read<typeof answers.nodesSchema> {
    const next = (query: Query) => this.#get(answers.nodesSchema, '/v1/nodes', query, signal)
    return {nodes: await wholeList(next, ({nodes}) => nodes)}
  }

  node(id: string, signal?: AbortSignal): Read<typeof answers.nodeStatusSchema> {
    return this.#get(answers.nodeStatusSchema, `/v1/nodes/${segment(id)}`, {}, signal)
  }

  receipts(filter: {readonly lease?: string; readonly node?: string} = {}, signal?: AbortSignal): Read<typeof answers.receiptsSchema> {
    return this.#get(answers.receiptsSchema, '/v1/receipts', filter, signal)
  }

  epochs(signal?: AbortSignal): Read<typeof answers.epochsSchema> {
    return this.#get(answers.epochsSchema, '/v1/epochs', {}, signal)
  }

  /** What the operator blocks now, or the record of all that it ever blocked and unblocked; newest first. */
  blocks({history, limit}: {readonly history: boolean; readonly limit: number}, signal?: AbortSignal): Read<typeof answers.blocksSchema> {
    return this.#get(answers.blocksSchema, history ? '/v1/blocks/history' : '/v1/blocks', {limit}, signal)
  }

  gateways(signal?: AbortSignal): Read<typeof answers.gatewaysSchema> {
    return this.#get(answers.gatewaysSchema, '/v1/gateways', {}, signal)
  }

  /** What happens, until the signal: see `watchEvents`. Signed where `instances` are watched. */
  watch(query: WatchQuery, signal: AbortSignal): AsyncGenerator<NetworkEvent> {
    return watchEvents(this.#connection, {query, key: query.topics.includes('instances') ? this.#key : undefined, signal})
  }

  #get<S extends z.ZodType>(schema: S, to: string, query: Query, signal: AbortSignal | undefined): Read<S> {
    return this.#connection.ask(schema, {path: to, query, signal})
  }
}

/** All pages of a list, up to `PAGES_MAX`. */
async function wholeList<A extends {readonly next?: string | undefined}, R>(
  ask: (query: {readonly limit: number; readonly cursor: string | undefined}) => Promise<A>,
  rowsOf: (answer: A) => readonly R[]
): Promise<R[]> {
  const all: R[] = []
  let cursor: string | undefined
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const answer = await ask({limit: PAGE_ROWS, cursor})
    all.push(...rowsOf(answer))
    cursor = answer.next
    if (cursor === undefined) break
  }
  return all
}

function segment(text: string): string {
  return encodeURIComponent(text)
}

function secretsPath({org, app}: AppPlace): string {
  return `/v1/apps/${segment(org)}/${segment(app)}/secrets`
}

/** `org/CODE` as two segments. */
function path(id: string): string {
  return id.split('/').map(segment).join('/')
}
