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
    const {fills, gone, stop} = this.#meet(order, against, atMs)
    const left = order.lots - fills.reduce((sum, fill) => sum + fill.lots, 0)
    if (order.tif === 'FOK' && left > 0) return [`rejected ${stop === 'volume_limit' || stop === 'would_self_trade' ? stop : 'rejected'}`]
    if (this.#hold(order.side, order.price, order.lots) > this.available(order.owner, order.side === 'buy' ? 'gutta' : 'leaf')) {
      return ['rejected insufficient_funds']
    }
    if (stop === 'would_self_trade' && fills.length === 0 && gone.length === 0) return ['rejected would_self_trade']
    for (const fill of fills) this.#settle(order, fill, atMs)
    this.orders = this.orders.filter((other) => other.remaining > 0 && !gone.includes(other))
    return [...fills.map((fill) => `${fill.lots} of ${fill.maker.id} @ ${fill.maker.price}`), this.#end(order, left, stop)]
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

  advance(atMs: number): void {
    this.orders = this.orders.filter((order) => !this.#isOver(order, atMs))
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
      if (lots > 0) fills.push({maker, lots})
      left -= lots
      volume -= lots * maker.price
      if (lots < wanted) return {fills, gone, stop: 'volume_limit'}
    }
    return {fills, gone, stop: left === 0 ? 'filled' : 'uncrossed'}
  }

  #settle(order: NaivePlacing, {maker, lots}: Fill, atMs: number): void {
    const {makerPpm, takerPpm, lotMinor, bucketMs} = this.#rules
    const notional = lots * maker.price
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
    if (order.tif === 'IOC') return `expired ${left}: immediate`
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
    return Math.min(left, Math.max(0, Math.floor((this.limit * this.share) / 1000) - own))
  }

  add(owner: string, asset: 'gutta' | 'leaf', amount: number): void {
    this.totals.set(`${owner} ${asset}`, (this.totals.get(`${owner} ${asset}`) ?? 0) + amount)
  }
}
