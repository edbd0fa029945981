import {join} from 'node:path'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import {expect, onTestFinished, test} from 'vitest'
import {MinerStore} from '../../src/miner/miner-store.ts'
import {LEASE} from './lease.ts'
import {temporaryDirectory} from './worlds.ts'

const receipt = {proposal: '{}', gatewaySignature: 'x'.repeat(86), attestation: '{}', nodeSignature: 'x'.repeat(86)}

function add(store: MinerStore, id: string, amountMinor: number): void {
  const earned = [
    {incentive: 'colibris/LEAF', amountMinor, carry: 0},
    {incentive: 'colibris/TREE', amountMinor: 1, carry: 0}
  ]
  store.add({id, lease: LEASE, receipt, earned, atMs: 1})
}

test('earnings are told without going through the receipts that wait, however many there are', async () => {
  const path = join(await temporaryDirectory(), 'miner.sqlite')
  const store = MinerStore.open(path)
  onTestFinished(() => store.close())
  for (let number = 0; number < 3; number += 1) add(store, `w${number}`, 5)
  const other = new Database(path)
  other.exec('ALTER TABLE receipts RENAME TO receipts_elsewhere')
  other.close()
  expect(store.pendingCount()).toBe(3)
  expect(store.earnings()).toEqual([
    {incentive: 'colibris/LEAF', paidMinor: 0, pendingMinor: 15},
    {incentive: 'colibris/TREE', paidMinor: 0, pendingMinor: 3}
  ])
})

test('what waits is the sum of its receipts, whatever became of others, and for a later process as well', async () => {
  const directory = await temporaryDirectory()
  let runs = 0
  const fates = fc.array(fc.record({fate: fc.constantFrom('wait', 'paid', 'rejected'), amountMinor: fc.nat(9)}), {maxLength: 12})
  fc.assert(
    fc.property(fates, (receipts) => {
      runs += 1
      const path = join(directory, `${runs}.sqlite`)
      const store = MinerStore.open(path)
      receipts.forEach(({amountMinor}, number) => void add(store, `w${number}`, amountMinor))
      receipts.forEach(({fate}, number) => {
        // Twice: an answer may come twice.
        for (const id of [`w${number}`, `w${number}`]) {
          if (fate === 'paid') store.markPaid(id)
          if (fate === 'rejected') store.markRejected(id, {code: 'expired', message: 'too late'})
        }
      })
      const told = {count: store.pendingCount(), earnings: store.earnings()}
      store.close()
      const later = MinerStore.open(path)
      expect({count: later.pendingCount(), earnings: later.earnings()}).toEqual(told)
      later.close()
      const waiting = receipts.filter(({fate}) => fate === 'wait')
      const leaf = told.earnings.find(({incentive}) => incentive === 'colibris/LEAF')
      expect(told.count).toBe(waiting.length)
      expect(leaf?.pendingMinor ?? 0).toBe(waiting.reduce((sum, {amountMinor}) => sum + amountMinor, 0))
    }),
    {numRuns: 8}
  )
})
