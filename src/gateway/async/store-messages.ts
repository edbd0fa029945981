import type {CallStore} from './call-store.ts'
import type {WaitingCall} from './stored-call.ts'

/** What a gateway and the thread of its queue say to each other. */

export const STORE_METHODS = ['put', 'take', 'again', 'end', 'failed', 'retry', 'find', 'list', 'prune'] as const
export type StoreMethod = (typeof STORE_METHODS)[number]

export interface StoreOrder {
  readonly method: StoreMethod
  readonly asked: Parameters<CallStore[StoreMethod]>[0]
}

export type ToStore =
  /** All of it becomes one transaction. */
  {readonly type: 'group'; readonly orders: readonly StoreOrder[]} | {readonly type: 'close'}

export type FromStore =
  | {readonly type: 'opened'; readonly waiting: readonly WaitingCall[]}
  /** On disk; one answer an order. */
  | {readonly type: 'committed'; readonly answers: readonly unknown[]}
  /** Nothing of the group is on disk. */
  | {readonly type: 'disk_full'}
  /** What the disk holds is unknown: nothing more is written. */
  | {readonly type: 'failed'; readonly message: string}
  | {readonly type: 'closed'}
