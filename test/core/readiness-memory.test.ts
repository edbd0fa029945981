import {describe, expect, it} from 'vitest'
import {FROZEN_IDLE_MAX_MS, giveUp, type RestTier, restingBudget} from '../../src/core/readiness.ts'

const MIB = 2 ** 20
const NOW = 10 * FROZEN_IDLE_MAX_MS

describe('the memory of those that wait', () => {
  it.each([
    ['half of what is lent', 1000, 0, 500],
    ['half, while running ones leave more', 1000, 400, 500],
    ['what running ones leave', 1000, 700, 300],
    ['nothing, when running ones need all', 1000, 1000, 0],
    ['nothing, when the owner lends less than runs', 500, 700, 0]
  ])('is %s', (_name, lent, running, budget) => {
    expect(restingBudget(lent, running)).toBe(budget)
  })
})

describe('when memory is needed', () => {
  const waiting = (revision: string, mib: number, count: number, tier: RestTier = 'frozen') => ({
    revision,
    tier,
    heldBytes: mib * MIB,
    asks: {count, atMs: NOW}
  })
  it.each([
    ['nothing waits', [], 10, []],
    ['nothing is needed', [waiting('a', 40, 1)], 0, []],
    ['the one that is asked for least goes', [waiting('a', 40, 3), waiting('b', 40, 1), waiting('c', 40, 2)], 30, ['b']],
    ['by byte: the large one', [waiting('a', 20, 1), waiting('b', 100, 2)], 20, ['b']],
    ['as many as it takes', [waiting('a', 40, 3), waiting('b', 40, 1), waiting('c', 40, 2)], 50, ['b', 'c']],
    ['those that a larger one makes needless stay', [waiting('a', 10, 1), waiting('b', 100, 11)], 100, ['b']],
    ['what saves less goes first', [waiting('a', 11, 1), waiting('b', 11, 1, 'initialised')], 5, ['b']],
    ['what holds nothing frees nothing', [waiting('a', 0, 1, 'created'), waiting('b', 40, 99)], 5, ['b']],
    ['all of it is not enough', [waiting('a', 40, 1), waiting('b', 40, 2)], 500, ['a', 'b']]
  ] as const)('%s', (_name, all, neededMib, given) => {
    expect(giveUp(all, neededMib * MIB, NOW)).toEqual(given)
  })
})
