import {joinNetwork} from '../client/join.ts'
import {emissionOutlook} from '../core/exchange/emission.ts'
import {RECOVERY_DELAY_MS} from '../core/exchange/limits.ts'
import {type Genesis, genesisSchema} from '../core/protocol/genesis.ts'
import {formatDecimal, GUTTA_DECIMALS} from '../core/units.ts'
import type {Context} from './context.ts'

/** A millionth in percent has four digits behind the point. */
const PPM_PERCENT_DECIMALS = 4
const PERMILLE_PERCENT_DECIMALS = 1

/** What a genesis fixes about a network's money; amounts in Gutta. */
export interface ShownTerms {
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
    /** What it comes to if every epoch brings all that it may: the most there will ever be, and when half and all of that are there, at the earliest. */
    readonly finalGutta: string
    readonly halfAfterMs: number
    readonly allAfterMs: number
    /** Of what an epoch brings, for one owner at most. */
    readonly ownerShareMaxPercent: string
  }
  /** Over which a trade counts against its incentive's trade volume limit, and the steps in which that is freed. */
  readonly volumeWindowMs: number
  readonly volumeBucketMs: number
  /** A redemption that nobody captures is released after this. */
  readonly redemptionTimeoutMs: number
  /** How long after a lease receipts for it are paid. */
  readonly receiptGraceMs: number
  /** In which an owner can say no to the recovery of an account. */
  readonly recoveryDelayMs: number
}

export interface NetworkTerms extends ShownTerms {
  readonly networkId: string
}

/** How long a trade counts against its incentive's trade volume limit. */
export async function readVolumeWindowMs({client}: Pick<Context, 'client'>, signal: AbortSignal): Promise<number> {
  const {volumeBucketMs, volumeBuckets} = genesisSchema.parse(JSON.parse((await client.network(signal)).genesis))
  return volumeBucketMs * volumeBuckets
}

/** Read from the genesis, whose hash is the network's id. @throws {CreoError} `verification_failed` when the coordinator shows another one. */
export async function readTerms({coordinatorUrl, networkId}: Context, signal: AbortSignal): Promise<NetworkTerms> {
  const {genesis} = await joinNetwork({coordinatorUrl, networkId, signal})
  return {networkId, ...shownTerms(genesis)}
}

export function shownTerms(genesis: Omit<Genesis, 'coordinatorKey' | 'operatorKey' | 'createdAtMs'>): ShownTerms {
  const {emission, fees, protection} = genesis
  const {finalMicroGutta, halfAfterEpochs, allAfterEpochs} = emissionOutlook(emission)
  const percent = (ppm: number | undefined): string | null => (ppm === undefined ? null : formatDecimal(ppm, PPM_PERCENT_DECIMALS))
  const afterMs = (epochs: number): number => Math.min(Number.MAX_SAFE_INTEGER, epochs * emission.epochMs)
  return {
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
      totalGutta: formatDecimal(emission.totalMicroGutta, GUTTA_DECIMALS),
      finalGutta: formatDecimal(finalMicroGutta, GUTTA_DECIMALS),
      halfAfterMs: afterMs(halfAfterEpochs),
      allAfterMs: afterMs(allAfterEpochs),
      ownerShareMaxPercent: formatDecimal(emission.ownerShareMaxPermille, PERMILLE_PERCENT_DECIMALS)
    },
    volumeWindowMs: genesis.volumeBucketMs * genesis.volumeBuckets,
    volumeBucketMs: genesis.volumeBucketMs,
    redemptionTimeoutMs: genesis.redemptionTimeoutMs,
    receiptGraceMs: genesis.receiptGraceMs,
    recoveryDelayMs: genesis.recoveryDelayMs ?? RECOVERY_DELAY_MS
  }
}
