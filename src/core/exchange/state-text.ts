import {BUY, SELL} from './order-pool.ts'
import type {LedgerState} from './state.ts'

/**
 * The whole state as lines of text, the same for the same commands: what a digest is made of. Maps are in the order of their making, which the
 * commands determine.
 */
export function* stateLines(state: LedgerState): Generator<string> {
  yield line('network', state.networkId, state.nextEpoch, state.mintedMicroGutta, state.carriedMicroGutta)
  for (const {index, ...account} of state.accounts) yield line('account', index, account)
  for (const {account, asset, kind, balance} of state.balances.all()) {
    yield line('balance', state.accountName(account), state.assetName(asset), kind, balance)
  }
  for (const [hash, token] of state.nodeTokens) yield line('token', hash, token)
  for (const hash of state.usedTokens) yield line('used', hash)
  for (const node of state.nodes.values()) yield line('node', node)
  for (const gateway of state.gateways.values()) yield line('gateway', gateway)
  for (const incentive of state.incentivesById.values()) {
    const {volume, ...terms} = incentive
    yield line('incentive', terms, volume.buckets())
  }
  for (const {id, incentive, priceMinor, stock} of state.offers.values()) yield line('offer', id, incentive.id, priceMinor, stock)
  for (const redemption of state.redemptions.values()) yield line('redemption', {...redemption, offer: redemption.offer.id})
  for (const app of state.apps.values()) {
    yield line('app', app.org, app.name, app.routes)
    for (const [name, {revisions, traffic, tags}] of app.functions) yield line('function', name, revisions, traffic, [...tags])
  }
  for (const {work, ...revision} of state.revisions.values()) {
    yield line('revision', revision)
    for (const [node, {leases, carries, paid}] of work) {
      const windows = [...paid].map(([gateway, of]) => [gateway, of.bounds()])
      yield line(
        'pair',
        revision.id,
        node,
        [...leases].map(({id}) => id),
        [...carries],
        windows
      )
    }
  }
  for (const [key, reason] of state.blocks) yield line('block', key, reason)
  for (const lease of state.leases.values()) yield line('lease', lease)
  for (const [account, work] of state.work) yield line('work', state.accountName(account), work)
  yield* orderLines(state)
}

function* orderLines(state: LedgerState): Generator<string> {
  const {books, pool} = state.market
  for (const [asset, book] of books.entries()) {
    for (const side of [BUY, SELL] as const) {
      for (const slot of book?.orders(side) ?? []) {
        yield line(
          'order',
          state.assetName(asset),
          side,
          pool.seq[slot],
          pool.owner[slot],
          pool.priceMicroGutta[slot],
          pool.remaining[slot],
          pool.expiresAtMs[slot]
        )
      }
    }
  }
}

function line(...parts: unknown[]): string {
  return `${JSON.stringify(parts)}\n`
}
