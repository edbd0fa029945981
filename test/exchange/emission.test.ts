import fc from 'fast-check'
import {expect, it} from 'vitest'
import {emissionOutlook, scheduledEmission} from '../../src/core/exchange/emission.ts'
import type {Genesis} from '../../src/core/protocol/genesis.ts'
import {AMOUNT_MAX} from '../../src/core/units.ts'

const BASE = {epochMs: 1000, ownerShareMaxPermille: 1000, workPerRequest: 1, workPerMillionMibMs: 1} satisfies Partial<Genesis['emission']>

/** Epoch by epoch, as the ledger mints where all of it is earned. */
function minted(emission: Genesis['emission'], epochs: number): number {
  let sum = 0
  for (let epoch = 0; epoch < epochs; epoch += 1) sum += Math.min(scheduledEmission(emission, epoch), emission.totalMicroGutta - sum)
  return sum
}

it('what a schedule comes to is what its epochs add up to, halved downwards, and never beyond the total', () => {
  const [perEpoch, halving, total] = [fc.integer({min: 1, max: 200}), fc.integer({min: 0, max: 12}), fc.integer({min: 1, max: 4000})]
  fc.assert(
    fc.property(perEpoch, halving, total, (perEpochMicroGutta, halvingEpochs, totalMicroGutta) => {
      const emission = {...BASE, perEpochMicroGutta, halvingEpochs, totalMicroGutta}
      const {finalMicroGutta, halfAfterEpochs, allAfterEpochs} = emissionOutlook(emission)
      expect(finalMicroGutta).toBeLessThanOrEqual(totalMicroGutta)
      expect(minted(emission, allAfterEpochs)).toBe(finalMicroGutta)
      expect(minted(emission, allAfterEpochs + 50)).toBe(finalMicroGutta)
      expect(minted(emission, allAfterEpochs - 1)).toBeLessThan(finalMicroGutta)
      expect(2 * minted(emission, halfAfterEpochs)).toBeGreaterThanOrEqual(finalMicroGutta)
      expect(2 * minted(emission, halfAfterEpochs - 1)).toBeLessThan(finalMicroGutta)
    })
  )
})

it('counts the largest amounts exactly', () => {
  const most = {...BASE, perEpochMicroGutta: AMOUNT_MAX, totalMicroGutta: AMOUNT_MAX}
  expect(emissionOutlook({...most, halvingEpochs: 0})).toEqual({finalMicroGutta: AMOUNT_MAX, halfAfterEpochs: 1, allAfterEpochs: 1})
  expect(emissionOutlook({...most, perEpochMicroGutta: 2 ** 52, halvingEpochs: 1})).toEqual({
    finalMicroGutta: AMOUNT_MAX,
    halfAfterEpochs: 1,
    allAfterEpochs: 53
  })
})
