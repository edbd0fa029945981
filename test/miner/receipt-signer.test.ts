import {join} from 'node:path'
import {expect, onTestFinished, test, vi} from 'vitest'
import {type ReceiptProposal, receiptId} from '../../src/core/protocol/receipts.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {openReceipt, verifyReceipt} from '../../src/identity/receipts.ts'
import {MinerStore} from '../../src/miner/miner-store.ts'
import {type Answer, ReceiptSigner, SETTLING_MS} from '../../src/miner/receipt-signer.ts'
import {WorkMeter} from '../../src/miner/work-meter.ts'
import {LEASE} from './lease.ts'
import {gatewaySide, MIB, NETWORK, quietLog, temporaryDirectory} from './worlds.ts'

interface World {
  readonly store: MinerStore
  readonly meter: WorkMeter
  readonly signer: ReceiptSigner
  readonly gateway: ReturnType<typeof gatewaySide>
  readonly nodeKey: ReturnType<typeof generateKeyPair>
  readonly signed: string[]
  pass(ms: number): void
  propose(changes?: Partial<ReceiptProposal>): Answer
}

async function world(budgetMinor = 1_000_000): Promise<World> {
  const store = MinerStore.open(join(await temporaryDirectory(), 'miner.sqlite'))
  onTestFinished(() => store.close())
  store.rememberLeases([{...LEASE, budgets: [{incentive: 'colibris/LEAF', amountMinor: budgetMinor}]}])
  let clockMs = 5000
  const meter = new WorkMeter(() => clockMs)
  const nodeKey = generateKeyPair()
  const gateway = gatewaySide()
  const signed: string[] = []
  const onSigned = ({id}: {readonly id: string}): number => signed.push(id)
  const signer = new ReceiptSigner({network: NETWORK, nodeKey, store, meter, now: () => 1_000_000, log: quietLog, onSigned})
  const pass = (ms: number): void => {
    clockMs += ms
  }
  meter.instanceStarted({instance: 'i1', gateway: gateway.id, revision: 'rev_7', memoryBytes: 64 * MIB})
  return {
    store,
    meter,
    signer,
    gateway,
    nodeKey,
    signed,
    pass,
    propose: (changes) => signer.answer(gateway.propose(nodeKey, changes), gateway)
  }
}

function attested(answer: Answer): {readonly mibMs: number; readonly bytesIn: number; readonly bytesOut: number} {
  if (answer.type !== 'receipt') throw new Error(answer.reason)
  const {mibMs, bytesIn, bytesOut} = openReceipt(answer.receipt).attestation
  return {mibMs, bytesIn, bytesOut}
}

test('a window that agrees with the own measurement is signed by both, and lies on disk before it is answered', async () => {
  const {store, gateway, nodeKey, meter, pass, propose} = await world()
  pass(1000)
  meter.addBytes('i1', {in: 500, out: 2000})
  const answer = propose({mibMs: 64_000})
  expect(attested(answer)).toEqual({mibMs: 64_000, bytesIn: 300, bytesOut: 900})
  if (answer.type !== 'receipt') return
  expect(verifyReceipt(answer.receipt, {gatewayKey: gateway.publicKey, nodeKey: nodeKey.publicKey})).toBe(true)
  expect(store.pending(10).map((stored) => stored.receipt)).toEqual([answer.receipt])
  expect(store.leaseLines('lea_9')).toEqual([{incentive: 'colibris/LEAF', capacityMinor: 1_000_000, attestedMinor: 3}])
})

test('the same proposal gets the same answer and is counted once', async () => {
  const {store, signed, pass, propose} = await world()
  pass(1000)
  const first = propose()
  expect(propose()).toEqual(first)
  expect(signed).toEqual(['lea_9'])
  expect(store.leaseLines('lea_9')[0]?.attestedMinor).toBe(3)
})

test('other numbers for a window that is signed already are refused', async () => {
  const {store, pass, propose} = await world()
  pass(1000)
  propose()
  expect(propose({requests: 4})).toMatchObject({type: 'refuse_receipt', reason: 'this window is signed with other numbers'})
  expect(store.pendingCount()).toBe(1)
})

test('all windows together never claim more instance time than was measured, in whatever order they come', async () => {
  const {pass, propose} = await world()
  pass(3000)
  expect(attested(propose({window: 3, mibMs: 100_000})).mibMs).toBe(100_000)
  expect(attested(propose({window: 1, mibMs: 100_000})).mibMs).toBe(92_000)
  expect(attested(propose({window: 2, mibMs: 100_000})).mibMs).toBe(0)
})

test('once this process has measured long enough, claims far beyond its own measure are refused', async () => {
  const {meter, pass, propose} = await world()
  meter.instanceEnded('i1')
  pass(SETTLING_MS)
  const windowMs = 300_000
  expect(propose({windowMs, mibMs: 64 * 60_000})).toMatchObject({type: 'receipt'})
  expect(propose({windowMs, window: 2, mibMs: 64 * 60_000 + 1})).toMatchObject({
    reason: 'more instance time than was measured here (0 MiB·ms)'
  })
  expect(propose({windowMs, window: 2, mibMs: 0, bytesIn: 2 * MIB})).toMatchObject({reason: 'more bytes in than were measured here (0)'})
  expect(propose({windowMs, window: 2, mibMs: 0, bytesOut: 2 * MIB})).toMatchObject({reason: 'more bytes out than were measured here (0)'})
})

test('time stood by is signed as far as it was measured here, whichever gateway asks and however its windows lie', async () => {
  const {meter, store, pass, propose} = await world()
  const standby = (window: number, standbyMs: number, windowMs = 60_000): unknown => {
    const answer = propose({window, windowMs, standbyMs, requests: 0, mibMs: 0, bytesIn: 0, bytesOut: 0})
    return answer.type === 'receipt' ? (openReceipt(answer.receipt).attestation.standbyMs ?? 0) : answer.reason
  }
  meter.standby.hold(new Map([['lea_9', 'rev_7']]))
  pass(5000)
  expect(standby(1, 5000)).toBe(0)
  meter.instanceEnded('i1')
  pass(10_000)
  expect([standby(2, 4000), standby(3, 4000), standby(4, 4000)]).toEqual([4000, 4000, 2000])
  meter.standby.hold(new Map())
  pass(SETTLING_MS)
  expect(standby(5, 60_000)).toBe(0)
  expect(standby(6, 60_001)).toBe('more time stood by than was measured here (0 ms)')
  expect(store.pendingCount()).toBe(5)
  expect(propose({window: 7, windowMs: SETTLING_MS + 10_000, mibMs: 0})).toMatchObject({type: 'receipt'})
})

test('windows that last longer than time has passed are refused', async () => {
  const {pass, propose} = await world()
  pass(1000)
  expect(propose({windowMs: SETTLING_MS + 1000})).toMatchObject({type: 'receipt'})
  expect(propose({window: 2, windowMs: 1000})).toMatchObject({reason: 'the windows last longer than time has passed here'})
})

test('windows of two leases of one revision that overlap are each held to the time that passed', async () => {
  const {store, pass, propose} = await world()
  store.rememberLeases([{...LEASE, id: 'lea_10', budgets: [{incentive: 'colibris/LEAF', amountMinor: 1000}]}])
  const windowMs = SETTLING_MS
  for (let window = 0; window < 4; window += 1) {
    pass(windowMs)
    expect(propose({window: 2 * window, windowMs, mibMs: 0})).toMatchObject({type: 'receipt'})
    expect(propose({window: 2 * window + 1, windowMs, mibMs: 0, lease: 'lea_10'})).toMatchObject({type: 'receipt'})
  }
  expect(propose({window: 9, windowMs: windowMs + 1, mibMs: 0, lease: 'lea_10'})).toMatchObject({
    reason: 'the windows last longer than time has passed here'
  })
})

test('while too many receipts wait for the coordinator nothing is answered, and the window is signed once there is room', async () => {
  const {store, pass, propose} = await world()
  pass(1000)
  const full = vi.spyOn(store, 'hasRoom').mockReturnValue(false)
  expect(() => propose()).toThrow(expect.objectContaining({code: 'overloaded'}))
  expect(store.pendingCount()).toBe(0)
  full.mockRestore()
  expect(propose()).toMatchObject({type: 'receipt'})
})

test('what is another network, gateway, node, lease or revision, or wrongly signed, is refused', async () => {
  const {store, signer, gateway, nodeKey, pass, propose} = await world()
  pass(1000)
  const refused = (changes: Partial<ReceiptProposal>): unknown => {
    const answer = propose(changes)
    return answer.type === 'refuse_receipt' && answer.reason
  }
  expect(refused({network: 'cd'.repeat(32)})).toBe('that is another network')
  expect(refused({gateway: gatewaySide().id})).toBe('that is another gateway')
  expect(refused({node: `node_${'1'.repeat(32)}`})).toBe('that is another node')
  expect(refused({lease: 'lea_10'})).toBe('this node has no such lease')
  expect(refused({revision: 'rev_8'})).toBe('the lease is of another revision')
  const forged = {...gateway.propose(nodeKey), gatewaySignature: gatewaySide().propose(nodeKey).gatewaySignature}
  expect(signer.answer(forged, gateway)).toMatchObject({reason: 'the signature does not hold'})
  expect(store.pendingCount()).toBe(0)
})

test('a lease is empty when what is signed for reaches its budget, and has budget again when the coordinator rejects a receipt', async () => {
  const {store, gateway, nodeKey, pass, propose} = await world(5)
  pass(10_000)
  propose({window: 1})
  expect(store.emptyLeases.has('lea_9')).toBe(false)
  propose({window: 2})
  expect(store.emptyLeases.has('lea_9')).toBe(true)
  const id = receiptId(JSON.parse(gateway.propose(nodeKey, {window: 2}).proposal) as ReceiptProposal)
  store.markRejected(id, {code: 'bad_signature', message: 'no'})
  expect(store.emptyLeases.has('lea_9')).toBe(false)
  expect(store.rejected(10)).toEqual([{id, code: 'bad_signature', message: 'no'}])
})

test('parts of a minor unit are carried from window to window and lost nowhere', async () => {
  const {store, pass} = await world()
  const rewards = [{incentive: 'colibris/LEAF', requestsPerMillionMinor: 250_000, mibMsPerMillionMinor: 0, dailyBudgetMinor: 100}]
  store.rememberLeases([{...LEASE, id: 'lea_11', rewards, budgets: [{incentive: 'colibris/LEAF', amountMinor: 100}]}])
  pass(60_000)
  const {earnedBy} = await import('../../src/miner/budget.ts')
  const lease = store.lease('lea_11')
  if (lease === undefined) throw new Error('the lease is forgotten')
  const amounts: number[] = []
  for (let window = 1; window <= 4; window += 1) {
    const earned = earnedBy(store, lease, {requests: 3, mibMs: 0})
    amounts.push(earned[0]?.amountMinor ?? -1)
    const receipt = {proposal: '{}', gatewaySignature: 'x'.repeat(86), attestation: '{}', nodeSignature: 'x'.repeat(86)}
    store.add({id: `w${window}`, lease, receipt, earned, atMs: 1})
  }
  expect(amounts).toEqual([0, 1, 1, 1])
  expect(store.earnings()).toEqual([{incentive: 'colibris/LEAF', paidMinor: 0, pendingMinor: 3}])
})
