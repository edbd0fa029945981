import {Flags} from '@oclif/core'
import type {TermChoices} from '../coordinator/genesis-terms.ts'
import {CreoError} from '../core/errors.ts'

const EMISSION = 'EMISSION'
const MARKET = 'MARKET'
/** Steps in which the volume limit's window moves on. */
const BUCKETS = 24
/** A percent in millionths and in thousandths has so many digits behind the point. */
const PPM_DECIMALS = 4
const PERMILLE_DECIMALS = 1

/** What the founder of a network may choose. */
export const genesisFlags = {
  development: Flags.boolean({description: 'A network for trying out: short times, and the operator may allot Gutta.'}),
  name: Flags.string({helpValue: 'NAME', description: 'What people call the network. Default: creo.'}),
  'exchange-org': Flags.string({
    helpValue: 'ORG',
    description: 'Name of the org that owns the exchange app; its work is paid in Gutta. Default: creometry.'
  }),
  epoch: Flags.string({
    helpGroup: EMISSION,
    helpValue: 'DURATION',
    description: 'Length of an emission epoch. Default: 1h, in development 10s.'
  }),
  emission: Flags.string({
    helpGroup: EMISSION,
    helpValue: 'GUTTA',
    description: 'Gutta per epoch before the first halving. Default: 1000.'
  }),
  'emission-total': Flags.string({helpGroup: EMISSION, helpValue: 'GUTTA', description: 'The most Gutta that will ever be.'}),
  'halving-epochs': Flags.integer({
    helpGroup: EMISSION,
    helpValue: 'N',
    min: 0,
    description: 'Half as much after each N epochs; 0: never. Default: 35040, in development 0.'
  }),
  'owner-share-max': Flags.string({
    helpGroup: EMISSION,
    helpValue: 'PERCENT',
    description: 'Of an epoch, for one owner at most. Default: 25, in development 100.'
  }),
  'maker-fee-ppm': Flags.integer({
    helpGroup: MARKET,
    helpValue: 'N',
    min: 0,
    max: 100_000,
    description: 'Fee of resting orders, millionths of the notional. Default: 0.'
  }),
  'taker-fee-ppm': Flags.integer({
    helpGroup: MARKET,
    helpValue: 'N',
    min: 0,
    max: 100_000,
    description: 'Fee of crossing orders, millionths of the notional. Default: 2000.'
  }),
  protection: Flags.boolean({
    helpGroup: MARKET,
    allowNo: true,
    description: 'Open markets by auctions, and keep prices in bands. Default: not in development.'
  }),
  'opening-auction': Flags.string({
    helpGroup: MARKET,
    helpValue: 'DURATION',
    description: 'Auction of a market without a price. Default: 30m, in development 10s.'
  }),
  auction: Flags.string({
    helpGroup: MARKET,
    helpValue: 'DURATION',
    description: 'Auction after a price beyond a band. Default: 5m, in development 5s.'
  }),
  'static-band': Flags.string({
    helpGroup: MARKET,
    helpValue: 'PERCENT',
    description: "Around the last auction's price; 0: none. Default: 30."
  }),
  'dynamic-band': Flags.string({
    helpGroup: MARKET,
    helpValue: 'PERCENT',
    description: "Around the last trade's price; 0: none. Default: 10."
  }),
  'volume-window': Flags.string({
    helpGroup: MARKET,
    helpValue: 'DURATION',
    description: `Over which trade volume limits count, in ${BUCKETS} steps. Default: 24h, in development 24m.`
  }),
  'redemption-timeout': Flags.string({
    helpGroup: MARKET,
    helpValue: 'DURATION',
    description: 'A redemption nobody captures is released after this. Default: 7d, in development 5m.'
  }),
  'receipt-grace': Flags.string({
    helpValue: 'DURATION',
    description: 'Time after a lease in which receipts are still paid. Default: 24h, in development 2m.'
  }),
  'recovery-delay': Flags.string({
    helpValue: 'DURATION',
    description: 'Time in which an owner can say no to the recovery of an account. Default: 72h, in development 1m.'
  })
}

type Given<T extends string> = {readonly [name in T]?: string | undefined}
type GenesisFlags = Given<
  | 'name'
  | 'exchange-org'
  | 'epoch'
  | 'emission'
  | 'emission-total'
  | 'owner-share-max'
  | 'opening-auction'
  | 'auction'
  | 'static-band'
  | 'dynamic-band'
  | 'volume-window'
  | 'redemption-timeout'
  | 'receipt-grace'
  | 'recovery-delay'
> & {
  readonly development?: boolean
  readonly protection?: boolean | undefined
  readonly 'halving-epochs'?: number | undefined
  readonly 'maker-fee-ppm'?: number | undefined
  readonly 'taker-fee-ppm'?: number | undefined
}

/** What flags choose; what none names is undefined. @throws {CreoError} `invalid_input`, `usage` */
export async function chosenTerms(flags: GenesisFlags): Promise<TermChoices> {
  const [{parseDurationMs}, {GUTTA_DECIMALS, parseDecimal}] = await Promise.all([import('./format.ts'), import('../core/units.ts')])
  const gutta = (text: string | undefined) => (text === undefined ? undefined : parseDecimal(text, GUTTA_DECIMALS))
  const duration = (text: string | undefined) => (text === undefined ? undefined : parseDurationMs(text))
  const percent = (text: string | undefined, decimals: number) =>
    text === undefined ? undefined : parseDecimal(text.replace(/ ?%$/, ''), decimals)
  return {
    network: flags.development ? 'development' : undefined,
    name: flags.name,
    exchangeOrg: flags['exchange-org'],
    emission: {
      epochMs: duration(flags.epoch),
      perEpochMicroGutta: gutta(flags.emission),
      totalMicroGutta: gutta(flags['emission-total']),
      halvingEpochs: flags['halving-epochs'],
      ownerShareMaxPermille: percent(flags['owner-share-max'], PERMILLE_DECIMALS)
    },
    fees: {makerPpm: flags['maker-fee-ppm'], takerPpm: flags['taker-fee-ppm']},
    protection: chosenProtection(flags.protection, {
      openingMs: duration(flags['opening-auction']),
      auctionMs: duration(flags.auction),
      staticPpm: percent(flags['static-band'], PPM_DECIMALS),
      dynamicPpm: percent(flags['dynamic-band'], PPM_DECIMALS)
    }),
    redemptionTimeoutMs: duration(flags['redemption-timeout']),
    receiptGraceMs: duration(flags['receipt-grace']),
    recoveryDelayMs: duration(flags['recovery-delay']),
    ...windowOf(duration(flags['volume-window']))
  }
}

type ProtectionFlags = Readonly<Record<'openingMs' | 'auctionMs' | 'staticPpm' | 'dynamicPpm', number | undefined>>

function chosenProtection(isWanted: boolean | undefined, flags: ProtectionFlags): TermChoices['protection'] {
  const isSaid = Object.values(flags).some((value) => value !== undefined)
  if (isWanted === false && isSaid)
    throw new CreoError('usage', 'Auctions and bands are what --no-protection leaves out.', {hint: 'Leave out the one or the others.'})
  if (isWanted === false) return null
  return isWanted || isSaid ? flags : undefined
}

function windowOf(windowMs: number | undefined): Pick<TermChoices, 'volumeBucketMs' | 'volumeBuckets'> {
  if (windowMs === undefined) return {}
  if (windowMs % BUCKETS !== 0)
    throw new CreoError('invalid_input', `The volume window must be a whole number of milliseconds in ${BUCKETS} steps.`, {
      hint: 'Write for example 24h, 12h or 24m.'
    })
  return {volumeBucketMs: windowMs / BUCKETS, volumeBuckets: BUCKETS}
}
