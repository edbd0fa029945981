import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {IdempotencyMemory} from '../../src/core/exchange/idempotency.ts'
import {LedgerMachine} from '../../src/core/exchange/ledger-machine.ts'
import {IDEMPOTENCY_KEYS_PER_ACCOUNT_MAX} from '../../src/core/exchange/limits.ts'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import {proveKey} from '../../src/identity/key-proofs.ts'
import {genesisOf, NETWORK, START_MS} from '../exchange/world.ts'
import {LedgerWorld} from './ledger-world.ts'
import {orderOf} from './orders.ts'

const MINUTE_MS = 60_000
let world: LedgerWorld

beforeEach(async () => {
  world = await LedgerWorld.make()
  await world.settle()
})

afterEach(async () => {
  await world.remove()
})

function allot(): CommandBody {
  return {type: 'allot', account: world.accounts.get('ann') ?? '', amountMicroGutta: 1000}
}

function gutta(): number | undefined {
  return world.ledger.reads.balances({account: world.accounts.get('ann') ?? '', asset: 'gutta'})[0]?.amountMinor
}

describe('a command that is sent again', () => {
  it('under a later not-after is carried out once until that, also after a restart', async () => {
    const first = world.sign('operator', allot(), {idempotencyKey: 'pay', notAfterMs: world.nowMs + MINUTE_MS})
    const later = world.sign('operator', allot(), {idempotencyKey: 'pay', notAfterMs: world.nowMs + 30 * MINUTE_MS})
    const answer = await world.submit(first)
    expect(await world.submit(later)).toEqual(answer)
    expect(world.ledger.sequence).toBe(answer.seq + 1)
    expect(await world.submit(later)).toEqual(answer)
    expect(world.ledger.sequence).toBe(answer.seq + 1)
    await world.close()
    await world.open()
    world.nowMs += 20 * MINUTE_MS
    await world.must('coordinator', {type: 'time.advance'})
    expect(await world.submit(later)).toEqual(answer)
    await world.must('coordinator', {type: 'time.advance'})
    expect(gutta()).toBe(1_000_001_000)
  })

  it('gets its answer a while after its not-after when it is signed anew', async () => {
    const answer = await world.submit(world.sign('operator', allot(), {idempotencyKey: 'pay', notAfterMs: world.nowMs + 1000}))
    world.nowMs += 2 * MINUTE_MS
    await world.must('coordinator', {type: 'time.advance'})
    expect(await world.submit(world.sign('operator', allot(), {idempotencyKey: 'pay'}))).toEqual(answer)
  })

  it('is not carried out again when the clock steps back', async () => {
    const command = world.sign('operator', allot(), {notAfterMs: world.nowMs + MINUTE_MS})
    await world.submit(command)
    world.nowMs += 60 * MINUTE_MS
    await world.must('coordinator', {type: 'time.advance'})
    world.nowMs -= 60 * MINUTE_MS
    await expect(world.submit(command)).rejects.toMatchObject({code: 'expired'})
    expect(world.ledger.nowMs()).toBe(world.nowMs + 60 * MINUTE_MS)
    expect(gutta()).toBe(1_000_001_000)
  })

  it('by another key of the account is another command', async () => {
    const [owner, viewer] = [world.key('zoe'), world.key('viewer')]
    const keys = [owner, viewer].map((key, index) => ({
      publicKey: key.publicKey,
      roles: [index === 0 ? 'owner' : 'viewer'] as ('owner' | 'viewer')[],
      proof: proveKey(key, {network: world.network, account: 'zoe'})
    }))
    const {account} = await world.must('zoe', {type: 'account.create', name: 'zoe', keys}, {as: 'new'})
    const token: CommandBody = {type: 'node.token', tokenHash: 'e'.repeat(64), expiresAtMs: world.nowMs + MINUTE_MS}
    const options = {as: String(account), idempotencyKey: 'same'}
    expect(await world.submit(world.sign('viewer', token, options))).toMatchObject({code: 'forbidden'})
    expect(await world.submit(world.sign('zoe', token, options))).toMatchObject({status: 'applied'})
  })
})

describe('the rule of times', () => {
  it('never applies a command after its not-after', () => {
    const machine = LedgerMachine.fromGenesis(genesisOf(), NETWORK)
    const command = {...named('coordinator', 1), notAfterMs: START_MS, body: {type: 'time.advance'} as const}
    expect(() => machine.apply(command)).toThrow('after its not-after')
  })
})

describe('the memory of idempotency keys', () => {
  it('has room for the network whatever one account, or everybody without one, sends', () => {
    const memory = new IdempotencyMemory()
    for (let seq = 1; seq <= IDEMPOTENCY_KEYS_PER_ACCOUNT_MAX; seq += 1) memory.add(named('acc_evil', seq), {status: 'applied', result: {}})
    expect(['acc_evil', 'acc_ann', 'coordinator', 'new'].map((account) => memory.hasRoom(account))).toEqual([false, true, true, true])
    const {size} = memory
    memory.add(named('new', 1), {status: 'rejected', code: 'conflict', message: 'The name is taken.'})
    expect(memory.size).toBe(size)
    memory.add(
      {...named('acc_ann', 1), atMs: START_MS + 10 * MINUTE_MS, notAfterMs: START_MS + 11 * MINUTE_MS},
      {status: 'applied', result: {}}
    )
    expect(memory.size).toBe(1)
    expect(memory.hasRoom('acc_evil')).toBe(true)
  })
})

function named(account: string, seq: number): Parameters<LedgerMachine['apply']>[0] {
  const times = {seq, atMs: START_MS, notAfterMs: START_MS + MINUTE_MS}
  const body = orderOf('buy', 1, 1)
  return {...times, account, keyId: 'k', hash: () => '', idempotencyKey: `c${seq}`, bodySha256: '', bodyKeyIds: [], body}
}
