import {joinNetwork} from '../client/join.ts'
import {genesisSchema} from '../core/protocol/genesis.ts'
import {formatDecimal, GUTTA_DECIMALS} from '../core/units.ts'
import type {Context} from './context.ts'

/** A millionth in percent has four digits behind the point. */
const PPM_PERCENT_DECIMALS = 4

/** What a network's genesis fixes about its money; amounts in Gutta. */
export interface NetworkTerms {
  readonly networkId: string
  readonly name: string
  readonly network: 'production' | 'development'
  /** Whose incentive Gutta is. */
  readonly exchangeOrg: string
  /** Of the Gutta that a trade moves, in percent: from whoever waited in the book, and from whoever met them. */
  readonly makerFeePercent: string
  readonly takerFeePercent: string
  /** How markets open, and how far a price may go in one step; null where they trade at once, at any price. */
  readonly protection: {
    readonly openingMs: number
    readonly auctionMs: number
    /** Around the last auction's price, and around the last trade's, to both sides; null for none. */
    readonly staticPercent: string | null
    readonly dynamicPercent: string | null
  } | null
  readonly emission: {
    readonly epochMs: number
    readonly perEpochGutta: string
    /** After so many epochs there is half as much of it; 0: never. */
    readonly halvingEpochs: number
    readonly totalGutta: string
  }
}

/** How long a trade counts against its incentive's trade volume limit. */
export async function readVolumeWindowMs({client}: Pick<Context, 'client'>, signal: AbortSignal): Promise<number> {
  const {volumeBucketMs, volumeBuckets} = genesisSchema.parse(JSON.parse((await client.network(signal)).genesis))
  return volumeBucketMs * volumeBuckets
}

/** Read from the genesis, whose hash is the network's id. @throws {CreoError} `verification_failed` when the coordinator shows another one. */
export async function readTerms({coordinatorUrl, networkId}: Context, signal: AbortSignal): Promise<NetworkTerms> {
  const {genesis} = await joinNetwork({coordinatorUrl, networkId, signal})
  const {emission, fees, protection} = genesis
  const percent = (ppm: number | undefined): string | null => (ppm === undefined ? null : formatDecimal(ppm, PPM_PERCENT_DECIMALS))
  return {
    networkId,
    name: genesis.name,
    network: genesis.network,
    exchangeOrg: genesis.exchangeOrg,
    makerFeePercent: formatDecimal(fees.makerPpm, PPM_PERCENT_DECIMALS),
    takerFeePercent: formatDecimal(fees.takerPpm, PPM_PERCENT_DECIMALS),
    protection:
      protection === undefined
        ? null
        : {
            openingMs: protection.openingMs,
            auctionMs: protection.auctionMs,
            staticPercent: percent(protection.staticPpm),
            dynamicPercent: percent(protection.dynamicPpm)
          },
    emission: {
      epochMs: emission.epochMs,
      perEpochGutta: formatDecimal(emission.perEpochMicroGutta, GUTTA_DECIMALS),
      halvingEpochs: emission.halvingEpochs,
      totalGutta: formatDecimal(emission.totalMicroGutta, GUTTA_DECIMALS)
    }
  }
}
