import type Database from 'better-sqlite3'
import {CROSSINGS_MAX} from '../core/exchange/limits.ts'
import {orderSeq} from '../core/exchange/order-ids.ts'
import {
  type AuctionView,
  BOOK_LEVELS_MAX,
  type BookView,
  type IncentiveView,
  type OfferView,
  type OrderView,
  type RedemptionView,
  type TradeView
} from '../core/protocol/api.ts'
import {OWNER_SHARE_ALL} from '../core/protocol/market-commands.ts'
import {accountNumbers} from './account-rows.ts'
import {FilteredRows, rowsOf} from './filtered-rows.ts'
import type {LedgerReads} from './port.ts'

const INCENTIVES = `
SELECT id, org, name, scope, decimals, lot_minor AS lotMinor, supply_minor AS supplyMinor, trade_volume_limit AS tradeVolumeLimitMicroGutta,
  (SELECT coalesce(sum(notional), 0) FROM volume_buckets WHERE incentive = id AND bucket > @bucket) AS tradeVolumeUsedMicroGutta,
  coalesce(owner_share, ${OWNER_SHARE_ALL}) AS ownerSharePermille, captured, transferable, issued_at_ms AS issuedAtMs
FROM incentives`
const OFFERS = 'SELECT id, incentive, item, price_minor AS priceMinor, stock, place AS "where", stopped, picture FROM offers'
const OFFER_PICTURES =
  "SELECT DISTINCT substr(incentive, 1, instr(incentive, '/') - 1) AS org, picture AS digest FROM offers WHERE picture IS NOT NULL"
const ACCOUNT = '(SELECT accounts.id FROM accounts WHERE number = orders.account) AS account'
/** By the index of open orders too: a deep book is read no further than its levels are shown. */
const levels = (direction: 'ASC' | 'DESC'): string => `
SELECT price AS priceMicroGutta, sum(remaining) AS lots FROM orders
WHERE status = 'open' AND incentive = ? AND side = ? GROUP BY price ORDER BY price ${direction} LIMIT ${BOOK_LEVELS_MAX}`
/** By the index of open orders, from its end for bids. */
const resting = (direction: 'ASC' | 'DESC'): string => `
SELECT ${ACCOUNT}, price AS priceMicroGutta, remaining AS lots FROM orders
WHERE status = 'open' AND incentive = ? AND side = ? ORDER BY price ${direction}, seq LIMIT ${CROSSINGS_MAX + 1}`
const TRADES = `
SELECT seq, position AS "index", incentive, price AS priceMicroGutta, lots, taker_side AS takerSide, at_ms AS atMs FROM trades`
const ORDERS = `
SELECT 'ord_' || seq AS id, ${ACCOUNT}, incentive, side, price AS priceMicroGutta, lots, remaining AS remainingLots, status, reason, placed_at_ms AS placedAtMs
FROM orders`
const REDEMPTIONS = `
SELECT id, offer, incentive, holder, quantity, amount_minor AS amountMinor, status, requested_at_ms AS requestedAtMs, ended_at_ms AS endedAtMs,
  code_salt AS codeSalt, code_hash AS codeHash, reason
FROM redemptions`

type IncentiveRow = Omit<IncentiveView, 'scope' | 'transferable'> & {readonly scope: string | null; readonly transferable: number}
type OfferRow = Omit<OfferView, 'stopped' | 'picture'> & {readonly stopped: number; readonly picture: string | null}
type Resting = ReturnType<LedgerReads['restingOrders']>[number]
type Named<T> = Database.Statement<[Record<string, unknown>], T>

/** Incentives, offers, books, orders, trades and redemptions. */
export class MarketReads {
  readonly #now: () => number
  readonly #window: {readonly bucketMs: number; readonly buckets: number}
  readonly #incentives: FilteredRows<IncentiveRow, 'id'>
  readonly #incentivesAfter: Named<IncentiveRow>
  readonly #offers: FilteredRows<OfferRow, 'id' | 'incentive'>
  readonly #offerPictures: Database.Statement<[], {org: string; digest: string}>
  readonly #levels: Readonly<Record<'buy' | 'sell', Database.Statement<[string, string], BookView['bids'][number]>>>
  readonly #resting: Readonly<Record<'buy' | 'sell', Database.Statement<[string, string], Resting>>>
  readonly #sequence: Database.Statement<[], {seq: number}>
  readonly #auction: AuctionRead
  readonly #trades: FilteredRows<TradeView, 'incentive'>
  readonly #orders: FilteredRows<OrderView, 'seq' | 'account' | 'incentive' | 'status'>
  readonly #numbers: Database.Statement<[string], number>
  readonly #redemptions: FilteredRows<RedemptionView, 'id' | 'holder' | 'incentive' | 'offer' | 'status'>

  constructor(
    database: Database.Database,
    options: {readonly now: () => number; readonly volumeBucketMs: number; readonly volumeBuckets: number}
  ) {
    this.#now = options.now
    this.#window = {bucketMs: options.volumeBucketMs, buckets: options.volumeBuckets}
    this.#incentives = new FilteredRows(database, INCENTIVES, 'ORDER BY id')
    this.#incentivesAfter = database.prepare(`${INCENTIVES} WHERE id > @after ORDER BY id LIMIT @limit`)
    this.#offers = new FilteredRows(database, OFFERS, 'ORDER BY seq', {seq: 'number'})
    this.#offerPictures = database.prepare(OFFER_PICTURES)
    this.#levels = {buy: database.prepare(levels('DESC')), sell: database.prepare(levels('ASC'))}
    this.#resting = {buy: database.prepare(resting('DESC')), sell: database.prepare(resting('ASC'))}
    this.#sequence = database.prepare('SELECT seq FROM watermark')
    this.#auction = readAuction(database)
    this.#trades = new FilteredRows(database, TRADES, 'ORDER BY seq DESC, position DESC', {seq: 'number', position: 'number'})
    this.#numbers = accountNumbers(database)
    this.#orders = new FilteredRows(database, ORDERS, 'ORDER BY seq DESC', {seq: 'number'})
    this.#redemptions = new FilteredRows(database, REDEMPTIONS, 'ORDER BY seq DESC', {seq: 'number'})
  }

  incentives({limit, after = ''}: Parameters<LedgerReads['incentives']>[0] = {}): IncentiveView[] {
    const rows = this.#incentivesAfter.all({after, bucket: this.#oldestBucket(), limit: limit === undefined ? -1 : rowsOf(limit)})
    return rows.map(incentiveView)
  }

  incentive(id: string): IncentiveView | undefined {
    const row = this.#incentives.get({id}, {bucket: this.#oldestBucket()})
    return row && incentiveView(row)
  }

  offers({incentive, ...page}: Parameters<LedgerReads['offers']>[0]): OfferView[] {
    return this.#offers.all({incentive}, page).map(offerView)
  }

  offer(id: string): OfferView | undefined {
    const row = this.#offers.get({id})
    return row && offerView(row)
  }

  book(incentive: string): BookView {
    const sequence = this.#sequence.get()?.seq ?? 0
    return {
      incentive,
      sequence,
      ...auctionOf(this.#auction, incentive),
      bids: this.#levels.buy.all(incentive, 'buy'),
      asks: this.#levels.sell.all(incentive, 'sell')
    }
  }

  restingOrders(incentive: string, side: 'buy' | 'sell'): Resting[] {
    return this.#resting[side].all(incentive, side)
  }

  trades(incentive: string, page: Parameters<LedgerReads['trades']>[1]): TradeView[] {
    return this.#trades.all({incentive}, page)
  }

  orders({account, incentive, status, ...page}: Parameters<LedgerReads['orders']>[0]): OrderView[] {
    if (account === undefined) return this.#orders.all({incentive, status}, page)
    const number = this.#numbers.get(account)
    return number === undefined ? [] : this.#orders.all({account: number, incentive, status}, page)
  }

  order(id: string): OrderView | undefined {
    const order = this.#orders.get({seq: orderSeq(id)})
    return order?.id === id ? order : undefined
  }

  offerPictures(): ReturnType<LedgerReads['offerPictures']> {
    return this.#offerPictures.all()
  }

  redemptions({holder, incentive, offer, status, ...page}: Parameters<LedgerReads['redemptions']>[0]): RedemptionView[] {
    return this.#redemptions.all({holder, incentive, offer, status}, page)
  }

  redemption(id: string): RedemptionView | undefined {
    return this.#redemptions.get({id})
  }

  /** The last bucket that the rolling window has left behind. */
  #oldestBucket(): number {
    return Math.floor(this.#now() / this.#window.bucketMs) - this.#window.buckets - 1
  }
}

export type AuctionRead = Database.Statement<[string], AuctionView>

export function readAuction(database: Database.Database): AuctionRead {
  return database.prepare('SELECT phase AS kind, ends_at_ms AS endsAtMs FROM market_phases WHERE incentive = ?')
}

/** Nothing where orders trade as they come. */
export function auctionOf(read: AuctionRead, incentive: string): {readonly auction?: AuctionView} {
  const auction = read.get(incentive)
  return auction === undefined ? {} : {auction}
}

function offerView({stopped, picture, ...terms}: OfferRow): OfferView {
  return {...terms, ...(picture !== null && {picture}), ...(stopped === 0 ? {} : {stopped: true})}
}

function incentiveView(row: IncentiveRow): IncentiveView {
  return {
    ...row,
    scope: row.scope === null ? null : (JSON.parse(row.scope) as IncentiveView['scope']),
    transferable: row.transferable === 1
  }
}
