import {afterAll, beforeAll, expect, it} from 'vitest'
import {knownAccount, knownApp} from '../../src/coordinator/http/not-found.ts'
import {LedgerWorld} from '../ledger/ledger-world.ts'

let world: LedgerWorld
let app: string
beforeAll(async () => {
  world = await LedgerWorld.make()
  await world.settle()
  await world.serve()
  app = world.ledger.reads.apps({limit: 1})[0]?.app ?? ''
})
afterAll(() => world.remove())

it.each([
  ['an app whose name was mistyped', () => knownApp(world.ledger.reads, 'acme', `${app}s`), () => `Did you mean acme/${app}?`],
  ['an app like no other', () => knownApp(world.ledger.reads, 'acme', 'zzzzzzzzzz'), () => 'creo deploy'],
  ['an app of an org whose name was mistyped', () => knownApp(world.ledger.reads, 'acmee', app), () => 'Did you mean acme?'],
  ['an account whose name was mistyped', () => knownAccount(world.ledger.reads, 'creometri'), () => 'Did you mean creometry?'],
  ['an account like no other', () => knownAccount(world.ledger.reads, 'zoe'), () => 'creo account create zoe']
])('says what was most likely meant by %s', (_, ask, hint) => {
  expect(ask).toThrow(expect.objectContaining({code: 'not_found', hint: hint()}))
})

it('proposes no app that was destroyed', async () => {
  await world.must('acme', {type: 'app.destroy', app})
  expect(knownApp(world.ledger.reads, 'acme', app)).toMatchObject({app})
  expect(() => knownApp(world.ledger.reads, 'acme', `${app}s`)).toThrow(expect.objectContaining({hint: 'creo deploy'}))
})
