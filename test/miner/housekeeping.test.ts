import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {generateKeyPair, nodeIdOf} from '../../src/identity/keys.ts'
import {Housekeeping} from '../../src/miner/housekeeping.ts'
import {LeaseBook} from '../../src/miner/lease-book.ts'
import {LEASE_MEMORY_MS, MinerStore} from '../../src/miner/miner-store.ts'
import {WorkMeter} from '../../src/miner/work-meter.ts'
import {createMemoryRuntime} from '../../src/runtime/memory-runtime.ts'
import {LEASE} from './lease.ts'
import {NETWORK, quietLog, temporaryDirectory} from './worlds.ts'

const signal = new AbortController().signal
const never = (): never => {
  throw new Error('Nothing of the kind is to be done here.')
}

test('work that was measured is kept for windows that are proposed late, for as long as its lease is remembered', async () => {
  const directory = await temporaryDirectory()
  const store = MinerStore.open(join(directory, 'miner.sqlite'))
  onTestFinished(() => store.close())
  const keys = {coordinatorKey: generateKeyPair().publicKey, node: nodeIdOf(generateKeyPair().publicKey)}
  const book = await LeaseBook.open({path: join(directory, 'table.json'), network: NETWORK, ...keys})
  let nowMs = 1000
  const meter = new WorkMeter(() => nowMs)
  const housekeeping = new Housekeeping({
    runtime: createMemoryRuntime({directory, images: new Map()}),
    book,
    store,
    images: {changes: 0, isReady: () => true, ensure: never, evict: async () => undefined},
    secrets: {sync: () => undefined},
    instances: {live: [], adopt: never, discard: never, end: never, sweep: never},
    resting: {adopt: never, fit: never, round: never, takeChanged: never},
    names: {get: never, keepOnly: never},
    positions: {keepOnly: never},
    tellResting: never,
    meter,
    isBudgetEmpty: () => false,
    lostSinceMs: () => undefined,
    now: () => nowMs,
    monotonicMs: () => nowMs,
    random: () => 0,
    log: quietLog,
    signal
  })
  store.rememberLeases([{...LEASE, endsAtMs: nowMs, budgets: []}])
  meter.instanceStarted({instance: 'i-1', gateway: 'gw_1', revision: LEASE.revision, memoryBytes: LEASE.memoryBytes})
  nowMs += 1000
  meter.instanceEnded('i-1')
  await housekeeping.prune(signal)
  expect(meter.measured('gw_1', LEASE.revision).mibMs).toBe(64_000)
  nowMs += LEASE_MEMORY_MS
  await housekeeping.prune(signal)
  expect(meter.measured('gw_1', LEASE.revision).mibMs).toBe(0)
})
