import type {Protection} from '../../src/core/protocol/genesis.ts'

/** A market as simple as it can be said: one array of orders, sums made afresh. Slow, and what the real one is compared with. */

export interface NaiveOrder {
  readonly id: string
  readonly owner: string
  readonly side: 'buy' | 'sell'
  readonly price: number
  readonly expiresAtMs: number | undefined
  lots: number
  remaining: number
}

export interface NaivePlacing {
  readonly id: string
  readonly owner: string
  readonly side: 'buy' | 'sell'
  readonly price: number
  readonly lots: number
  readonly kind: 'limit' | 'market' | 'post-only'
  readonly tif: 'GTC' | 'GTT' | 'IOC' | 'FOK'
  readonly expiresAtMs: number | undefined
  readonly selfTrade?: 'cancel-oldest' | 'cancel-both' | undefined
}

export interface NaiveReplacing {
  readonly price: number | undefined
  readonly lots: number | undefined
  readonly postOnly: boolean
  readonly selfTrade: NaivePlacing['selfTrade']
}

export interface NaiveRules {
  readonly makerPpm: number
  readonly takerPpm: number
  readonly lotMinor: number
  readonly bucketMs: number
  readonly fullBuckets: number
  readonly protection?: Protection | undefined
}

interface Fill {
  readonly maker: NaiveOrder
  readonly lots: number
}

export class NaiveMarket {
  orders: NaiveOrder[] = []
  /** Everything an owner has, held or not: `owner asset`. */
  readonly totals = new Map<string, number>()
  limit = Number.MAX_SAFE_INTEGER
  /** Per mille of the limit that one owner may take; undefined: all of it. */
  share: number | undefined
  /** When the auction ends, if there is one. */
  auctionEndsAtMs: number | undefined
  prices: {reference: number; last: number} | undefined
  readonly #rules: NaiveRules
  #traded: {bucket: number; notional: number; taker: string | undefined}[] = []

  constructor(rules: NaiveRules) {
    this.#rules = rules
  }

  held(owner: string, asset: 'gutta' | 'leaf'): number {
    const mine = this.orders.filter((order) => order.owner === owner && (order.side === 'buy') === (asset === 'gutta'))
    return mine.reduce((sum, order) => sum + this.#hold(order.side, order.price, order.remaining), 0)
  }

  available(owner: string, asset: 'gutta' | 'leaf'): number {
    return (this.totals.get(`${owner} ${asset}`) ?? 0) - this.held(owner, asset)
  }

  /** What is said of it: `rejected CODE`, or each fill and then how it ended. */
  place(order: NaivePlacing, atMs: number): string[] {
    const against = this.orders.filter((other) => other.side !== order.side && this.#crosses(order, other))
    against.sort((a, b) => (order.side === 'buy' ? a.price - b.price : b.price - a.price))
    if (order.kind === 'post-only' && against.some((other) => !this.#isOver(other, atMs))) return ['rejected rejected']
    const waits = order.tif === 'GTC' || order.tif === 'GTT'
    const isClosed = this.auctionEndsAtMs !== undefined
    if (isClosed && !waits) return ['rejected in_auction']
    const met = isClosed ? {fills: [], gone: [], stop: 'in_auction'} : this.#meet(order, against, atMs)
    const {fills, gone} = met
    const across = waits && (met.stop === 'in_auction' || met.stop === 'price_band')
    const stop = across ? (this.#passOwn(order, against, gone, atMs) ?? met.stop) : met.stop
    const left = order.lots - fills.reduce((sum, fill) => sum + fill.lots, 0)
    if (order.tif === 'FOK' && left > 0)
      return [`rejected ${['volume_limit', 'would_self_trade', 'price_band'].includes(stop) ? stop : 'rejected'}`]
    if (this.#hold(order.side, order.price, order.lots) > this.available(order.owner, order.side === 'buy' ? 'gutta' : 'leaf')) {
      return ['rejected insufficient_funds']
    }
    if (stop === 'would_self_trade' && fills.length === 0 && gone.length === 0) return ['rejected would_self_trade']
    for (const fill of fills) this.#settle(order, fill, atMs)
    this.orders = this.orders.filter((other) => other.remaining > 0 && !gone.includes(other))
    if (stop === 'price_band') this.#beginAuction(atMs)
    return [...fills.map((fill) => `${fill.lots} of ${fill.maker.id} @ ${fill.maker.price}`), this.#end(order, left, stop)]
  }

  /** Orders of one's own on the other side go out of the way, or keep the order from waiting. */
  #passOwn(order: NaivePlacing, against: readonly NaiveOrder[], gone: NaiveOrder[], atMs: number): string | undefined {
    for (const own of against.filter((other) => other.owner === order.owner && !gone.includes(other))) {
      if (this.#isOver(own, atMs)) gone.push(own)
      else if (order.selfTrade === undefined) return 'would_self_trade'
      else {
        gone.push(own)
        if (order.selfTrade === 'cancel-both') return 'would_self_trade'
      }
    }
    return undefined
  }

  #beginAuction(atMs: number): void {
    const {openingMs = 0, auctionMs = 0} = this.#rules.protection ?? {}
    this.auctionEndsAtMs = atMs + (this.prices === undefined ? openingMs : auctionMs)
  }

  #isInBand(price: number): boolean {
    const {protection} = this.#rules
    if (protection === undefined) return true
    const {reference, last} = this.prices ?? {reference: Number.NaN, last: Number.NaN}
    const within = (center: number, ppm = 1e9): boolean => Math.abs(price - center) <= Math.max(1, Math.floor((center * ppm) / 1e6))
    return within(reference, protection.staticPpm) && within(last, protection.dynamicPpm)
  }

  /** Each trade of the auction that is over now: by price and time, all at one price, until nothing crosses. */
  #uncross(atMs: number): string[] {
    const said: string[] = []
    for (let price = this.#auctionPrice(); price !== undefined; price = this.#auctionPrice()) {
      const before = said.length
      for (let pair = this.#bestPair(price); pair !== undefined; pair = this.#bestPair(price)) {
        const [earlier, later] = this.orders.indexOf(pair.bid) < this.orders.indexOf(pair.ask) ? [pair.bid, pair.ask] : [pair.ask, pair.bid]
        const lots = Math.min(earlier.remaining, later.remaining, Math.floor(this.#volumeLeft(later.owner, atMs) / price))
        if (lots === 0) this.orders = this.orders.filter((order) => order !== later)
        else {
          this.#settle(later, {maker: earlier, lots}, atMs, price)
          later.remaining -= lots
          said.push(`${lots} of ${earlier.id} @ ${price}`)
        }
        this.orders = this.orders.filter(({remaining}) => remaining > 0)
      }
      if (said.length > before) this.prices = {reference: price, last: price}
    }
    this.auctionEndsAtMs = undefined
    return said
  }

  #bestPair(price: number): {bid: NaiveOrder; ask: NaiveOrder} | undefined {
    const sorted = (side: 'buy' | 'sell', sign: number): NaiveOrder | undefined =>
      this.orders.filter((order) => order.side === side && sign * (order.price - price) >= 0).sort((a, b) => sign * (b.price - a.price))[0]
    const [bid, ask] = [sorted('buy', 1), sorted('sell', -1)]
    return bid && ask && {bid, ask}
  }

  #auctionPrice(): number | undefined {
    const sum = (orders: NaiveOrder[]): number => orders.reduce((all, {remaining}) => all + remaining, 0)
    const at = [...new Set(this.orders.map(({price}) => price))].map((price) => {
      const wanted = sum(this.orders.filter((order) => order.side === 'buy' && order.price >= price))
      const offered = sum(this.orders.filter((order) => order.side === 'sell' && order.price <= price))
      return {price, traded: Math.min(wanted, offered), surplus: wanted - offered}
    })
    const most = Math.max(0, ...at.map(({traded}) => traded))
    if (most === 0) return undefined
    const best = at.filter(({traded}) => traded === most)
    const least = Math.min(...best.map(({surplus}) => Math.abs(surplus)))
    const left = best.filter(({surplus}) => Math.abs(surplus) === least)
    const pricesOf = (choose: (surplus: number) => boolean): number[] => left.filter(({surplus}) => choose(surplus)).map(({price}) => price)
    const [buyers, sellers] = [pricesOf((surplus) => surplus > 0), pricesOf((surplus) => surplus < 0)]
    if (buyers.length === left.length) return Math.max(...buyers)
    if (sellers.length === left.length) return Math.min(...sellers)
    const [low, high] =
      least > 0 ? [Math.max(...buyers), Math.min(...sellers)] : [Math.min(...pricesOf(() => true)), Math.max(...pricesOf(() => true))]
    const reference = this.prices?.reference ?? Math.floor((low + high) / 2)
    return Math.min(high, Math.max(low, reference))
  }

  /** What may not be given on goes to its issuer alone, who is nobody here. */
  pay(payer: string, payee: string, asset: 'gutta' | 'leaf', amount: number): string {
    if (payer === payee) return 'rejected invalid_input'
    if (asset === 'leaf' && payee !== 'acme') return 'rejected not_transferable'
    if (amount > this.available(payer, asset)) return 'rejected insufficient_funds'
    this.add(payer, asset, -amount)
    this.add(payee, asset, amount)
    return 'paid'
  }

  cancel(id: string, owner: string): string {
    const order = this.orders.find((candidate) => candidate.id === id)
    if (order === undefined) return 'rejected not_found'
    if (order.owner !== owner) return 'rejected forbidden'
    this.orders = this.orders.filter((candidate) => candidate !== order)
    return 'cancelled'
  }

  replace(id: string, owner: string, change: NaiveReplacing, atMs: number): string[] {
    const order = this.orders.find((candidate) => candidate.id === id)
    if (order === undefined) return ['rejected not_found']
    if (order.owner !== owner) return ['rejected forbidden']
    if (this.#isOver(order, atMs)) return ['rejected not_found']
    const {price = order.price, lots = order.lots} = change
    const remaining = lots - (order.lots - order.remaining)
    if (remaining <= 0) return ['rejected rejected']
    if (price === order.price && lots <= order.lots) {
      Object.assign(order, {lots, remaining})
      return [`open ${remaining}`]
    }
    const before = this.orders
    this.orders = before.filter((other) => other !== order)
    const [kind, tif] = [change.postOnly ? 'post-only' : 'limit', 'GTC'] as const
    const said = this.place({...order, price, lots: remaining, kind, tif, selfTrade: change.selfTrade}, atMs)
    if (said[0]?.startsWith('rejected')) this.orders = before
    for (const other of this.orders) if (other.id === id && other !== order) other.lots = lots
    return said
  }

  cancelAll(owner: string, side: 'buy' | 'sell' | undefined): string[] {
    const goes = (order: NaiveOrder): boolean => order.owner === owner && (side === undefined || order.side === side)
    const numberOf = (id: string): number => Number(id.slice('ord_'.length))
    const cancelled = this.orders.filter(goes).map(({id}) => id)
    cancelled.sort((a, b) => numberOf(a) - numberOf(b))
    this.orders = this.orders.filter((order) => !goes(order))
    return cancelled
  }

  /** Says what an auction that was due has traded. */
  advance(atMs: number): string[] {
    this.orders = this.orders.filter((order) => !this.#isOver(order, atMs))
    return (this.auctionEndsAtMs ?? Number.POSITIVE_INFINITY) <= atMs ? this.#uncross(atMs) : []
  }

  #isOver({expiresAtMs}: NaiveOrder, atMs: number): boolean {
    return expiresAtMs !== undefined && expiresAtMs <= atMs
  }

  #meet(order: NaivePlacing, against: readonly NaiveOrder[], atMs: number): {fills: Fill[]; gone: NaiveOrder[]; stop: string} {
    const fills: Fill[] = []
    const gone: NaiveOrder[] = []
    let left = order.lots
    let volume = this.#volumeLeft(order.owner, atMs)
    for (const maker of against) {
      if (left === 0) break
      if (this.#isOver(maker, atMs)) {
        gone.push(maker)
        continue
      }
      if (maker.owner === order.owner) {
        if (order.selfTrade !== undefined) gone.push(maker)
        if (order.selfTrade === 'cancel-oldest') continue
        return {fills, gone, stop: 'would_self_trade'}
      }
      const wanted = Math.min(left, maker.remaining)
      const lots = Math.min(wanted, Math.floor(volume / maker.price))
      if (lots > 0 && !this.#isInBand(maker.price)) return {fills, gone, stop: 'price_band'}
      if (lots > 0) fills.push({maker, lots})
      left -= lots
      volume -= lots * maker.price
      if (lots < wanted) return {fills, gone, stop: 'volume_limit'}
    }
    return {fills, gone, stop: left === 0 ? 'filled' : 'uncrossed'}
  }

  #settle(order: Pick<NaivePlacing, 'owner' | 'side'>, {maker, lots}: Fill, atMs: number, price = maker.price): void {
    const {makerPpm, takerPpm, lotMinor, bucketMs} = this.#rules
    const notional = lots * price
    if (this.#rules.protection !== undefined) this.prices = {reference: this.prices?.reference ?? price, last: price}
    const fees = {maker: Math.floor((notional * makerPpm) / 1e6), taker: Math.floor((notional * takerPpm) / 1e6)}
    const sign = order.side === 'buy' ? 1 : -1
    this.add(order.owner, 'gutta', -sign * notional - fees.taker)
    this.add(maker.owner, 'gutta', sign * notional - fees.maker)
    this.add(order.owner, 'leaf', sign * lots * lotMinor)
    this.add(maker.owner, 'leaf', -sign * lots * lotMinor)
    this.add('fees', 'gutta', fees.maker + fees.taker)
    maker.remaining -= lots
    this.#traded.push({bucket: Math.floor(atMs / bucketMs), notional, taker: this.share === undefined ? undefined : order.owner})
  }

  #end(order: NaivePlacing, left: number, stop: string): string {
    if (left === 0) return 'filled 0'
    if (stop === 'would_self_trade') return `cancelled ${left}: ${stop}`
    if (stop === 'volume_limit') return `expired ${left}: ${stop}`
    if (order.tif === 'IOC') return `expired ${left}: ${stop === 'price_band' ? stop : 'immediate'}`
    const {id, owner, side, price, lots, expiresAtMs} = order
    this.orders.push({id, owner, side, price, expiresAtMs, lots, remaining: left})
    return `open ${left}`
  }

  #crosses(order: NaivePlacing, other: NaiveOrder): boolean {
    return order.side === 'buy' ? other.price <= order.price : other.price >= order.price
  }

  #hold(side: 'buy' | 'sell', price: number, lots: number): number {
    const {makerPpm, takerPpm, lotMinor} = this.#rules
    return side === 'buy' ? price * lots + Math.floor((price * lots * Math.max(makerPpm, takerPpm)) / 1e6) : lots * lotMinor
  }

  /** Without a share nobody is counted, and who was is forgotten. */
  setLimit(limit: number, share: number | undefined): void {
    this.limit = limit
    if (share === undefined) return
    this.share = share === 1000 ? undefined : share
    if (this.share === undefined) this.#traded = this.#traded.map((trade) => ({...trade, taker: undefined}))
  }

  #volumeLeft(owner: string, atMs: number): number {
    const oldest = Math.floor(atMs / this.#rules.bucketMs) - this.#rules.fullBuckets
    this.#traded = this.#traded.filter((trade) => trade.bucket >= oldest)
    const sum = (trades: readonly {notional: number}[]): number => trades.reduce((all, {notional}) => all + notional, 0)
    const left = Math.max(0, this.limit - sum(this.#traded))
    if (this.share === undefined) return left
    const own = sum(this.#traded.filter(({taker}) => taker === owner))
    return Math.min(left, Math.max(0, Math.max(1, Math.floor((this.limit * this.share) / 1000)) - own))
  }

  add(owner: string, asset: 'gutta' | 'leaf', amount: number): void {
    this.totals.set(`${owner} ${asset}`, (this.totals.get(`${owner} ${asset}`) ?? 0) + amount)
  }
}
