import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import type {CommandOf} from '../../src/core/protocol/commands.ts'
import {pickShare} from '../../src/core/traffic.ts'
import {deployOf, World} from './world.ts'

type Change = CommandOf<'traffic.set'>['functions'][number]

/** An org whose function `site/web` has three revisions, the last of which gets the traffic. */
function acme(): {world: World; first: string; second: string; third: string} {
  const world = new World()
  world.account('acme', [
    {key: 'acme', roles: ['owner']},
    {key: 'dora', roles: ['deployer']},
    {key: 'theo', roles: ['treasurer']}
  ])
  const [first = '', second = '', third = ''] = ['a', 'b', 'c'].map((image) => world.deploy('acme', [], {image}))
  return {world, first, second, third}
}

function body(change: Partial<Change>): CommandOf<'traffic.set'> {
  return {type: 'traffic.set', app: 'site', functions: [{function: 'web', ...change}]}
}

function deploy(changes: Partial<CommandOf<'revision.deploy'>['revisions'][number]>, image: string): CommandOf<'revision.deploy'> {
  const whole = deployOf([], {image})
  return {...whole, revisions: whole.revisions.map((revision) => ({...revision, ...changes}))}
}

function standing(world: World): {traffic: Record<string, number>; tags: Record<string, string>} {
  const web = world.machine.state.apps.get('acme/site')?.functions.get('web')
  return {
    traffic: Object.fromEntries((web?.traffic ?? []).map(({revision, percent}) => [revision, percent])),
    tags: Object.fromEntries(web?.tags ?? [])
  }
}

describe('the traffic of a function', () => {
  it('goes to its newest revision, until somebody shares it out', () => {
    const {world, first, third} = acme()
    expect(standing(world)).toEqual({traffic: {[third]: 100}, tags: {}})
    const traffic = [
      {revision: first, percent: 20},
      {revision: third, percent: 80}
    ]
    const effects = world.effects.length
    expect(world.must('acme', body({traffic}))).toEqual({org: 'acme', app: 'site', functions: [{function: 'web', traffic, tags: []}]})
    expect(world.effects.slice(effects)).toEqual([{type: 'traffic', org: 'acme', app: 'site', function: 'web', traffic, tags: []}])
    world.must('acme', body({traffic}))
    expect(world.effects.length).toBe(effects + 1)
    const fourth = world.deploy('acme', [], {image: 'd'})
    expect(standing(world).traffic).toEqual({[fourth]: 100})
  })

  it('is shared out by an owner or a deployer, and by nobody else', () => {
    const {world, first} = acme()
    const traffic = [{revision: first, percent: 100}]
    const as = world.id('acme')
    expect(world.try('acme', body({traffic}), {key: 'dora', as})).toBe('applied')
    expect(world.try('acme', body({traffic}), {key: 'theo', as})).toBe('forbidden')
  })

  it('stays with who has it when a revision is deployed without, which then can get it', () => {
    const {world, third} = acme()
    const made = world.must('acme', deploy({noTraffic: true, tag: 'next'}, 'd')).revisions as {revision: string}[]
    const fourth = made[0]?.revision ?? ''
    expect(standing(world)).toEqual({traffic: {[third]: 100}, tags: {next: fourth}})
    expect(world.must('acme', deploy({}, 'd')).revisions).toEqual([{function: 'web', revision: fourth}])
    expect(standing(world)).toEqual({traffic: {[fourth]: 100}, tags: {next: fourth}})
  })

  it.each<[string, (ids: {first: string; third: string}) => Partial<Change>, RegExp]>([
    ['shares that make less than all', ({first}) => ({traffic: [{revision: first, percent: 99}]}), /make 99 %, not 100 %/],
    [
      'two shares of one revision',
      ({first}) => ({
        traffic: [
          {revision: first, percent: 50},
          {revision: first, percent: 50}
        ]
      }),
      /two shares of one revision/
    ],
    ['a revision that is not there', () => ({traffic: [{revision: 'rev_7', percent: 100}]}), /no revision rev_7/],
    ['a tag of a revision that is not there', () => ({tags: [{tag: 'next', revision: 'rev_7'}]}), /no revision rev_7/],
    ['a tag that is not there', () => ({untag: ['gone']}), /no tag "gone"/],
    ['a tag given and taken', ({first}) => ({tags: [{tag: 'old', revision: first}], untag: ['old']}), /given and taken/],
    ['a function that is not there', () => ({function: 'nothing'}), /no function "nothing"/]
  ])('is not changed by %s', (_title, change, words) => {
    const {world, first, third} = acme()
    world.must('acme', body({tags: [{tag: 'old', revision: first}]}))
    const before = world.machine.stateText().split('\n').slice(1)
    expect(world.do('acme', body(change({first, third})))).toMatchObject({status: 'rejected', message: expect.stringMatching(words)})
    expect(world.machine.stateText().split('\n').slice(1)).toEqual(before)
  })

  it('cannot be withheld from a first revision', () => {
    const world = new World()
    world.account('acme')
    expect(world.do('acme', deploy({noTraffic: true}, 'a'))).toMatchObject({
      message: expect.stringMatching(/first revision takes its traffic/)
    })
  })
})

describe('a tag', () => {
  it('moves with the revision it is given to, and keeps it current without traffic', () => {
    const {world, first, second, third} = acme()
    world.must('acme', body({tags: [{tag: 'old', revision: first}]}))
    world.must('acme', body({tags: [{tag: 'old', revision: second}]}))
    expect(standing(world)).toEqual({traffic: {[third]: 100}, tags: {old: second}})
    const current = (id: string): boolean | undefined => world.machine.state.revisions.get(id)?.isCurrent
    expect([first, second, third].map(current)).toEqual([false, true, true])
    world.must('acme', body({untag: ['old']}))
    expect(current(second)).toBe(false)
  })

  it('makes an address of one label, or is refused with the length', () => {
    const world = new World()
    world.account('organisation-of-acme')
    const [app, fn] = ['application-of-acme', 'function-of-us']
    const {revisions, ...rest} = deployOf([], {app, fn})
    const deployed = (tag: string) => world.do('organisation-of-acme', {...rest, revisions: revisions.map((one) => ({...one, tag}))})
    expect(`${'t'.repeat(4)}--${fn}--${app}--organisation-of-acme`).toHaveLength(63)
    expect(deployed('tttt').status).toBe('applied')
    expect(deployed('ttttt')).toMatchObject({message: expect.stringMatching(/is 64 letters long.*at most 63.*shorter tag/)})
  })

  it('is one of five', () => {
    const {world, first} = acme()
    const tags = ['one', 'two', 'three', 'four', 'five'].map((tag) => ({tag, revision: first}))
    world.must('acme', body({tags}))
    expect(world.do('acme', body({tags: [{tag: 'six', revision: first}]}))).toMatchObject({message: expect.stringMatching(/at most 5/)})
  })
})

it('gives each revision its share of any numbers drawn', () => {
  const shares = fc.uniqueArray(fc.nat(20), {minLength: 1, maxLength: 5}).chain((ids) =>
    fc.array(fc.integer({min: 1, max: 99}), {minLength: ids.length - 1, maxLength: ids.length - 1}).map((cuts) => {
      const bounds = [0, ...new Set(cuts)].sort((a, b) => a - b)
      return bounds.map((from, index) => ({revision: `rev_${index}`, percent: (bounds[index + 1] ?? 100) - from}))
    })
  )
  fc.assert(
    fc.property(shares, (traffic) => {
      const got = Map.groupBy(
        Array.from({length: 100}, (_, index) => pickShare(traffic, (index + 0.5) / 100) ?? ''),
        (id) => id
      )
      expect(traffic.map(({revision}) => got.get(revision)?.length)).toEqual(traffic.map(({percent}) => percent))
    })
  )
})
