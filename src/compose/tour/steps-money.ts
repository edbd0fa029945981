import {z} from 'zod'
import {
  accountViewSchema,
  bookViewSchema,
  epochViewSchema,
  GUTTA,
  incentiveViewSchema,
  networkViewSchema,
  offerViewSchema,
  receiptViewSchema,
  redemptionViewSchema,
  tradeViewSchema
} from '../../core/protocol/api.ts'
import {signedAmountSchema} from '../../core/protocol/scalars.ts'
import {formatDecimal, GUTTA_DECIMALS} from '../../core/units.ts'
import {ask} from '../ask.ts'
import {balanceOf} from './balances.ts'
import {askForPrimes} from './load.ts'
import {eventually, mustHold} from './must-hold.ts'
import {everythingPaid} from './receipts-paid.ts'
import {bookUrl, shopUrl, WARM_REQUESTS} from './steps-apps.ts'
import {LEAF, LEAF_LIMIT_GUTTA, LEAF_POOL_MINOR, ORGS, OWNERS} from './steps-network.ts'
import type {TourStep, TourWorld} from './tour.ts'

const PRIMES_ASKED = 400
const BOOKS_ASKED = 20
const LEAF_DECIMALS = 2
const LEAF_LOT_MINOR = 100
const PRICE_GUTTA = '0.5'
const PRICE_MICRO_GUTTA = 500_000
/** Lots of the trade that fits the volume limit, and of the one that does not. */
const LOTS_THAT_FIT = 4
const LOTS_BEYOND = 4
const OFFER_PRICE_MINOR = 200

const orderAnswerSchema = z.looseObject({order: z.string(), status: z.string(), reason: z.string().nullable(), filled: z.string()})

export const moneySteps: readonly TourStep[] = [
  {
    id: 'earn_leaf',
    title: "Receipts signed by gateway and miner earn LEAF from the lease's budget",
    run: async (world) => {
      const load = await askForPrimes(shopUrl(world), {count: PRIMES_ASKED, signal: world.signal})
      mustHold(load.answered === PRIMES_ASKED, `every prime is right: ${load.failures.join('; ')}`)
      const {served, paid} = await everythingPaid(world, ORGS.shop, PRIMES_ASKED + WARM_REQUESTS)
      const {receipts, earnedMinor} = await earnedAsReceiptsSay(world)
      mustHold((await balanceOf(world, OWNERS.gutta, LEAF)) === 0, 'ben, who selected Gutta, earned no LEAF')
      const amount = formatDecimal(earnedMinor, LEAF_DECIMALS)
      world.found(`${paid} requests paid, ana has ${amount} LEAF`)
      return {requestsServed: served, requestsPaid: paid, receipts, earned: {owner: OWNERS.leaf, amount, incentive: LEAF}}
    }
  },
  {
    id: 'earn_gutta',
    title: 'An epoch ends and mints Gutta for verified work on the exchange',
    run: async (world) => {
      const before = await lastEpoch(world)
      for (let asked = 0; asked < BOOKS_ASKED; asked += 1) {
        const {status} = await ask(bookUrl(world), {signal: world.signal})
        mustHold(status === 200, `the exchange answers with its book, it answered ${status}`)
      }
      await everythingPaid(world, ORGS.exchange, BOOKS_ASKED)
      const ben = await world.read(`/v1/accounts/${OWNERS.gutta}`, accountViewSchema)
      const minted = await eventually('an epoch pays ben', world.signal, async () => {
        const {epochs} = await world.read('/v1/epochs', z.object({epochs: z.array(epochViewSchema)}))
        return epochs.find((epoch) => epoch.epoch > before && epoch.shares.some((share) => share.account === ben.id))
      })
      mustHold(
        minted.shares.every((share) => share.account === ben.id),
        'only ben, who hosts the exchange, has a share'
      )
      mustHold((await balanceOf(world, OWNERS.leaf, GUTTA)) === 0, 'ana, who does not host the exchange, earned no Gutta')
      const amount = formatDecimal(await mintedAsEpochsSay(world, ben.id), GUTTA_DECIMALS)
      world.found(`epoch ${minted.epoch} minted ${formatDecimal(minted.mintedMicroGutta, GUTTA_DECIMALS)} Gutta, ben has ${amount}`)
      return {
        epoch: minted.epoch,
        mintedGutta: formatDecimal(minted.mintedMicroGutta, GUTTA_DECIMALS),
        earned: {owner: OWNERS.gutta, amount, incentive: GUTTA}
      }
    }
  },
  {
    id: 'trade',
    title: "ana sells LEAF for ben's Gutta through the order book",
    run: async (world) => {
      const enough = LOTS_THAT_FIT + LOTS_BEYOND
      await eventually(`ana has earned the ${enough} LEAF she wants to sell`, world.signal, async () =>
        (await balanceOf(world, OWNERS.leaf, LEAF)) >= enough * LEAF_LOT_MINOR ? true : undefined
      )
      const guttaBefore = await balanceOf(world, OWNERS.leaf, GUTTA)
      const leafBefore = await balanceOf(world, OWNERS.gutta, LEAF)
      const sell = await world.creo(
        ['trade', 'sell', LEAF, String(LOTS_THAT_FIT), '--price', PRICE_GUTTA, '--as', OWNERS.leaf],
        orderAnswerSchema
      )
      const book = await world.read(`/v1/markets/${LEAF}/book`, bookViewSchema)
      mustHold(book.asks[0]?.priceMicroGutta === PRICE_MICRO_GUTTA, 'the book shows her ask')
      const buy = await world.creo(
        ['trade', 'buy', LEAF, String(LOTS_THAT_FIT), '--price', PRICE_GUTTA, '--as', OWNERS.gutta],
        orderAnswerSchema
      )
      mustHold(buy.status === 'filled', 'his bid is filled at once')
      const {trades} = await world.read(`/v1/markets/${LEAF}/trades?limit=1`, z.object({trades: z.array(tradeViewSchema)}))
      mustHold(trades[0]?.lots === LOTS_THAT_FIT && trades[0].priceMicroGutta === PRICE_MICRO_GUTTA, 'the trade is published')
      const gotGutta = (await balanceOf(world, OWNERS.leaf, GUTTA)) - guttaBefore
      const gotLeaf = (await balanceOf(world, OWNERS.gutta, LEAF)) - leafBefore
      mustHold(gotLeaf === LOTS_THAT_FIT * LEAF_LOT_MINOR, 'ben received the LEAF')
      const paid = await paidInTrade(world, trades[0].seq)
      const fees = await feesOf(world, LOTS_THAT_FIT * PRICE_MICRO_GUTTA)
      mustHold(paid === LOTS_THAT_FIT * PRICE_MICRO_GUTTA + fees.taker, 'ben paid the price and the fee of the genesis, no more')
      mustHold(gotGutta === LOTS_THAT_FIT * PRICE_MICRO_GUTTA - fees.maker, 'ana received the price, less the fee of the genesis')
      world.found(`ana received ${formatDecimal(gotGutta, GUTTA_DECIMALS)} Gutta, ben ${formatDecimal(gotLeaf, LEAF_DECIMALS)} LEAF`)
      return {
        sell: sell.order,
        buy: buy.order,
        priceGutta: PRICE_GUTTA,
        lots: LOTS_THAT_FIT,
        buyerPaidGutta: formatDecimal(paid, GUTTA_DECIMALS),
        sellerReceivedGutta: formatDecimal(gotGutta, GUTTA_DECIMALS),
        buyerReceivedLeaf: formatDecimal(gotLeaf, LEAF_DECIMALS)
      }
    }
  },
  {
    id: 'volume_limit',
    title: 'The trade volume limit binds: what fits is filled, the rest expires',
    run: async (world) => {
      const left = LEAF_LIMIT_GUTTA * 1_000_000 - LOTS_THAT_FIT * PRICE_MICRO_GUTTA
      const fits = Math.floor(left / PRICE_MICRO_GUTTA)
      await world.creo(['trade', 'sell', LEAF, String(LOTS_BEYOND), '--price', PRICE_GUTTA, '--as', OWNERS.leaf], orderAnswerSchema)
      const buy = await world.creo(
        ['trade', 'buy', LEAF, String(LOTS_BEYOND), '--price', PRICE_GUTTA, '--as', OWNERS.gutta],
        orderAnswerSchema
      )
      mustHold(
        buy.status === 'expired' && buy.reason === 'volume_limit',
        `the rest of the bid expires by the limit, it was ${buy.status} ${buy.reason}`
      )
      const view = await world.read(`/v1/incentives/${LEAF}`, incentiveViewSchema)
      mustHold(view.tradeVolumeUsedMicroGutta === (LOTS_THAT_FIT + fits) * PRICE_MICRO_GUTTA, 'the window counts exactly what was executed')
      world.found(`${buy.filled} of ${LOTS_BEYOND} LEAF filled, then volume_limit`)
      return {
        order: buy.order,
        asked: String(LOTS_BEYOND),
        filled: buy.filled,
        reason: buy.reason,
        limitGutta: String(LEAF_LIMIT_GUTTA),
        usedGutta: formatDecimal(view.tradeVolumeUsedMicroGutta, GUTTA_DECIMALS)
      }
    }
  },
  {
    id: 'redeem',
    title: 'ben redeems LEAF for the offer, colibris captures it',
    run: async (world) => {
      const {offers} = await world.read(`/v1/offers?incentive=${LEAF}`, z.object({offers: z.array(offerViewSchema)}))
      const offer = offers[0]
      mustHold(offer !== undefined, 'the first offer is listed')
      const before = await balanceOf(world, OWNERS.gutta, LEAF)
      const {redemption} = await world.creo(['redeem', offer.id, '--as', OWNERS.gutta], z.looseObject({redemption: z.string()}))
      mustHold((await balanceOf(world, OWNERS.gutta, LEAF, 'held')) === OFFER_PRICE_MINOR, 'its price is held')
      await world.creo(['redemption', 'capture', redemption, '--as', ORGS.shop], z.looseObject({status: z.literal('captured')}))
      mustHold((await balanceOf(world, OWNERS.gutta, LEAF, 'held')) === 0, 'nothing is held any more')
      mustHold(before - (await balanceOf(world, OWNERS.gutta, LEAF)) === OFFER_PRICE_MINOR, 'ben paid the price of the offer')
      const {redemptions} = await world.read(`/v1/redemptions?incentive=${LEAF}`, z.object({redemptions: z.array(redemptionViewSchema)}))
      mustHold(
        redemptions.some((view) => view.id === redemption && view.status === 'captured'),
        'the public record has it'
      )
      const after = await world.read(`/v1/offers?incentive=${LEAF}`, z.object({offers: z.array(offerViewSchema)}))
      const stockLeft = after.offers.find(({id}) => id === offer.id)?.stock
      mustHold(stockLeft === offer.stock - 1, 'the stock of the offer is one less')
      return {
        offer: offer.id,
        redemption,
        paid: formatDecimal(OFFER_PRICE_MINOR, LEAF_DECIMALS),
        holder: OWNERS.gutta,
        stockLeft: String(stockLeft)
      }
    }
  }
]

/** Reads the receipts, ana's balance and the org's pool until all show the same moment: time goes on being paid between two reads. */
async function earnedAsReceiptsSay(world: TourWorld): Promise<{readonly receipts: number; readonly earnedMinor: number}> {
  return await eventually('ana has exactly what her receipts pay, and the reward pool that much less', world.signal, async () => {
    const {receipts} = await world.read('/v1/receipts?limit=1000', z.object({receipts: z.array(receiptViewSchema)}))
    const pays = receipts.flatMap((receipt) => receipt.paid).filter((pay) => pay.incentive === LEAF)
    const earnedMinor = pays.reduce((sum, pay) => sum + pay.amountMinor, 0)
    const availableMinor = await balanceOf(world, OWNERS.leaf, LEAF)
    const leftMinor = (await balanceOf(world, ORGS.shop, LEAF, 'pool')) + (await balanceOf(world, ORGS.shop, LEAF, 'reserved'))
    const agree = availableMinor === earnedMinor && leftMinor + earnedMinor === LEAF_POOL_MINOR
    return earnedMinor > 0 && agree ? {receipts: receipts.length, earnedMinor} : undefined
  })
}

/** What ben holds, once it is the sum of his shares of every epoch: one may end between two reads. */
async function mintedAsEpochsSay(world: TourWorld, ben: string): Promise<number> {
  return await eventually("ben has exactly his shares of the epochs' mints", world.signal, async () => {
    const {epochs} = await world.read('/v1/epochs', z.object({epochs: z.array(epochViewSchema)}))
    const shares = epochs.flatMap((epoch) => epoch.shares).filter(({account}) => account === ben)
    const sum = shares.reduce((total, {amountMicroGutta}) => total + amountMicroGutta, 0)
    return sum > 0 && sum === (await balanceOf(world, OWNERS.gutta, GUTTA)) ? sum : undefined
  })
}

/** Micro-Gutta that left ben's balances, of every kind, in one command: his earnings meanwhile are other commands. */
async function paidInTrade(world: TourWorld, seq: number): Promise<number> {
  const entriesSchema = z.object({entries: z.array(z.looseObject({seq: z.int(), deltaMinor: signedAmountSchema}))})
  const {entries} = await world.read(`/v1/accounts/${OWNERS.gutta}/entries?asset=${GUTTA}&limit=100`, entriesSchema)
  return -entries.filter((entry) => entry.seq === seq).reduce((sum, {deltaMinor}) => sum + deltaMinor, 0)
}

/** What either side of a trade pays, rounded down. */
async function feesOf(world: TourWorld, notional: number): Promise<{readonly maker: number; readonly taker: number}> {
  const {genesis} = await world.read('/v1/network', networkViewSchema)
  const {fees} = z.looseObject({fees: z.object({makerPpm: z.int(), takerPpm: z.int()})}).parse(JSON.parse(genesis))
  return {maker: Math.floor((notional * fees.makerPpm) / 1_000_000), taker: Math.floor((notional * fees.takerPpm) / 1_000_000)}
}

async function lastEpoch(world: TourWorld): Promise<number> {
  const {epochs} = await world.read('/v1/epochs', z.object({epochs: z.array(epochViewSchema)}))
  return epochs.reduce((latest, epoch) => Math.max(latest, epoch.epoch), -1)
}
