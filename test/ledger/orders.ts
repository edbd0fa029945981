import type {CommandOf} from '../../src/core/protocol/commands.ts'

/** What is traded besides. */
export const NUT = 'acme/NUT'

export function orderOf(side: 'buy' | 'sell', lots: number, priceMicroGutta: number): CommandOf<'order.place'> {
  return {type: 'order.place', incentive: 'acme/LEAF', side, lots, priceMicroGutta, kind: 'limit', timeInForce: 'GTC'}
}
