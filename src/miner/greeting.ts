import type {MinerMessage} from '../core/protocol/tunnel.ts'
import type {Instances} from './instances.ts'
import type {GatewayEntry, LeaseBook} from './lease-book.ts'
import type {Resting} from './resting.ts'

/** What a gateway hears first of each new session: which of its instances run, what waits, and what it can't have. */
export function greeting(
  gateway: GatewayEntry,
  node: {
    readonly instances: Instances
    readonly resting: Resting
    readonly book: LeaseBook
    readonly nowMs: number
    readonly isBudgetEmpty: (lease: string) => boolean
    readonly takesNoWork: boolean
  }
): readonly MinerMessage[] {
  const own = node.instances.all.filter((held) => held.gateway === gateway.id)
  const instances = own.map(({instance, revision, lease}) => ({instance, revision, lease}))
  const empty = node.book.current(node.nowMs).filter(({lease}) => node.isBudgetEmpty(lease.id))
  const budgets = empty.map(({lease}) => ({type: 'budget_empty', lease: lease.id}) as const)
  const waiting = [...node.resting.all]
  return [{type: 'ready', instances}, {type: 'resting', waiting}, ...budgets, ...(node.takesNoWork ? [{type: 'draining'} as const] : [])]
}
