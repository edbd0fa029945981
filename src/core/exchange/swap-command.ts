import assert from 'node:assert'
import type {CommandOf} from '../protocol/commands.ts'
import {bandOf} from './auction.ts'
import {AVAILABLE, HELD} from './balances.ts'
import {refuseOtherMeasure} from './incentive-commands.ts'
import {isOpen} from './meet-market.ts'
import type {Taker} from './order-book.ts'
import {BUY, SELL, type Side} from './order-pool.ts'
import {refuse} from './outcome.ts'
import {Settlement, type TakingOrder} from './settlement.ts'
import {type AccountState, type CommandContext, GUTTA_ASSET, type IncentiveState, type Result} from './state.ts'
import {costOf, type Leg, type MetOrder, planSwap, proceedsOf, swapRefusal} from './swap-plan.ts'
import {volumeLeft} from './volume-left.ts'

type Swapping = CommandOf<'swap'>

interface Trade {
  readonly side: 'buy' | 'sell'
  readonly leg: Leg
  readonly selfTrade: Swapping['selfTrade']
}

/** Sells one incentive and buys another with what it brings, in one step: looked at first, then done as it was seen, or not at all. What is left of the Gutta is the account's. */
export function swap(context: CommandContext, owner: AccountState, body: Swapping): Result {
  const {state, seq, atMs} = context
  const [from, to] = [state.incentive(body.from), state.incentive(body.to)]
  refuseOtherMeasure(from, body.fromMeasure)
  refuseOtherMeasure(to, body.toMeasure)
  state.exchangeOrg()
  if (from === to) refuse('invalid_input', 'A swap is between two incentives.')
  for (const {id} of [from, to].filter((incentive) => !isOpen(incentive)))
    refuse('in_auction', `The market of ${id} is in an auction: nothing is swapped before its end.`)
  const {exact, sendLots, receiveLots, selfTrade} = body
  const volume = {from: volumeLeft(from, owner.index, atMs), to: volumeLeft(to, owner.index, atMs)}
  const books = {bids: metOrders(context, owner, from, BUY), asks: metOrders(context, owner, to, SELL)}
  const terms = {exact, sendLots, receiveLots, takerPpm: state.genesis.fees.takerPpm, goesPastOwn: selfTrade !== undefined}
  const bands = {from: bandOf(state, from), to: bandOf(state, to)}
  const plan = planSwap(books, {...terms, volumeLeft: volume, bands})
  if ('trouble' in plan) {
    const {code, message} = swapRefusal(plan, body)
    refuse(code, message)
  }
  const {selling, buying} = plan
  const has = state.balances.of(owner.index, from.asset, AVAILABLE)
  const sent = selling.lots * from.lotMinor
  if (has < sent)
    refuse('insufficient_funds', `The swap sends ${state.amountText(from.asset, sent)}; ${state.amountText(from.asset, has)} is available.`)
  take(context, owner, from, {side: 'sell', leg: selling, selfTrade})
  take(context, owner, to, {side: 'buy', leg: buying, selfTrade})
  return {
    swap: swapId(seq),
    from: from.id,
    to: to.id,
    sentLots: String(selling.lots),
    deliveredLots: String(buying.lots),
    soldForMicroGutta: String(selling.notionalMicroGutta),
    boughtForMicroGutta: String(buying.notionalMicroGutta),
    feeMicroGutta: String(selling.feeMicroGutta + buying.feeMicroGutta),
    leftMicroGutta: String(proceedsOf(selling) - costOf(buying))
  }
}

/** What the trades of a swap name in the place of an order. */
function swapId(seq: number): string {
  return `swap_${seq}`
}

function* metOrders({state, atMs}: CommandContext, owner: AccountState, {asset}: IncentiveState, side: Side): Generator<MetOrder> {
  const {pool} = state.market
  for (const order of state.market.book(asset).orders(side)) {
    const expiresAtMs = pool.expiresAtMs[order] ?? 0
    yield {
      priceMicroGutta: pool.priceMicroGutta[order] ?? 0,
      lots: pool.remaining[order] ?? 0,
      isOwn: pool.owner[order] === owner.index,
      isExpired: expiresAtMs !== 0 && expiresAtMs <= atMs
    }
  }
}

/** Trades one leg as it was planned. It holds to the micro-gutta what it will cost. */
function take(context: CommandContext, owner: AccountState, incentive: IncentiveState, trade: Trade): void {
  const {state, seq, atMs} = context
  const {side, leg, selfTrade} = trade
  const [heldAsset, amount] = side === 'buy' ? [GUTTA_ASSET, costOf(leg)] : [incentive.asset, leg.lots * incentive.lotMinor]
  state.balances.move(state.slot(owner.index, heldAsset, AVAILABLE), state.slot(owner.index, heldAsset, HELD), amount)
  const priceMicroGutta = leg.worstPriceMicroGutta
  const order: TakingOrder = {id: swapId(seq), owner: owner.index, side, priceMicroGutta, remaining: leg.lots, holdsExactly: true}
  const settlement = new Settlement(context, incentive, order)
  const taker: Taker = {owner: owner.index, side: side === 'buy' ? BUY : SELL, priceMicroGutta, lots: leg.lots, selfTrade}
  state.market.book(incentive.asset).match(taker, volumeLeft(incentive, owner.index, atMs), atMs, settlement)
  const {notionalMicroGutta, feeMicroGutta} = settlement
  assert.deepEqual(
    [order.remaining, notionalMicroGutta, feeMicroGutta],
    [0, leg.notionalMicroGutta, leg.feeMicroGutta],
    'a swap as planned'
  )
}
