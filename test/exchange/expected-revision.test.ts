import {expect, it} from 'vitest'
import type {CommandOf} from '../../src/core/protocol/commands.ts'
import {deployOf, World} from './world.ts'

function deploy(image: string, expected: string | undefined): CommandOf<'revision.deploy'> {
  const whole = deployOf([], {image})
  return {...whole, revisions: whole.revisions.map((revision) => ({...revision, ...(expected !== undefined && {expected})}))}
}

it('is deployed upon what was expected to serve, and refused without a trace upon anything else', () => {
  const world = new World()
  world.account('acme')
  expect(world.try('acme', deploy('a', 'rev_64'))).toBe('revision_changed')
  expect(world.try('acme', deploy('a', 'none'))).toBe('applied')
  const first = world.deploy('acme', [], {image: 'b'})
  const before = world.effects.length
  expect(world.try('acme', deploy('c', 'none'))).toBe('revision_changed')
  expect(world.effects.length).toBe(before)
  expect(world.try('acme', deploy('c', first))).toBe('applied')
  expect(world.try('acme', deploy('d', first))).toBe('revision_changed')
  expect(world.try('acme', deploy('d', undefined))).toBe('applied')
})

it('is not refused where the same was deployed meanwhile and serves, and is where the traffic is shared out', () => {
  const world = new World()
  world.account('acme')
  const first = world.deploy('acme', [], {image: 'a'})
  const second = world.deploy('acme', [], {image: 'b'})
  expect(world.try('acme', deploy('b', first))).toBe('applied')
  const traffic = [first, second].map((revision) => ({revision, percent: 50}))
  world.must('acme', {type: 'traffic.set', app: 'site', functions: [{function: 'web', traffic}]})
  for (const image of ['b', 'c']) expect(world.try('acme', deploy(image, second))).toBe('revision_changed')
})

it('leaves a command that expects nothing as it was: the same bytes are signed', () => {
  const world = new World()
  world.account('acme')
  expect(JSON.stringify(deploy('a', undefined))).toBe(JSON.stringify(deployOf([], {image: 'a'})))
  expect(world.try('acme', deployOf([], {image: 'a'}))).toBe('applied')
})

it('keeps the routes that the app has when none are given, and is refused where it has none', () => {
  const world = new World()
  world.account('acme')
  const {routes: _, ...without} = deployOf([], {image: 'a'})
  expect(world.try('acme', without)).toBe('invalid_input')
  const routes = [{path: '/elsewhere', function: 'web'}]
  expect(world.try('acme', {...deployOf([], {image: 'a'}), routes})).toBe('applied')
  const {routes: __, ...next} = deployOf([], {image: 'b'})
  expect(world.try('acme', next)).toBe('applied')
  expect(world.effects.findLast((effect) => effect.type === 'app')).toMatchObject({routes, revisions: [{function: 'web'}]})
})
