import {AVAILABLE, FEE, HELD} from './balances.ts'
import {feeOf} from './escrow.ts'
import type {MatchListener} from './order-book.ts'
import {orderId} from './order-ids.ts'
import {BUY, SELL} from './order-pool.ts'
import type {Effect, OrderChanged} from './outcome.ts'
import {type CommandContext, GUTTA_ASSET, type IncentiveState, type LedgerState} from './state.ts'

/** The order that takes; what it holds falls with each fill. */
export interface TakingOrder {
  readonly id: string
  readonly owner: number
  readonly side: 'buy' | 'sell'
  readonly priceMicroGutta: number
  /** It buys and holds what its fills will cost, and not what they could cost at its price. */
  readonly holdsExactly?: true
  remaining: number
}

/** Lots of an order, for which it holds. */
export interface HoldingOrder {
  readonly owner: number
  readonly asset: number
  readonly side: 'buy' | 'sell'
  readonly priceMicroGutta: number
  readonly lots: number
}

interface Party {
  readonly owner: number
  readonly feeMicroGutta: number
}

/**
 * Settles each fill as the book reports it: the buyer's hold pays the seller and both fees, what the price was better than the limit is freed,
 * the lots change hands. Everything comes out of holds, so nothing here can fail for want of funds.
 */
export class Settlement implements MatchListener {
  fills: number
  notionalMicroGutta = 0
  feeMicroGutta = 0
  /** Resting orders that went without a trade. */
  #removals = 0
  readonly #context: CommandContext
  readonly #incentive: IncentiveState
  readonly #taker: TakingOrder

  /** The number of its first trade is not 0 where the command has made others. */
  constructor(context: CommandContext, incentive: IncentiveState, taker: TakingOrder, firstIndex = 0) {
    this.fills = firstIndex
    this.#context = context
    this.#incentive = incentive
    this.#taker = taker
  }

  /** True while neither book nor balances have changed by it: the command may still be refused. */
  get isUntouched(): boolean {
    return this.fills === 0 && this.#removals === 0
  }

  filled(maker: number, lots: number, priceMicroGutta: number): void {
    const {state, atMs, effects} = this.#context
    const {pool} = state.market
    const {fees} = state.genesis
    const taker = this.#taker
    const notional = priceMicroGutta * lots
    const makerRemaining = pool.remaining[maker] ?? 0
    const making: Party = {owner: pool.owner[maker] ?? 0, feeMicroGutta: feeOf(notional, fees.makerPpm)}
    const taking: Party = {owner: taker.owner, feeMicroGutta: feeOf(notional, fees.takerPpm)}
    if (taker.side === 'buy') {
      const freed =
        taker.holdsExactly === true ? notional + taking.feeMicroGutta : this.#freed(taker.priceMicroGutta, taker.remaining, lots)
      this.#settle({buyer: taking, seller: making, freed, lots, notional})
    } else {
      this.#settle({
        buyer: making,
        seller: taking,
        freed: this.#freed(pool.priceMicroGutta[maker] ?? 0, makerRemaining, lots),
        lots,
        notional
      })
    }
    taker.remaining -= lots
    this.#incentive.volume.add(atMs, notional)
    if (this.#incentive.ownerSharePermille !== undefined) this.#incentive.takers.add(taker.owner, atMs, notional)
    notePrice(state, this.#incentive, priceMicroGutta)
    const makerId = orderId(pool.seq[maker] ?? 0)
    effects.push({
      type: 'trade',
      index: this.fills,
      incentive: this.#incentive.id,
      priceMicroGutta,
      lots,
      takerSide: taker.side,
      maker: makerId,
      taker: taker.id,
      makerFeeMicroGutta: making.feeMicroGutta,
      takerFeeMicroGutta: taking.feeMicroGutta
    })
    const rest = makerRemaining - lots
    effects.push(orderChanged(makerId, rest, rest === 0 ? 'filled' : 'open', null))
    if (rest === 0) forgetOrder(state, maker)
    this.fills += 1
    this.notionalMicroGutta += notional
    this.feeMicroGutta += taking.feeMicroGutta
  }

  expired(maker: number): void {
    this.#remove(maker, 'expired', 'time')
  }

  ownCancelled(maker: number): void {
    this.#remove(maker, 'cancelled', 'would_self_trade')
  }

  #remove(maker: number, status: 'cancelled' | 'expired', reason: string): void {
    const {state, effects} = this.#context
    this.#removals += 1
    effects.push(freeResting(state, maker, status, reason))
    forgetOrder(state, maker)
  }

  /** What a bid holds less by these lots. */
  #freed(limit: number, before: number, lots: number): number {
    const {market} = this.#context.state
    const {lotMinor} = this.#incentive
    return market.holdOf(BUY, limit, before, lotMinor) - market.holdOf(BUY, limit, before - lots, lotMinor)
  }

  #settle(trade: {buyer: Party; seller: Party; freed: number; lots: number; notional: number}): void {
    const {state} = this.#context
    const {balances} = state
    const {asset, lotMinor} = this.#incentive
    const {buyer, seller, notional, lots, freed} = trade
    const buyerHeld = state.slot(buyer.owner, GUTTA_ASSET, HELD)
    const fees = buyer.feeMicroGutta + seller.feeMicroGutta
    balances.move(buyerHeld, state.slot(seller.owner, GUTTA_ASSET, AVAILABLE), notional - seller.feeMicroGutta)
    balances.move(buyerHeld, state.slot(state.exchangeOrg().index, GUTTA_ASSET, FEE), fees)
    balances.move(buyerHeld, state.slot(buyer.owner, GUTTA_ASSET, AVAILABLE), freed - notional - buyer.feeMicroGutta)
    balances.move(state.slot(seller.owner, asset, HELD), state.slot(buyer.owner, asset, AVAILABLE), lots * lotMinor)
  }
}

/** Remembers what bands lie around. Before there was an auction with a trade, the first trade is what the static one lies around. */
function notePrice(state: LedgerState, incentive: IncentiveState, priceMicroGutta: number): void {
  if (state.genesis.protection === undefined) return
  if (incentive.prices === undefined) incentive.prices = {referenceMicroGutta: priceMicroGutta, lastMicroGutta: priceMicroGutta}
  else incentive.prices.lastMicroGutta = priceMicroGutta
}

/** Frees what a resting order holds; the caller takes it out of its book. */
export function freeResting(state: LedgerState, order: number, status: 'cancelled' | 'expired', reason: string): Effect {
  const {pool} = state.market
  const owner = pool.owner[order] ?? 0
  const asset = pool.book[order] ?? 0
  const remaining = pool.remaining[order] ?? 0
  freeHold(state, {
    owner,
    asset,
    side: pool.side[order] === BUY ? 'buy' : 'sell',
    priceMicroGutta: pool.priceMicroGutta[order] ?? 0,
    lots: remaining
  })
  return orderChanged(orderId(pool.seq[order] ?? 0), remaining, status, reason)
}

/** held → available for lots that won't be traded by this order. */
export function freeHold(state: LedgerState, order: HoldingOrder): void {
  const {heldAsset, amount} = holdOf(state, order)
  state.balances.move(state.slot(order.owner, heldAsset, HELD), state.slot(order.owner, heldAsset, AVAILABLE), amount)
}

/** What an order for these lots holds, and of which asset. */
export function holdOf(state: LedgerState, order: Omit<HoldingOrder, 'owner'>): {readonly heldAsset: number; readonly amount: number} {
  const isBid = order.side === 'buy'
  const lotMinor = state.incentives[order.asset]?.lotMinor ?? 0
  const amount = state.market.holdOf(isBid ? BUY : SELL, order.priceMicroGutta, order.lots, lotMinor)
  return {heldAsset: isBid ? GUTTA_ASSET : order.asset, amount}
}

export function orderChanged(id: string, remainingLots: number, status: OrderChanged['status'], reason: string | null): OrderChanged {
  return {type: 'order.changed', id, remainingLots, status, reason}
}

/** Drops a resting order's number, and its owner's and its incentive's count. */
export function forgetOrder(state: LedgerState, order: number): void {
  state.market.forget(order)
  const owner = state.accounts[state.market.pool.owner[order] ?? 0]
  if (owner !== undefined) owner.openOrders -= 1
  const incentive = state.incentives[state.market.pool.book[order] ?? 0]
  if (incentive !== undefined) incentive.openOrders -= 1
}
