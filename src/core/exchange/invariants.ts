import assert from 'node:assert'
import {ACCOUNT_KEYS_MAX} from '../protocol/account-keys.ts'
import {balanceKinds} from '../protocol/api.ts'
import type {LedgerMachine} from './ledger-machine.ts'
import type {OrderBook} from './order-book.ts'
import {BUY, NONE, SELL, type Side} from './order-pool.ts'
import {holdOf} from './settlement.ts'
import type {IncentiveState, LedgerState} from './state.ts'

/**
 * What must hold between any two commands. Walks the whole state: for tests after each command, in production every so many groups.
 * @throws {AssertionError} naming what is broken.
 */
export function assertInvariants({state}: LedgerMachine): void {
  assertBalances(state)
  let orders = 0
  for (const {id, asset, openOrders, auction} of state.incentivesById.values()) {
    const book = state.market.books[asset]
    const resting = book === undefined ? 0 : assertBook(state, asset, book)
    if (auction === undefined) assertUncrossed(state, asset, book)
    else assertAuction(state, asset, book)
    assert.equal(openOrders, resting, `open orders of ${id}`)
    orders += resting
  }
  for (const incentive of state.incentivesById.values()) assertTakers(incentive)
  assert.equal(orders, state.market.pool.count, 'orders in books and in the pool')
  for (const {index, id, openOrders} of state.accounts) {
    const own = [...state.market.ordersOf(index)]
    assert.equal(own.length, openOrders, `open orders of ${id}`)
    assert(
      own.every((slot) => state.market.pool.owner[slot] === index),
      `${id} is led to orders of others`
    )
  }
  const openOrders = state.accounts.reduce((sum, account) => sum + account.openOrders, 0)
  assert.equal(openOrders, orders, 'open orders counted by account')
  assertTraffic(state)
  assertKeys(state)
  for (const {id, stock} of state.offers.values()) assert(stock >= 0, `stock of ${id} below zero`)
  for (const {id, startsAtMs, endsAtMs, standbyMs = 0} of state.leases.values()) {
    assert(standbyMs <= Math.max(0, endsAtMs - startsAtMs), `${id} was stood by for longer than it lasted`)
  }
  assert(state.mintedMicroGutta <= state.genesis.emission.totalMicroGutta, 'more minted than the emission allows')
}

/** All owners together took no more in a bucket than was traded in it. */
function assertTakers({id, takers, volume}: IncentiveState): void {
  const taken = new Map<number, number>()
  for (const {bucket, notionalMicroGutta} of takers.entries().flatMap(([, buckets]) => buckets)) {
    assert(notionalMicroGutta > 0, `an empty bucket of ${id}`)
    taken.set(bucket, (taken.get(bucket) ?? 0) + notionalMicroGutta)
  }
  for (const {bucket, notionalMicroGutta} of volume.buckets())
    assert((taken.get(bucket) ?? 0) <= notionalMicroGutta, `more taken than traded of ${id}`)
}

/** Each account has an owner key, and what leads to accounts by keys is what they say of themselves. */
function assertKeys({accounts, accountsByKey, invitesByKey, recoveringKeys}: LedgerState): void {
  let [keys, invited, recovering] = [0, 0, 0]
  for (const account of accounts) {
    assert(
      account.keys.some(({roles}) => roles.includes('owner')),
      `${account.id} has no owner key`
    )
    assert(account.keys.length <= ACCOUNT_KEYS_MAX, `${account.id} has ${account.keys.length} keys`)
    for (const key of account.keys) assert.equal(accountsByKey.get(key.keyId)?.key, key, `${account.id} and its key ${key.keyId}`)
    for (const {keyId} of account.invites ?? []) assert.equal(invitesByKey.get(keyId), account.index, `the invitation ${keyId}`)
    if (account.recovery !== undefined) {
      assert.equal(recoveringKeys.get(account.recovery.keyId), account.index, `the recovery of ${account.id}`)
      assert(!accountsByKey.has(account.recovery.keyId), `${account.id} is recovered with a key that is in use`)
      recovering += 1
    }
    keys += account.keys.length
    invited += account.invites?.length ?? 0
  }
  assert.deepEqual([accountsByKey.size, invitesByKey.size, recoveringKeys.size], [keys, invited, recovering], 'keys counted by account')
}

/** Each function's traffic makes 100 percent, and goes like its tags to revisions that are there and known to be current. */
function assertTraffic(state: LedgerState): void {
  const current = new Set<string>()
  for (const [app, {functions}] of state.apps) {
    for (const [name, {revisions, traffic, tags}] of functions) {
      const percent = traffic.reduce((sum, share) => sum + share.percent, 0)
      assert.equal(percent, 100, `traffic of ${app}/${name}`)
      const named = [...traffic.map(({revision}) => revision), ...tags.values()]
      for (const id of named) current.add(id)
      for (const id of named) assert(revisions.includes(id), `${app}/${name} sends traffic to ${id}, which it has not`)
      for (const id of revisions) assert(state.revisions.get(id)?.isKept, `${app}/${name} keeps ${id}, which is not there`)
    }
  }
  for (const {id, isCurrent} of state.revisions.values()) assert.equal(isCurrent, current.has(id), `whether ${id} is current`)
}

/** Sums are zero, only `issued` is negative, held is what orders and redemptions hold, reserved is what leases hold. */
function assertBalances(state: LedgerState): void {
  const sums = new Map<number, bigint>()
  const held = heldBySource(state)
  const reserved = reservedByLeases(state)
  for (const {account, asset, kind, balance} of state.balances.all()) {
    const name = `${state.accountName(account)} ${state.assetName(asset)} ${kind}`
    assert(balanceKinds.includes(kind) && Number.isSafeInteger(balance), `${name} is not a whole amount`)
    assert(kind === 'issued' ? balance < 0 : balance > 0, `${name} has the wrong sign`)
    sums.set(asset, (sums.get(asset) ?? 0n) + BigInt(balance))
    const source = kind === 'held' ? held : kind === 'reserved' ? reserved : undefined
    if (source === undefined) continue
    assert.equal(balance, source.get(`${account}/${asset}`) ?? 0, `${name} and what it is for`)
    source.delete(`${account}/${asset}`)
  }
  for (const [asset, sum] of sums) assert.equal(sum, 0n, `sum over ${state.assetName(asset)}`)
  for (const [key, amount] of [...held, ...reserved]) assert.equal(amount, 0, `nothing is held or reserved for ${key}`)
}

function heldBySource(state: LedgerState): Map<string, number> {
  const held = new Map<string, number>()
  const {books, pool} = state.market
  for (const [asset, book] of books.entries()) {
    for (const side of [BUY, SELL] as const) {
      for (const slot of book?.orders(side) ?? []) {
        const order = {
          asset,
          side: side === BUY ? 'buy' : 'sell',
          priceMicroGutta: pool.priceMicroGutta[slot] ?? 0,
          lots: pool.remaining[slot] ?? 0
        } as const
        const {heldAsset, amount} = holdOf(state, order)
        add(held, `${pool.owner[slot]}/${heldAsset}`, amount)
      }
    }
  }
  for (const {holder, offer, amountMinor} of state.redemptions.values()) add(held, `${holder}/${offer.incentive.asset}`, amountMinor)
  return held
}

function reservedByLeases(state: LedgerState): Map<string, number> {
  const reserved = new Map<string, number>()
  for (const {revision, budgets} of state.leases.values()) {
    const org = state.revisions.get(revision)?.org
    for (const {asset, reservedMinor, paidMinor} of budgets) add(reserved, `${org}/${asset}`, reservedMinor - paidMinor)
  }
  return reserved
}

function assertUncrossed(state: LedgerState, asset: number, book: OrderBook | undefined): void {
  const [bid, ask] = [book?.bids.bestPriceMicroGutta, book?.asks.bestPriceMicroGutta]
  assert(bid === undefined || ask === undefined || bid < ask, `the book of ${state.assetName(asset)} crosses`)
  assert(!state.auctions.has(asset), `the market of ${state.assetName(asset)} is in no auction`)
}

/** Orders may cross, but nobody's own: they would trade with themselves. */
function assertAuction(state: LedgerState, asset: number, book: OrderBook | undefined): void {
  const {owner: owners, priceMicroGutta} = state.market.pool
  const bids = new Map<number, number>()
  assert(state.auctions.has(asset), `the market of ${state.assetName(asset)} is in an auction`)
  for (const slot of book?.orders(BUY) ?? []) {
    const owner = owners[slot] ?? 0
    bids.set(owner, Math.max(bids.get(owner) ?? 0, priceMicroGutta[slot] ?? 0))
  }
  for (const slot of book?.orders(SELL) ?? []) {
    const owner = owners[slot] ?? 0
    assert((bids.get(owner) ?? 0) < (priceMicroGutta[slot] ?? 0), `${state.accountName(owner)} would trade with itself`)
  }
}

/** Sorted levels of one price each, their quantities the sum of their orders. Returns its number of orders. */
function assertBook(state: LedgerState, asset: number, book: OrderBook): number {
  return assertSide(state, asset, book, BUY) + assertSide(state, asset, book, SELL)
}

function assertSide(state: LedgerState, asset: number, book: OrderBook, side: Side): number {
  const {pool} = state.market
  const byPrice = new Map<number, number>()
  let count = 0
  for (const slot of book.orders(side)) {
    const remaining = pool.remaining[slot] ?? 0
    assert(remaining > 0 && remaining <= (pool.lots[slot] ?? 0), 'a resting order without lots')
    assert.equal(pool.book[slot], asset, 'an order in another book')
    assert.equal(pool.side[slot], side, 'an order on the other side')
    assert.equal(state.market.find(pool.seq[slot] ?? 0), slot, 'an order that its number does not lead to')
    byPrice.set(pool.priceMicroGutta[slot] ?? 0, (byPrice.get(pool.priceMicroGutta[slot] ?? 0) ?? 0) + remaining)
    count += 1
  }
  const levels = book.side(side)
  assert.equal(levels.count, byPrice.size, 'levels and prices')
  let place = levels.best
  for (const [price, lots] of byPrice) {
    assert.notEqual(levels.headAt(place), NONE, 'an empty level that is not passed over')
    assert.equal(levels.priceAt(place), price, 'a level out of order')
    assert.equal(levels.lotsAt(place), lots, 'a level and its orders')
    assert.equal(levels.lotsOf(price), lots, 'a level that its price does not lead to')
    place = levels.worse(place)
    const next = place === NONE ? undefined : levels.priceAt(place)
    assert(next === undefined || (side === BUY ? next < price : next > price), 'levels are not sorted')
  }
  return count
}

function add(sums: Map<string, number>, key: string, amount: number): void {
  sums.set(key, (sums.get(key) ?? 0) + amount)
}
