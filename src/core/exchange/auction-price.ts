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

/** What an auction would do if it ended now, and nobody's limit or share stood in the way. */
export interface IndicativeAuction {
  readonly priceMicroGutta: number
  readonly lots: number
  /** Lots wanted at that price less lots offered there: who has to wait on. */
  readonly surplus: number
}

/**
 * By the levels of a book, best first, of which no more than `levelsMax` a side are known. `undefined` where nothing crosses, or where more cross than are known.
 */
export function indicativeAuction(
  {bids, asks}: {readonly bids: readonly PricedLots[]; readonly asks: readonly PricedLots[]},
  {referenceMicroGutta, levelsMax}: {readonly referenceMicroGutta: number | undefined; readonly levelsMax: number}
): IndicativeAuction | undefined {
  const [wanted, offered] = [
    bids.filter(({priceMicroGutta}) => priceMicroGutta >= priceAt(asks, 0)),
    asks.filter(({priceMicroGutta}) => priceMicroGutta <= (bids[0]?.priceMicroGutta ?? 0))
  ]
  if (wanted.length >= levelsMax || offered.length >= levelsMax) return undefined
  const price = auctionPrice({bids: wanted, asks: offered}, referenceMicroGutta)
  if (price === undefined) return undefined
  const demand = lotsOf(wanted.filter(({priceMicroGutta}) => priceMicroGutta >= price))
  const supply = lotsOf(offered.filter(({priceMicroGutta}) => priceMicroGutta <= price))
  return {priceMicroGutta: price, lots: Math.min(demand, supply), surplus: demand - supply}
}

function lotsOf(levels: readonly PricedLots[]): number {
  return levels.reduce((sum, {lots}) => sum + lots, 0)
}

/** Those at which most trades, and of these the ones at which the least is left over. */
function bestOf(candidates: readonly Candidate[]): readonly Candidate[] {
  const traded = candidates.reduce((most, candidate) => Math.max(most, candidate.traded), 1)
  const most = candidates.filter((candidate) => candidate.traded === traded)
  const left = most.reduce((least, {surplus}) => Math.min(least, Math.abs(surplus)), Number.POSITIVE_INFINITY)
  return most.filter(({surplus}) => Math.abs(surplus) === left)
}

/** Each price that somebody named, rising. A book's orders are sorted already, so this takes one step an order: there may be hundreds of thousands. */
function candidatesOf(bids: readonly PricedLots[], asks: readonly PricedLots[]): readonly Candidate[] {
  const [wanted, offered] = [rising(bids), rising(asks)]
  const candidates: Candidate[] = []
  let demand = lotsOf(bids)
  let supply = 0
  for (let [bid, ask] = [0, 0]; bid < wanted.length || ask < offered.length; ) {
    const price = Math.min(priceAt(wanted, bid), priceAt(offered, ask))
    for (; priceAt(offered, ask) === price; ask += 1) supply += offered[ask]?.lots ?? 0
    candidates.push({price, traded: Math.min(demand, supply), surplus: demand - supply})
    for (; priceAt(wanted, bid) === price; bid += 1) demand -= wanted[bid]?.lots ?? 0
  }
  return candidates
}

function rising(orders: readonly PricedLots[]): readonly PricedLots[] {
  return orders.toSorted((a, b) => a.priceMicroGutta - b.priceMicroGutta)
}

function priceAt(orders: readonly PricedLots[], index: number): number {
  return orders[index]?.priceMicroGutta ?? Number.POSITIVE_INFINITY
}
