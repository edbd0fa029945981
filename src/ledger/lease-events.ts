import type {Effect} from '../core/exchange/outcome.ts'
import type {LeaseEvent} from './port.ts'

/** What a command did to leases, for who keeps them in memory. */
export function leaseEvents(effects: readonly Effect[], atMs: number): LeaseEvent[] {
  return effects.flatMap((effect): LeaseEvent[] => {
    switch (effect.type) {
      case 'lease': {
        const {id, node, revision, endsAtMs} = effect
        const budgets = effect.budgets.map(({incentive, amountMinor}) => ({incentive, reservedMinor: amountMinor, paidMinor: 0}))
        return [{type: 'granted', lease: {id, node, revision, startsAtMs: atMs, endsAtMs, status: 'active', budgets}}]
      }
      case 'lease.ended':
        return [{type: 'ended', lease: effect.id, endsAtMs: effect.endsAtMs}]
      case 'receipt':
        return effect.paid.length === 0 ? [] : [{type: 'paid', lease: effect.lease, paid: effect.paid}]
      default:
        return []
    }
  })
}
