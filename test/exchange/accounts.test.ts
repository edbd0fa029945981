import {describe, expect, it} from 'vitest'
import {COMMAND_SIGNERS} from '../../src/core/exchange/authorise.ts'
import type {KeyRole} from '../../src/core/protocol/account-keys.ts'
import type {CommandBody, CommandOf} from '../../src/core/protocol/commands.ts'
import {HOUR_MS, hexOf, World} from './world.ts'

const KEY = 'A'.repeat(43)

function accountOf(name: string, roles: KeyRole[] = ['owner']): CommandOf<'account.create'> {
  return {type: 'account.create', name, keys: [{publicKey: KEY, roles}]}
}

describe('accounts and roles', () => {
  it('gives an account the id of the command that made it, and one name and one key to one account', () => {
    const world = new World()
    const id = world.account('ann')
    expect(id).toBe(`acc_${hexOf('command 1', 64).slice(0, 32)}`)
    expect(world.try('bob', accountOf('ann'), {as: 'new', bodyKeyIds: [hexOf('key of bob')]})).toBe('conflict')
    expect(world.try('ann', accountOf('ann-two'), {as: 'new', bodyKeyIds: [hexOf('key of ann')]})).toBe('conflict')
    expect(world.try('bob', accountOf('bob', ['viewer']), {as: 'new', bodyKeyIds: [hexOf('key of bob')]})).toBe('invalid_input')
    expect(world.try('bob', accountOf('bob'), {as: 'new', bodyKeyIds: [hexOf('key of cyd')]})).toBe('forbidden')
  })

  it('lets each role do its own part and nothing else', () => {
    const world = new World()
    const roles = ['owner', 'deployer', 'treasurer', 'trader', 'viewer', 'recovery'] as const
    world.account('creometry')
    world.account(
      'acme',
      roles.map((role) => ({key: role, roles: [role]}))
    )
    world.must('acme', {...issueOf(), code: 'ONE'}, {key: 'owner'})
    const bodies: CommandBody[] = [
      {type: 'node.token', tokenHash: hexOf('t', 64), expiresAtMs: world.nowMs + 1},
      {...issueOf(), code: 'TWO'},
      {type: 'pool.fund', incentive: 'acme/ONE', amountMinor: 1},
      {type: 'order.place', incentive: 'acme/ONE', side: 'sell', lots: 1, priceMicroGutta: 1, kind: 'limit', timeInForce: 'GTC'},
      {type: 'orders.cancel'},
      {type: 'redemption.request', offer: 'off_1', quantity: 1},
      {type: 'redemption.capture', redemption: 'red_1'},
      {type: 'account.transfer', to: `acc_${'a'.repeat(32)}`, asset: 'gutta', amountMinor: 1},
      {type: 'revision.deploy', app: 'site', revisions: [], routes: []}
    ]
    const trading = ['order.place', 'orders.cancel', 'redemption.request']
    const money = ['pool.fund', ...trading, 'redemption.capture', 'account.transfer']
    const may = roles.map((role) => bodies.filter((body) => world.try('acme', body, {key: role}) !== 'forbidden').map((body) => body.type))
    expect(Object.fromEntries(roles.map((role, index) => [role, may[index]]))).toEqual({
      owner: ['node.token', 'incentive.issue', ...money, 'revision.deploy'],
      deployer: ['revision.deploy'],
      treasurer: money,
      trader: trading,
      viewer: [],
      recovery: []
    })
  })

  it('takes the commands of the network from its own keys alone', () => {
    const world = new World()
    world.account('ann')
    const own = Object.entries(COMMAND_SIGNERS).filter(([, signers]) => signers === 'coordinator' || signers === 'operator')
    expect(own).toHaveLength(10)
    for (const [type] of own) expect(world.try('ann', {type} as CommandBody), type).toBe('forbidden')
    expect(world.try('coordinator', {type: 'allot', account: world.id('ann'), amountMicroGutta: 1})).toBe('forbidden')
    expect(world.try('operator', {type: 'time.advance'})).toBe('forbidden')
  })

  it('enrolls a node once with a token that is unexpired and unused, under the account that made it', () => {
    const world = new World()
    world.account('ann')
    world.account('bob')
    const node = world.node('pi', 'ann')
    expect(world.machine.state.nodes.get(node)?.owner).toBe(0)
    const tokenHash = hexOf('token of pi', 64)
    const enroll = {type: 'node.enroll', publicKey: KEY, tokenHash, owner: world.id('bob'), name: 'x', architecture: 'amd64'} as const
    expect(world.try('other', enroll, {as: 'new', bodyKeyIds: [hexOf('key of other')]})).toBe('not_found')
    world.must('bob', {type: 'node.token', tokenHash: hexOf('late', 64), expiresAtMs: world.nowMs + HOUR_MS})
    world.nowMs += HOUR_MS
    const late = {...enroll, tokenHash: hexOf('late', 64)}
    expect(world.try('other', late, {as: 'new', bodyKeyIds: [hexOf('key of other')]})).toBe('expired')
    world.must('coordinator', {type: 'time.advance'})
    expect(world.machine.state.nodeTokens.size).toBe(0)
    world.must('bob', {type: 'node.token', tokenHash: hexOf('again', 64), expiresAtMs: world.nowMs + HOUR_MS})
    const twice = {...enroll, tokenHash: hexOf('again', 64)}
    expect(world.try('pi', twice, {as: 'new', bodyKeyIds: [hexOf('key of pi')]})).toBe('conflict')
  })

  it('admits, re-addresses and revokes gateways', () => {
    const world = new World()
    const gateway = world.gateway('gate')
    expect(world.gateway('gate')).toBe(gateway)
    expect(world.machine.state.gateways.get(gateway)?.terms).toHaveLength(1)
    const revoke = {type: 'gateway.revoke', publicKey: KEY} as const
    const bodyKeyIds = [hexOf('key of gate')]
    expect(world.try('operator', revoke, {bodyKeyIds})).toBe('applied')
    expect(world.try('operator', revoke, {bodyKeyIds})).toBe('not_found')
    world.gateway('gate')
    expect(world.machine.state.gateways.get(gateway)?.terms).toHaveLength(2)
  })

  it('changes nothing but the memory of the key when it refuses', () => {
    const world = new World()
    world.account('creometry')
    world.account('acme')
    world.issue('acme')
    const before = world.machine.stateText().split('\n').slice(1)
    expect(world.try('acme', {type: 'pool.fund', incentive: 'acme/LEAF', amountMinor: 1_000_001})).toBe('insufficient_funds')
    expect(world.try('acme', {type: 'allot', account: world.id('acme'), amountMicroGutta: 1})).toBe('forbidden')
    expect(world.machine.stateText().split('\n').slice(1)).toEqual(before)
  })
})

function issueOf(): CommandOf<'incentive.issue'> {
  return {
    type: 'incentive.issue',
    code: 'LEAF',
    name: 'Leaf',
    decimals: 0,
    lotMinor: 1,
    supplyMinor: 1000,
    tradeVolumeLimitMicroGutta: 1,
    captured: 'burn',
    transferable: false,
    firstOffer: {item: 'tea', priceMinor: 1, stock: 1, where: 'in-app'}
  }
}
