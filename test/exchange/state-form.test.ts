import {createHash} from 'node:crypto'
import {describe, expect, it} from 'vitest'
import {LedgerMachine} from '../../src/core/exchange/ledger-machine.ts'
import {STATE_FORM} from '../../src/core/exchange/state-form.ts'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import {deployOf, genesisOf, HOUR_MS, hexOf, NETWORK, receiptOf, World} from './world.ts'

const PUBLIC_KEY = 'A'.repeat(43)
const PROOF = 'A'.repeat(86)
const LINE = {incentive: 'acme/LEAF', requestsPerMillionMinor: 700_000, mibMsPerMillionMinor: 333_333, dailyBudgetMinor: 1000}
const keyId = (name: string): string => hexOf(`key of ${name}`)

/** A world in which there is something of everything that the rules remember. */
function full(): {world: World; lease: string; gateway: string; node: string; revision: string} {
  const world = new World({fees: {makerPpm: 700, takerPpm: 1900}, recoveryDelayMs: 10_000})
  world.account('creometry')
  world.account('acme', [
    {key: 'acme', roles: ['owner']},
    {key: 'paper', roles: ['recovery']}
  ])
  for (const name of ['ann', 'bob']) world.account(name)
  world.issue('acme')
  for (const name of ['ann', 'bob']) world.allot(name, 1_000_000)
  const order = {type: 'order.place', incentive: 'acme/LEAF', kind: 'limit', lots: 40} as const
  world.must('acme', {...order, side: 'sell', priceMicroGutta: 7, timeInForce: 'GTC'})
  world.must('ann', {...order, side: 'buy', priceMicroGutta: 9, lots: 30, timeInForce: 'GTC'})
  world.must('bob', {...order, side: 'buy', priceMicroGutta: 5, timeInForce: 'GTT', expiresAtMs: world.nowMs + HOUR_MS})
  world.must('ann', {type: 'redemption.request', offer: [...world.machine.state.offers.keys()][0] ?? '', quantity: 1})
  const {gateway, node} = {gateway: world.gateway('gate'), node: world.node('pi', 'ann')}
  world.must('bob', {type: 'node.token', tokenHash: hexOf('token', 64), expiresAtMs: world.nowMs + HOUR_MS})
  world.must('acme', {type: 'pool.fund', incentive: 'acme/LEAF', amountMinor: 5000})
  const revision = world.deploy('acme', [LINE])
  world.must('acme', {
    ...deployOf([], {image: 'b'}),
    revisions: [{...(deployOf([], {image: 'b'}).revisions[0] ?? never()), noTraffic: true, tag: 'next'}]
  })
  const exchange = world.deploy('creometry')
  const lease = grant(world, node, revision, [{incentive: 'acme/LEAF', amountMinor: 500}])
  const own = grant(world, node, exchange, [])
  for (const window of [1, 2, 5]) world.must('coordinator', receiptOf({gateway, node, revision, lease, window, requests: 3, mibMs: 5}))
  world.must('coordinator', receiptOf({gateway, node, revision: exchange, lease: own, window: 1, requests: 3}))
  world.must('operator', {type: 'operator.block', target: {kind: 'account', name: 'bob'}, reason: 'abuse'})
  const invite: CommandBody = {type: 'key.invite', inviteKey: PUBLIC_KEY, roles: ['deployer'], expiresAtMs: world.nowMs + HOUR_MS}
  world.must('acme', invite, {bodyKeyIds: [keyId('invitation')]})
  world.must('acme', {type: 'recovery.start', publicKey: PUBLIC_KEY, proof: PROOF}, {key: 'paper', bodyKeyIds: [keyId('new')]})
  return {world, lease, gateway, node, revision}
}

function grant(world: World, node: string, revision: string, budgets: {incentive: string; amountMinor: number}[]): string {
  return String(world.must('coordinator', {type: 'lease.grant', node, revision, endsAtMs: world.nowMs + HOUR_MS, budgets}).lease)
}

function never(): never {
  throw new Error('A test names something that is not there.')
}

describe('what a machine remembers, as lines', () => {
  it('has something of each kind in the world of this test', () => {
    const {world} = full()
    const names = new Set(Array.from(world.machine.lines(), (line) => (JSON.parse(line) as [string])[0]))
    const derived = ['genesis', 'networkId', 'accountsById', 'accountsByName', 'accountsByKey']
    const others = [...derived, 'invitesByKey', 'recoveringKeys', 'incentivesById', 'auctions', 'offerCounts']
    const fields = Object.keys(world.machine.state).filter((field) => !others.includes(field))
    expect([...names].sort()).toEqual([...fields, 'answer', 'sequence'].sort())
  })

  it('is of this form: raise STATE_FORM when another digest comes out, since a journal of before has the old one', () => {
    const digest = createHash('sha256')
    for (const line of full().world.machine.lines()) digest.update(line)
    expect({form: STATE_FORM, digest: digest.digest('hex')}).toEqual({
      form: 2,
      digest: 'a60dcf7f5b90c6b56c14b739699f621060b95f756ea54e18c5648f48dfd573bf'
    })
  })

  it('is enough to go on from, for invitations, recoveries, receipts, redemptions and repeats too', () => {
    const {world, lease, gateway, node, revision} = full()
    world.branch()
    const receipt = (window: number): CommandBody => receiptOf({gateway, node, revision, lease, window, requests: 4, mibMs: 7})
    expect(world.try('coordinator', receipt(2))).toBe('replayed')
    expect(world.try('coordinator', receipt(3))).toBe('applied')
    const accept: CommandBody = {
      type: 'key.accept',
      account: world.id('acme'),
      publicKey: PUBLIC_KEY,
      inviteKey: PUBLIC_KEY,
      inviteProof: PROOF
    }
    world.must('acme', accept, {as: 'new', key: 'colleague', bodyKeyIds: [keyId('colleague'), keyId('invitation')]})
    world.nowMs += 10_000
    world.must('coordinator', {type: 'time.advance'})
    expect(world.machine.state.accountsByName.get('acme')?.keys.map((key) => key.keyId)).toContain(keyId('new'))
    world.must('coordinator', {type: 'lease.end', lease})
    world.nowMs += 61_000
    world.must('coordinator', {type: 'epoch.close', epoch: 0})
    world.nowMs += 25 * HOUR_MS
    world.must('coordinator', {type: 'time.advance'})
    world.assertSame()
  })

  it('is of no use with a line that is none', () => {
    const machine = LedgerMachine.fromGenesis(genesisOf(), NETWORK)
    expect(() => machine.takeLine('["toString",1]')).toThrow('A state has no toString.')
    expect(() => machine.takeLine('["offers",{"id":"off_1"},"acme/LEAF"]')).toThrow('A state without acme/LEAF.')
  })
})
