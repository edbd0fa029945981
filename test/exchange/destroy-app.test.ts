import {expect, it} from 'vitest'
import {deployOf, HOUR_MS, receiptOf, START_MS, World} from './world.ts'

const LINE = {incentive: 'acme/LEAF', requestsPerMillionMinor: 1_000_000, mibMsPerMillionMinor: 0, dailyBudgetMinor: 1000}
const DESTROY = {type: 'app.destroy', app: 'site'} as const

/** An org whose app has served before, with a lease of 600 on a node of ann's. */
function acme() {
  const world = new World()
  world.account('acme', [
    {key: 'acme', roles: ['owner']},
    {key: 'dora', roles: ['deployer']}
  ])
  world.account('ann')
  world.issue('acme')
  world.must('acme', {type: 'pool.fund', incentive: LINE.incentive, amountMinor: 1000})
  const node = world.node('board', 'ann')
  const gateway = world.gateway('gate')
  const first = world.deploy('acme', [LINE])
  const second = world.deploy('acme', [LINE], {image: 'b'})
  const budgets = [{incentive: LINE.incentive, amountMinor: 600}]
  const grant = {type: 'lease.grant', node, revision: second, endsAtMs: START_MS + HOUR_MS, budgets} as const
  const lease = String(world.must('coordinator', grant).lease)
  return {world, node, gateway, first, second, lease, grant}
}

it('is an owner’s to do, is done once, and leaves nothing to go back to', () => {
  const {world, first, second} = acme()
  expect(world.try('acme', DESTROY, {key: 'dora', as: world.id('acme')})).toBe('forbidden')
  expect(world.try('acme', {...DESTROY, app: 'nothing'})).toBe('not_found')
  expect(world.must('acme', DESTROY)).toEqual({org: 'acme', app: 'site', status: 'destroyed'})
  const effects = world.effects.length
  expect(world.must('acme', DESTROY)).toEqual({org: 'acme', app: 'site', status: 'already_destroyed'})
  expect(world.effects.length).toBe(effects)
  const traffic = [{revision: second, percent: 100}]
  expect(world.try('acme', {type: 'traffic.set', app: 'site', functions: [{function: 'web', traffic}]})).toBe('not_found')
  expect([world.machine.state.revisions.has(first), world.machine.state.revisions.has(second)]).toEqual([false, true])
})

it('pays what was served, and gives the rest back to the pool once the lease has ended', () => {
  const {world, node, gateway, second, lease, grant} = acme()
  world.must('acme', DESTROY)
  const served = {gateway, node, revision: second, lease, window: 1, windowStartMs: START_MS, requests: 40, mibMs: 0, nodeMibMs: 0}
  world.must('coordinator', receiptOf(served))
  expect([world.balance('ann', LINE.incentive), world.balance('acme', LINE.incentive, 'reserved')]).toEqual([40, 560])
  world.must('coordinator', {type: 'lease.end', lease})
  world.nowMs += world.machine.state.genesis.receiptGraceMs + 1
  world.must('coordinator', {type: 'time.advance'})
  expect([world.balance('acme', LINE.incentive, 'reserved'), world.balance('acme', LINE.incentive, 'pool')]).toEqual([0, 960])
  expect(world.try('coordinator', grant)).toBe('not_found')
  expect(world.machine.state.revisions.size).toBe(0)
})

it('lets the name be deployed anew, with a first revision that takes its traffic', () => {
  const {world} = acme()
  world.must('acme', DESTROY)
  const anew = world.deploy('acme', [LINE], {image: 'b'})
  expect(world.machine.state.apps.get('acme/site')?.functions.get('web')?.traffic).toEqual([{revision: anew, percent: 100}])
  expect(world.must('acme', deployOf([LINE], {image: 'b'}))).toMatchObject({revisions: [{revision: anew}]})
})
