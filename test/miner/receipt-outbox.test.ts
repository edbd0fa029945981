import {spawn} from 'node:child_process'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {expect, onTestFinished, test} from 'vitest'
import type {Client} from '../../src/client/client.ts'
import {CreoError} from '../../src/core/errors.ts'
import type {Receipt} from '../../src/core/protocol/receipts.ts'
import {MinerStore} from '../../src/miner/miner-store.ts'
import {ReceiptOutbox} from '../../src/miner/receipt-outbox.ts'
import {LEASE} from './lease.ts'
import {quietLog, temporaryDirectory} from './worlds.ts'

type Post = Client['postReceipts']

function receipt(window: number): Receipt {
  return {proposal: `{"w":${window}}`, gatewaySignature: 'x'.repeat(86), attestation: '{}', nodeSignature: 'x'.repeat(86)}
}

async function outboxWith(windows: number, postReceipts: Post): Promise<{store: MinerStore; outbox: ReceiptOutbox}> {
  const store = MinerStore.open(join(await temporaryDirectory(), 'miner.sqlite'))
  onTestFinished(() => store.close())
  store.rememberLeases([{...LEASE, budgets: [{incentive: 'colibris/LEAF', amountMinor: 1000}]}])
  for (let window = 1; window <= windows; window += 1) add(store, window)
  return {store, outbox: new ReceiptOutbox({store, client: {postReceipts}, random: () => 0, log: quietLog})}
}

function add(store: MinerStore, window: number): void {
  const earned = [{incentive: 'colibris/LEAF', amountMinor: 2, carry: 0}]
  store.add({id: `w${window}`, lease: LEASE, receipt: receipt(window), earned, atMs: 1})
}

function idOf({proposal}: Receipt): string {
  return `w${(JSON.parse(proposal) as {w: number}).w}`
}

const signal = new AbortController().signal

test('receipts go in batches of 100, oldest first, and leave the outbox when they are paid', async () => {
  const batches: number[] = []
  const {store, outbox} = await outboxWith(250, async (receipts) => {
    batches.push(receipts.length)
    return receipts.map((one) => ({id: idOf(one), status: batches.length === 1 ? 'paid' : 'already_paid'}))
  })
  expect(await outbox.flush(signal)).toBe('empty')
  expect(batches).toEqual([100, 100, 50])
  expect(store.pendingCount()).toBe(0)
  expect(store.earnings()).toEqual([{incentive: 'colibris/LEAF', paidMinor: 500, pendingMinor: 0}])
})

test('one that must be tried later holds up no other, and one that is rejected is kept aside with its reason', async () => {
  const {store, outbox} = await outboxWith(3, async (receipts) =>
    receipts.map((one) => {
      if (idOf(one) === 'w1') return {id: 'w1', status: 'retry'}
      return idOf(one) === 'w2' ? {id: 'w2', status: 'rejected', code: 'expired', message: 'too late'} : {id: 'w3', status: 'paid'}
    })
  )
  expect(await outbox.flush(signal)).toBe('waiting')
  expect(store.pending(10).map(({id}) => id)).toEqual(['w1'])
  expect(store.rejected(10)).toEqual([{id: 'w2', code: 'expired', message: 'too late'}])
  expect(store.leaseLines('lea_9')[0]?.attestedMinor).toBe(4)
})

test('one for which a whole batch is refused is found and kept aside, and all others are paid', async () => {
  let posts = 0
  const {store, outbox} = await outboxWith(250, async (receipts) => {
    posts += 1
    if (receipts.some((one) => idOf(one) === 'w17')) throw new CreoError('invalid_input', 'receipts.16: is not right.')
    return receipts.map((one) => ({id: idOf(one), status: 'paid'}))
  })
  expect(await outbox.flush(signal)).toBe('empty')
  expect([store.pendingCount(), posts]).toEqual([0, 17])
  expect(store.rejected(10)).toEqual([{id: 'w17', code: 'invalid_input', message: 'receipts.16: is not right.'}])
  expect(store.earnings()).toEqual([{incentive: 'colibris/LEAF', paidMinor: 498, pendingMinor: 0}])
})

test('a coordinator that can read no receipt at all is waited for, and none is given up', async () => {
  let posts = 0
  const {store, outbox} = await outboxWith(130, async () => {
    posts += 1
    throw new CreoError('invalid_input', 'no')
  })
  expect(await outbox.flush(signal)).toBe('waiting')
  expect([store.pendingCount(), store.rejected(10), posts]).toEqual([130, [], 199])
})

test('while the coordinator is gone receipts wait, and they go out when it is back, with those that came meanwhile', async () => {
  const back = Promise.withResolvers<void>()
  let isBack = false
  let attempts = 0
  const stop = new AbortController()
  const {store, outbox} = await outboxWith(2, async (receipts) => {
    attempts += 1
    if (attempts === 2) isBack = true
    if (!isBack) throw new CreoError('unavailable', 'gone')
    if (attempts > 2) back.resolve()
    return receipts.map((one) => ({id: idOf(one), status: 'paid'}))
  })
  const running = outbox.run(stop.signal)
  await expect.poll(() => store.pendingCount()).toBe(0)
  add(store, 3)
  outbox.added()
  await back.promise
  await expect.poll(() => store.pendingCount()).toBe(0)
  stop.abort()
  await running
  expect(store.earnings()[0]?.paidMinor).toBe(6)
})

test('a process that is killed at any instant has counted exactly the receipts that it keeps, and keeps each that it answered', async () => {
  const path = join(await temporaryDirectory(), 'miner.sqlite')
  const script = new URL('./sign-forever.ts', import.meta.url).pathname
  let from = 1
  for (const answersBeforeKill of [3, 17, 40]) {
    const child = spawn(process.execPath, [script, path, String(from)], {stdio: ['ignore', 'pipe', 'inherit']})
    const exited = new Promise((resolve) => child.once('exit', resolve))
    const answered: string[] = []
    for await (const line of createInterface({input: child.stdout})) {
      answered.push(line)
      if (answered.length === answersBeforeKill) child.kill('SIGKILL')
    }
    await exited
    const store = MinerStore.open(path)
    const kept = store.pending(10_000).map(({id}) => id)
    expect(kept).toEqual(expect.arrayContaining(answered))
    expect(store.leaseLines('lea_9')[0]?.attestedMinor).toBe(7 * kept.length)
    from = kept.length + 1
    store.close()
  }
})
