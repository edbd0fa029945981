import type {CommandOf} from '../../src/core/protocol/commands.ts'

export function orderOf(side: 'buy' | 'sell', lots: number, priceMicroGutta: number): CommandOf<'order.place'> {
  return {type: 'order.place', incentive: 'acme/LEAF', side, lots, priceMicroGutta, kind: 'limit', timeInForce: 'GTC'}
}
