import {describe, expect, it} from 'vitest'
import {marketWorld} from './market-script.ts'
import type {World} from './world.ts'

/** Bob asks for two cups of tea at 250 each, of five. */
function requested(captured: 'burn' | 'return' = 'burn'): {world: World; redemption: string; offer: string} {
  const world = marketWorld()
  world.issue('acme', {code: 'CUP', captured})
  const [offer] = [...world.machine.state.offers.keys()].slice(-1)
  const trade = {type: 'order.place', incentive: 'acme/CUP', priceMicroGutta: 1, lots: 100, kind: 'limit', timeInForce: 'GTC'} as const
  world.must('acme', {...trade, side: 'sell'})
  world.must('bob', {...trade, side: 'buy'})
  const {redemption} = world.must('bob', {type: 'redemption.request', offer: offer ?? '', quantity: 2})
  return {world, redemption: String(redemption), offer: offer ?? ''}
}

describe('redemption', () => {
  it('holds the value and sets the stock aside', () => {
    const {world, offer} = requested()
    expect(world.balance('bob', 'acme/CUP')).toBe(500)
    expect(world.balance('bob', 'acme/CUP', 'held')).toBe(500)
    expect(world.machine.state.offers.get(offer)?.stock).toBe(3)
  })

  it.each([
    ['burn', {sink: 500, available: 999_000}],
    ['return', {sink: 0, available: 999_500}]
  ] as const)('captured once, it does as the incentive says: %s', (captured, expected) => {
    const {world, redemption} = requested(captured)
    expect(world.try('bob', {type: 'redemption.capture', redemption})).toBe('forbidden')
    expect(world.try('acme', {type: 'redemption.capture', redemption})).toBe('applied')
    expect(world.try('acme', {type: 'redemption.capture', redemption})).toBe('not_found')
    expect(world.try('acme', {type: 'redemption.release', redemption})).toBe('not_found')
    expect(world.balance('bob', 'acme/CUP', 'held')).toBe(0)
    expect(world.balance('acme', 'acme/CUP', 'sink')).toBe(expected.sink)
    expect(world.balance('acme', 'acme/CUP')).toBe(expected.available)
  })

  it('of an offer whose terms were changed holds what it held, and who asks anew gets them as they are', () => {
    const {world, redemption, offer} = requested()
    expect(world.try('bob', {type: 'offer.edit', offer, priceMinor: 1})).toBe('forbidden')
    expect(world.try('acme', {type: 'offer.edit', offer})).toBe('invalid_input')
    expect(world.try('acme', {type: 'offer.edit', offer: 'off_999', stock: 1})).toBe('not_found')
    expect(world.try('acme', {type: 'offer.edit', offer, priceMinor: 300, stock: 1})).toBe('applied')
    const again = {type: 'redemption.request', offer, quantity: 1} as const
    expect(world.try('bob', {...again, priceAtMostMinor: 299})).toBe('conflict')
    expect(world.try('bob', {...again, quantity: 2})).toBe('sold_out')
    expect(world.try('bob', {...again, priceAtMostMinor: 300})).toBe('applied')
    expect(world.balance('bob', 'acme/CUP', 'held')).toBe(800)
    expect(world.try('acme', {type: 'redemption.release', redemption, reason: 'The oven is broken.'})).toBe('applied')
    expect([world.balance('bob', 'acme/CUP', 'held'), world.machine.state.offers.get(offer)?.stock]).toEqual([300, 2])
  })

  it('is not to be had of an offer that was stopped, until it is offered again', () => {
    const {world, offer} = requested()
    const request = {type: 'redemption.request', offer, quantity: 1} as const
    expect(world.try('acme', {type: 'offer.edit', offer, stopped: true})).toBe('applied')
    expect(world.try('bob', request)).toBe('sold_out')
    expect(world.try('acme', {type: 'offer.edit', offer, stopped: false})).toBe('applied')
    expect(world.try('bob', request)).toBe('applied')
  })

  it('released by the org or by time, it gives value and stock back', () => {
    for (const release of ['org', 'time'] as const) {
      const {world, redemption, offer} = requested()
      if (release === 'org') world.must('acme', {type: 'redemption.release', redemption})
      else {
        world.nowMs += 600_000
        expect(world.try('acme', {type: 'redemption.capture', redemption})).toBe('expired')
        expect(world.must('coordinator', {type: 'time.advance'})).toEqual({expired: 1, more: false})
      }
      expect(world.balance('bob', 'acme/CUP')).toBe(1000)
      expect(world.machine.state.offers.get(offer)?.stock).toBe(5)
    }
  })

  it('refuses what is sold out, unknown or not affordable', () => {
    const {world, offer} = requested()
    const request = {type: 'redemption.request', offer, quantity: 4} as const
    expect(world.try('bob', request)).toBe('sold_out')
    expect(world.try('bob', {...request, quantity: 3})).toBe('insufficient_funds')
    expect(world.try('bob', {...request, offer: 'off_9'})).toBe('not_found')
  })

  it('ends at most 1,000 things with one command, earliest first', () => {
    const world = marketWorld()
    const expiresAtMs = world.nowMs + 1000
    for (let index = 0; index < 1001; index += 1) {
      const order = {
        type: 'order.place',
        incentive: 'acme/LEAF',
        side: 'buy',
        lots: 1,
        priceMicroGutta: 1,
        kind: 'limit',
        timeInForce: 'GTT'
      } as const
      world.must('ann', {...order, expiresAtMs: expiresAtMs - (index === 1000 ? 1 : 0)})
    }
    const last = world.machine.seq
    world.nowMs = expiresAtMs
    world.effects.length = 0
    expect(world.must('coordinator', {type: 'time.advance'})).toEqual({expired: 1000, more: true})
    expect(world.effects[0]).toMatchObject({id: `ord_${last}`, status: 'expired', reason: 'time'})
    expect(world.must('coordinator', {type: 'time.advance'})).toEqual({expired: 1, more: false})
  }, 120_000)
})
