import {describe, expect, it} from 'vitest'
import {type CommandBody, type CommandOf, commandBodySchema} from '../../src/core/protocol/commands.ts'
import {World} from './world.ts'

/** `acme` with an incentive that stays, `bolt` with one that is given on; ann has 100 of each and 1,000 micro-gutta. */
function paying(): World {
  const world = new World()
  for (const name of ['creometry', 'acme', 'bolt', 'ann', 'bob']) world.account(name)
  world.issue('acme', {transferable: false})
  world.issue('bolt', {code: 'NUT', transferable: true})
  world.allot('ann', 2000)
  for (const [org, incentive] of [
    ['acme', 'acme/LEAF'],
    ['bolt', 'bolt/NUT']
  ] as const) {
    const trade = {type: 'order.place', incentive, priceMicroGutta: 50, lots: 10, kind: 'limit', timeInForce: 'GTC'} as const
    world.must(org, {...trade, side: 'sell'})
    world.must('ann', {...trade, side: 'buy'})
  }
  return world
}

function transfer(world: World, to: string, asset: string, amountMinor: number): CommandOf<'account.transfer'> {
  return {type: 'account.transfer', to: world.id(to), asset, amountMinor}
}

describe('a transfer', () => {
  it.each([
    ['Gutta to anybody', 'ann', 'bob', 'gutta', 1000, 'applied'],
    ['Gutta to an org', 'ann', 'acme', 'gutta', 1, 'applied'],
    ['an incentive back to its issuer', 'ann', 'acme', 'acme/LEAF', 100, 'applied'],
    ['a transferable one to anybody', 'ann', 'bob', 'bolt/NUT', 100, 'applied'],
    ['a transferable one from its issuer', 'bolt', 'bob', 'bolt/NUT', 5, 'applied'],
    ['any other to anybody', 'ann', 'bob', 'acme/LEAF', 1, 'not_transferable'],
    ['any other to another org', 'ann', 'bolt', 'acme/LEAF', 1, 'not_transferable'],
    ['any other from its issuer, who could sell it past the market', 'acme', 'bob', 'acme/LEAF', 1, 'not_transferable'],
    ['more than there is', 'ann', 'bob', 'gutta', 1001, 'insufficient_funds'],
    ['to oneself', 'ann', 'ann', 'gutta', 1, 'invalid_input'],
    ['to nobody', 'ann', `acc_${'0'.repeat(32)}`, 'gutta', 1, 'not_found'],
    ['of nothing that there is', 'ann', 'bob', 'acme/NONE', 1, 'not_found']
  ])('%s: %s to %s of %s, %i is %6$s', (_, from, to, asset, amount, said) => {
    const world = paying()
    const before = [world.balance(from, asset), world.balance(to, asset)]
    const moved = said === 'applied' ? amount : 0
    expect(world.try(from, transfer(world, to, asset, amount))).toBe(said)
    expect([world.balance(from, asset), world.balance(to, asset)]).toEqual([(before[0] ?? 0) - moved, (before[1] ?? 0) + moved])
  })

  it('leaves alone what is held for orders', () => {
    const world = paying()
    const ask = {type: 'order.place', incentive: 'bolt/NUT', side: 'sell', priceMicroGutta: 99, lots: 9, kind: 'limit', timeInForce: 'GTC'}
    world.must('ann', ask as CommandBody)
    expect(world.try('ann', transfer(world, 'bob', 'bolt/NUT', 11))).toBe('insufficient_funds')
    expect(world.try('ann', transfer(world, 'bob', 'bolt/NUT', 10))).toBe('applied')
  })

  it('uses nothing of the trade volume limit up', () => {
    const world = paying()
    world.must('ann', transfer(world, 'bob', 'bolt/NUT', 100))
    const {volume} = world.machine.state.incentive('bolt/NUT')
    expect(volume.buckets().reduce((sum, {notionalMicroGutta}) => sum + notionalMicroGutta, 0)).toBe(500)
  })

  it('is a treasurer key’s to sign, and no deployer’s', () => {
    const world = paying()
    world.account('shop', [
      {key: 'shop', roles: ['owner']},
      {key: 'till', roles: ['treasurer']},
      {key: 'ci', roles: ['deployer']}
    ])
    world.must('ann', transfer(world, 'shop', 'gutta', 10))
    expect(world.try('shop', transfer(world, 'ann', 'gutta', 1), {key: 'till'})).toBe('applied')
    expect(world.try('shop', transfer(world, 'ann', 'gutta', 1), {key: 'ci'})).toBe('forbidden')
  })

  it('is told with both sides, and with its memo if it has one', () => {
    const world = paying()
    const said = {...transfer(world, 'bob', 'gutta', 7), memo: 'for the flyers'}
    world.effects.length = 0
    expect(world.must('ann', said)).toEqual({transfer: `tra_${world.machine.seq}`, to: world.id('bob'), asset: 'gutta', amountMinor: '7'})
    const {to, ...told} = said
    expect(world.effects[0]).toEqual({...told, type: 'transfer', id: `tra_${world.machine.seq}`, from: world.id('ann'), to})
    world.must('ann', transfer(world, 'bob', 'gutta', 7))
    expect(world.effects.filter((effect) => effect.type === 'transfer').map((effect) => 'memo' in effect)).toEqual([true, false])
  })

  it('is possible of the same incentives on a machine that was brought back', () => {
    const world = paying()
    world.branch()
    expect(world.try('ann', transfer(world, 'bob', 'bolt/NUT', 1))).toBe('applied')
    expect(world.try('ann', transfer(world, 'bob', 'acme/LEAF', 1))).toBe('not_transferable')
    world.assertSame()
  })

  it.each([
    ['64 letters', 'x'.repeat(64), true],
    ['65 letters', 'x'.repeat(65), false],
    ['21 letters of three bytes', '語'.repeat(21), true],
    ['22 letters of three bytes', '語'.repeat(22), false],
    ['17 signs of four bytes', '🌿'.repeat(17), false],
    ['nothing', '', false],
    ['two lines', 'a\nb', false],
    ['an escape', 'a\u001b[2J', false]
  ])('takes a memo of %s: %3$s', (_, memo, isTaken) => {
    const wire = {type: 'account.transfer', to: `acc_${'0'.repeat(32)}`, asset: 'gutta', amountMinor: '1', memo}
    expect(commandBodySchema.safeParse(wire).success).toBe(isTaken)
  })
})
