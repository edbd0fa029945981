import {beforeEach, describe, expect, it} from 'vitest'
import type {BlockTarget} from '../../src/core/protocol/blocks.ts'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import {deployOf, HOUR_MS, hexOf, World} from './world.ts'

const image = (name: string): BlockTarget => ({kind: 'image', name: `sha256:${hexOf(name, 64)}`})
const account = (name: string): BlockTarget => ({kind: 'account', name})
const domain = (name: string): BlockTarget => ({kind: 'domain', name})
const block = (target: BlockTarget): CommandBody => ({type: 'operator.block', target, reason: 'abuse'})
const unblock = (target: BlockTarget): CommandBody => ({type: 'operator.unblock', target, reason: 'mended'})

/** A deploy that asks to reach this host. */
function reaching(host: string): CommandBody {
  const command = deployOf()
  return {...command, revisions: command.revisions.map((one) => ({...one, spec: {...one.spec, egress: [host]}}))}
}

let world: World
beforeEach(() => {
  world = new World()
  for (const name of ['acme', 'ann', 'bob']) world.account(name)
})

describe('what the operator blocks', () => {
  const ways: readonly [string, BlockTarget, CommandBody, CommandBody][] = [
    ['an image', image('bad'), deployOf([], {image: 'bad'}), deployOf([], {image: 'good'})],
    ['a domain', domain('evil.example'), reaching('evil.example'), reaching('good.example')],
    ['a name below a domain', domain('evil.example'), reaching('a.b.evil.example'), reaching('notevil.example')],
    ['a domain, however it is written', domain('evil.example'), reaching('Evil.Example.'), reaching('example')]
  ]

  it.each(ways)('%s is not deployed until it is let in again, and the rest is', (_what, target, refused, taken) => {
    world.must('operator', block(target))
    expect(world.do('acme', refused)).toMatchObject({status: 'rejected', code: 'forbidden', message: expect.stringContaining('abuse')})
    expect(world.try('acme', taken)).toBe('applied')
    world.must('operator', unblock(target))
    expect(world.try('acme', refused)).toBe('applied')
  })

  it('an account deploys nothing and moves no traffic, and nobody else is touched', () => {
    world.deploy('acme')
    const fn = {function: 'web', tags: [{tag: 'next', revision: world.deploy('acme', [], {image: 'b'})}]}
    const move: CommandBody = {type: 'traffic.set', app: 'site', functions: [fn]}
    world.must('operator', block(account('acme')))
    expect([world.try('acme', deployOf([], {image: 'c'})), world.try('acme', move)]).toEqual(['forbidden', 'forbidden'])
    expect(world.try('ann', deployOf())).toBe('applied')
    world.must('operator', unblock(account('acme')))
    expect(world.try('acme', move)).toBe('applied')
  })

  it.each([
    ['image', image('a')],
    ['account', account('acme')]
  ])('%s gets no lease for what was deployed before', (_kind, target) => {
    const revision = world.deploy('acme')
    const node = world.node('n', 'bob')
    const grant: CommandBody = {type: 'lease.grant', node, revision, endsAtMs: world.nowMs + HOUR_MS, budgets: []}
    world.must('operator', block(target))
    expect(world.try('coordinator', grant)).toBe('forbidden')
    world.must('operator', unblock(target))
    expect(world.try('coordinator', grant)).toBe('applied')
  })

  it('gets no traffic and no tag again: there is no way back to it', () => {
    const [bad, good] = [world.deploy('acme', [], {image: 'bad'}), world.deploy('acme', [], {image: 'good'})]
    const set = (change: object): CommandBody => ({type: 'traffic.set', app: 'site', functions: [{function: 'web', ...change}]})
    const ways = [
      {traffic: [{revision: bad, percent: 100}]},
      {
        traffic: [
          {revision: bad, percent: 10},
          {revision: good, percent: 90}
        ]
      },
      {tags: [{tag: 'next', revision: bad}]}
    ]
    world.must('operator', block(image('bad')))
    expect(ways.map((change) => world.try('acme', set(change)))).toEqual(['forbidden', 'forbidden', 'forbidden'])
    expect(world.try('acme', set({tags: [{tag: 'now', revision: good}]}))).toBe('applied')
    world.must('operator', unblock(image('bad')))
    expect(ways.map((change) => world.try('acme', set(change)))).toEqual(['applied', 'applied', 'applied'])
  })

  it('is the operator’s to say, of what there is, and saying it again changes nothing', () => {
    expect(world.try('acme', block(account('ann')))).toBe('forbidden')
    expect(world.try('coordinator', block(account('ann')))).toBe('forbidden')
    expect(world.try('operator', block(account('nobody')))).toBe('not_found')
    const statuses = [block, block, unblock, unblock].map((make) => world.must('operator', make(account('ann'))).status)
    expect(statuses).toEqual(['blocked', 'already_blocked', 'unblocked', 'already_unblocked'])
    const said = world.effects.filter(({type}) => type === 'block')
    expect(said).toMatchObject([
      {action: 'block', kind: 'account', name: 'ann', reason: 'abuse', by: hexOf('key of operator')},
      {action: 'unblock', reason: 'mended'}
    ])
  })

  it('is part of the state, and a network that blocks nothing has the same state as ever', () => {
    const before = world.machine.stateText()
    expect(before).not.toContain('"block"')
    world.must('operator', block(account('ann')))
    expect(world.machine.stateText()).toContain('["blocks","account ann","abuse"]')
  })
})
