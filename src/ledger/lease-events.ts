import type {Effect} from '../core/exchange/outcome.ts'
import type {LeaseEvent} from './port.ts'

/** What a command did to leases, for who keeps them in memory. */
export function leaseEvents(effects: readonly Effect[], atMs: number): LeaseEvent[] {
  const events: LeaseEvent[] = []
  for (const effect of effects) {
    switch (effect.type) {
      case 'lease': {
        const {id, node, revision, endsAtMs} = effect
        const budgets = effect.budgets.map(({incentive, amountMinor}) => ({incentive, reservedMinor: amountMinor, paidMinor: 0}))
        events.push({type: 'granted', lease: {id, node, revision, startsAtMs: atMs, endsAtMs, status: 'active', budgets}})
        break
      }
      case 'lease.ended':
        events.push({type: 'ended', lease: effect.id, endsAtMs: effect.endsAtMs})
        break
      case 'receipt':
        if (effect.paid.length > 0) events.push({type: 'paid', lease: effect.lease, paid: effect.paid})
        break
      default:
    }
  }
  return events
}
