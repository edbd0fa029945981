import assert from 'node:assert'
import {parentPort, workerData} from 'node:worker_threads'
import {CallStore} from './call-store.ts'
import type {FromStore, StoreOrder, ToStore} from './store-messages.ts'

/** The thread that owns the queue's file: syncing it must not hold requests up. */
assert(parentPort !== null, 'store-worker runs as a worker thread')
const port = parentPort

let store: CallStore | undefined
let hasFailed = false

function say(message: FromStore): void {
  port.postMessage(message)
}

function fail(error: unknown): void {
  const isFull = error instanceof Error && 'code' in error && error.code === 'SQLITE_FULL'
  hasFailed ||= !isFull
  say(isFull ? {type: 'disk_full'} : {type: 'failed', message: error instanceof Error ? error.message : String(error)})
}

function carryOut(on: CallStore, {method, asked}: StoreOrder): unknown {
  return (on[method] as (asked: unknown) => unknown).call(on, asked)
}

function handle(message: ToStore): void {
  if (message.type === 'close') {
    store?.close()
    say({type: 'closed'})
    port.close()
    return
  }
  const open = store
  if (open === undefined || hasFailed) return
  const answers = open.group(() => message.orders.map((order) => carryOut(open, order)))
  say({type: 'committed', answers})
}

port.on('message', (message: ToStore) => {
  try {
    handle(message)
  } catch (error) {
    fail(error)
  }
})

try {
  store = new CallStore(String(workerData))
  say({type: 'opened', waiting: store.waiting()})
} catch (error) {
  fail(error)
}
