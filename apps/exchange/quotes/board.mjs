/** All markets in one answer, for the first page over a slow line. */
const MARKETS_AT_ONCE = 50
const OFFERS_SHOWN = 3
const OFFERS_READ = 1_000
/** Reads of the coordinator that are under way at a time. */
const READS_AT_ONCE = 8

/** A page of markets: each incentive with its ticker, the record of its redemptions, and the first of what it buys. */
export async function readBoard(reads, {cursor, after}) {
  const page = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`
  const [{incentives, next}, {sequence}] = await Promise.all([
    reads.readJson(`/v1/incentives?limit=${MARKETS_AT_ONCE}${page}`, after),
    reads.readJson('/v1/network', after)
  ])
  const markets = await inTurns(incentives, async (incentive) => {
    // Of each by itself: of all at once, one issuer's thousand would leave those of others out.
    const [ticker, record, {offers}] = await Promise.all([
      reads.readJson(`/v1/markets/${incentive.id}/ticker`, after),
      reads.readJson(`/v1/incentives/${incentive.id}/record`, after),
      reads.readJson(`/v1/offers?incentive=${encodeURIComponent(incentive.id)}&limit=${OFFERS_READ}`, after)
    ])
    return {incentive, ticker, record, offers: offers.slice(0, OFFERS_SHOWN), offersInAll: offers.length}
  })
  return {sequence, markets, ...(next === undefined ? {} : {next})}
}

async function inTurns(items, read) {
  const answers = new Array(items.length)
  const left = items.entries()
  const one = async () => {
    for (const [place, item] of left) answers[place] = await read(item)
  }
  await Promise.all(Array.from({length: Math.min(READS_AT_ONCE, items.length)}, one))
  return answers
}
