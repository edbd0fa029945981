import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {gatewayIdOf, generateKeyPair} from '../../src/identity/keys.ts'
import {creo} from '../support/processes.ts'
import {CliWorld} from './cli-world.ts'

let world: CliWorld
beforeAll(async () => {
  world = await CliWorld.make()
  await world.startCoordinator()
  await world.must('network', 'join', world.coordinatorUrl, '--id', world.networkId, '--name', 'home')
})
afterAll(() => world.close())

/** What `config list` says of one setting: its value and where it comes from. */
async function said(setting: string, env: Record<string, string> = {}, args: readonly string[] = []): Promise<readonly unknown[]> {
  const {stdout} = await creo(['config', 'list', ...args, '--json'], {env: {...world.env, ...env}, cwd: world.folder})
  const {settings} = JSON.parse(stdout) as {settings: {setting: string; value: unknown; origin: string; from: string}[]}
  const {value, origin, from} = settings.find((one) => one.setting === setting) ?? {}
  return [value, origin, from]
}

test('a first command without an account says so, with the command that makes one', async () => {
  const {code, json} = await world.json('account', 'balance')
  expect([code, json]).toEqual([
    2,
    {
      error: {code: 'no_account', message: 'You have no account in the network home yet.', hint: 'creo account create NAME'},
      network: 'home',
      account: null
    }
  ])
  expect((await world.json('account', 'balance', '--as', 'ann')).json).toMatchObject({
    error: {hint: 'creo account create ann'},
    account: 'ann'
  })
})

test('a flag goes before the environment, that before creo.yaml, that before what is stored, and that before the default', async () => {
  const stored = join(world.folder, 'config', 'config.json')
  expect(await said('account')).toEqual([null, 'default', 'default'])
  expect(await world.must('config', 'set', 'account', 'ann')).toMatchObject({status: 'changed'})
  expect(await world.must('config', 'set', 'account', 'ann')).toMatchObject({status: 'unchanged'})
  expect(await said('account')).toEqual(['ann', 'user', stored])
  const manifest = 'app: shop\norg: colibris\nroutes: [{path: /, function: site}]\nfunctions: {site: {source: ./f}}\n'
  await writeFile(join(world.folder, 'creo.yaml'), manifest)
  expect(await said('account')).toEqual(['colibris', 'manifest', 'creo.yaml'])
  expect(await said('account', {CREO_ACCOUNT: 'ben'})).toEqual(['ben', 'environment', 'CREO_ACCOUNT'])
  expect(await said('account', {CREO_ACCOUNT: 'ben'}, ['--as', 'cid'])).toEqual(['cid', 'flag', '--as'])
  expect(await said('network')).toEqual(['home', 'user', stored])
  expect(await said('data-dir')).toEqual([join(world.folder, 'data'), 'environment', 'CREO_DATA_DIR'])
  expect(await said('log-level', {CREO_LOG_LEVEL: ''})).toEqual(['info', 'default', 'default'])
  expect(await world.must('config', 'unset', 'account')).toEqual({setting: 'account', status: 'unset'})
  expect(await world.must('config', 'unset', 'account')).toEqual({setting: 'account', status: 'already_unset'})
})

test('settings are listed also where list is left out before the flags, and asked for without flags, or wrongly, they are explained', async () => {
  const {stdout} = await world.run('config', '--show-origin')
  expect(stdout).toMatch(/^SETTING +VALUE +FROM/)
  expect(stdout).toBe((await world.run('config', 'list', '--show-origin')).stdout)
  for (const args of [['config'], ['config', '--help'], ['config', '--show-origin', '--help']])
    expect((await creo(args, {env: world.env})).stdout).toMatch(/^ {2}config list +Show/m)
  expect((await world.json('config', 'lst')).json).toMatchObject({error: {hint: 'Did you mean creo config list?'}})
})

test.each([
  ['a setting that does not exist', ['config', 'get', 'acount'], 'not_found', 'Did you mean account?'],
  ['one that the environment alone says', ['config', 'set', 'data-dir', '/x'], 'usage', 'export CREO_DATA_DIR=…'],
  ['a network that is not stored', ['config', 'set', 'network', 'nowhere'], 'not_found', 'Use one of: home.'],
  ['a name that is no account', ['config', 'set', 'account', 'Ann!'], 'invalid_input', expect.any(String)],
  ['a network under a name that is none', ['network', 'rename', 'home', 'My Home'], 'invalid_input', expect.any(String)],
  ['a gateway by what is no key', ['gateway', 'revoke', 'xx', '--key', 'coordinator/operator.key'], 'invalid_input', /creo gateway serve/],
  [
    'the same when it is admitted',
    ['gateway', 'admit', 'xx', '--key', 'coordinator/operator.key', '--tunnel', 'http://a:1', '--public', 'http://a:2'],
    'invalid_input',
    /creo gateway serve/
  ]
])('refuses %s with one thing to do', async (_, args, code, hint) => {
  const {json} = await world.json(...args)
  expect(json).toMatchObject({error: {code, hint: hint instanceof RegExp ? expect.stringMatching(hint) : hint}})
})

test('a network is renamed and forgotten, and joined again by what the last words say', async () => {
  expect(await world.must('network', 'rename', 'home', 'house')).toEqual({name: 'house', before: 'home', networkId: world.networkId})
  expect(await said('network')).toEqual(['house', 'user', expect.any(String)])
  const {stdout} = await world.run('network', 'remove', 'house')
  const [, again = ''] = /Undo it: creo (.*)/.exec(stdout) ?? []
  expect((await world.must('network', 'list')).networks).toEqual([])
  expect(await world.must('network', 'remove', 'house')).toEqual({name: 'house', status: 'already_removed', current: null})
  await world.must(...again.split(' '))
  expect((await world.must('network', 'list')).networks).toMatchObject([{name: 'house', current: true}])
})

test('a gateway that was admitted is revoked by its id, once', async () => {
  const {publicKey} = generateKeyPair()
  const key = ['--key', join(world.folder, 'coordinator', 'operator.key')]
  const urls = ['--tunnel', 'http://127.0.0.1:1', '--public', 'http://127.0.0.1:2']
  const {gateway} = await world.must('gateway', 'admit', publicKey, ...urls, ...key)
  expect(gateway).toBe(gatewayIdOf(publicKey))
  expect(await world.must('gateway', 'revoke', String(gateway), ...key)).toEqual({gateway, status: 'revoked', seq: expect.any(Number)})
  expect(await world.must('gateway', 'revoke', publicKey, ...key)).toEqual({gateway, status: 'already_revoked', seq: null})
})

test('a header before the app is one header', async () => {
  const {json} = await world.json('invoke', '-H', 'a: b', 'colibris/none', '/')
  expect(json).toMatchObject({error: {code: 'not_found', message: 'There is no account "colibris".'}})
})
