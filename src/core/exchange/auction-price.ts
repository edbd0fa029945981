export interface PricedLots {
  readonly priceMicroGutta: number
  readonly lots: number
}

interface Candidate {
  readonly price: number
  readonly traded: number
  /** Lots wanted at this price less lots offered. */
  readonly surplus: number
}

/**
 * The one price of a call auction: where most lots trade; of several, where the least is left over; of several, the highest where buyers are left over, the
 * lowest where sellers are; else what is nearest to the reference, or the middle where there is none. These are the usual steps of exchanges. `undefined`
 * where nothing crosses. Orders that cross none of the other side may be left out.
 */
export function auctionPrice(
  {bids, asks}: {readonly bids: readonly PricedLots[]; readonly asks: readonly PricedLots[]},
  referenceMicroGutta: number | undefined
): number | undefined {
  const best = bestOf(candidatesOf(bids, asks))
  // Prices rise from one to the next, and surpluses fall.
  const low = (best.findLast(({surplus}) => surplus > 0) ?? best[0])?.price
  const high = (best.find(({surplus}) => surplus < 0) ?? best.at(-1))?.price
  if (low === undefined || high === undefined) return undefined
  return Math.min(high, Math.max(low, referenceMicroGutta ?? low + Math.floor((high - low) / 2)))
}

/** Those at which most trades, and of these the ones at which the least is left over. */
function bestOf(candidates: readonly Candidate[]): readonly Candidate[] {
  const traded = candidates.reduce((most, candidate) => Math.max(most, candidate.traded), 1)
  const most = candidates.filter((candidate) => candidate.traded === traded)
  const left = most.reduce((least, {surplus}) => Math.min(least, Math.abs(surplus)), Number.POSITIVE_INFINITY)
  return most.filter(({surplus}) => Math.abs(surplus) === left)
}

/** Each price that somebody named, rising. */
function candidatesOf(bids: readonly PricedLots[], asks: readonly PricedLots[]): readonly Candidate[] {
  const wanted = lotsByPrice(bids)
  const offered = lotsByPrice(asks)
  const prices = [...new Set([...wanted.keys(), ...offered.keys()])].sort((a, b) => a - b)
  let demand = bids.reduce((sum, {lots}) => sum + lots, 0)
  let supply = 0
  return prices.map((price) => {
    supply += offered.get(price) ?? 0
    const candidate = {price, traded: Math.min(demand, supply), surplus: demand - supply}
    demand -= wanted.get(price) ?? 0
    return candidate
  })
}

function lotsByPrice(orders: readonly PricedLots[]): ReadonlyMap<number, number> {
  const lots = new Map<number, number>()
  for (const order of orders) lots.set(order.priceMicroGutta, (lots.get(order.priceMicroGutta) ?? 0) + order.lots)
  return lots
}
