import type {Genesis} from '../protocol/genesis.ts'

type Emission = Genesis['emission']

/** What a schedule comes to if every epoch mints all that it may: at the earliest, since an epoch without work lapses. */
export interface EmissionOutlook {
  /** The most Gutta that there will ever be: the total, or less where halving ends before it. */
  readonly finalMicroGutta: number
  /** Epochs until half of that is out, and until all of it is. */
  readonly halfAfterEpochs: number
  readonly allAfterEpochs: number
}

/** What the written schedule gives an epoch, before the cap on the total: floor(perEpoch / 2^floor(epoch / halvingEpochs)), micro-gutta. */
export function scheduledEmission({perEpochMicroGutta, halvingEpochs}: Emission, epoch: number): number {
  const halvings = halvingEpochs === 0 ? 0 : Math.floor(epoch / halvingEpochs)
  return Math.floor(perEpochMicroGutta / 2 ** halvings)
}

export function emissionOutlook(emission: Emission): EmissionOutlook {
  const scheduled = afterEras(emission, undefined).minted
  const total = BigInt(emission.totalMicroGutta)
  const final = scheduled === undefined || scheduled > total ? total : scheduled
  return {
    finalMicroGutta: Number(final),
    halfAfterEpochs: afterEras(emission, (final + 1n) / 2n).epochs,
    allAfterEpochs: afterEras(emission, final).epochs
  }
}

/** Goes era by era, of which there are as many as the first amount has binary digits, until `wanted` is minted or nothing comes any more. */
function afterEras(emission: Emission, wanted: bigint | undefined): {readonly epochs: number; readonly minted: bigint | undefined} {
  const {perEpochMicroGutta, halvingEpochs} = emission
  if (halvingEpochs === 0) return {epochs: wanted === undefined ? 0 : epochsOf(wanted, BigInt(perEpochMicroGutta)), minted: undefined}
  let minted = 0n
  for (let era = 0; ; era += 1) {
    const epochsBefore = era * halvingEpochs
    const amount = BigInt(scheduledEmission(emission, epochsBefore))
    if (amount === 0n) return {epochs: epochsBefore, minted}
    const whole = amount * BigInt(halvingEpochs)
    if (wanted !== undefined && minted + whole >= wanted) return {epochs: epochsBefore + epochsOf(wanted - minted, amount), minted}
    minted += whole
  }
}

function epochsOf(amount: bigint, perEpoch: bigint): number {
  return Number((amount + perEpoch - 1n) / perEpoch)
}
