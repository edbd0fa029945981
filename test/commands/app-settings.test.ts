import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {creo} from '../support/processes.ts'
import {CliWorld} from './cli-world.ts'

const SHOP = 'colibris/shop'
const WAIT = ['--wait', '0s']

let world: CliWorld
let first: string
beforeAll(async () => {
  world = await CliWorld.make()
  await world.startCoordinator()
  await world.must('network', 'join', world.coordinatorUrl, '--id', world.networkId, '--name', 'home')
  await world.must('account', 'create', 'colibris')
  first = await deploy()
})
afterAll(() => world.close())

async function deploy(): Promise<string> {
  const folder = join(world.folder, 'shop')
  await mkdir(join(folder, 'web'), {recursive: true})
  await writeFile(join(folder, 'web', 'file'), 'one')
  const fn = '    base: scratch\n    command: [/app/file]\n    source: ./web\n    env: {GREETING: hello}\n'
  await writeFile(join(folder, 'creo.yaml'), `app: shop\norg: colibris\nroutes:\n  - {path: /, function: web}\nfunctions:\n  web:\n${fn}`)
  const {revisions} = (await world.must('deploy', folder, ...WAIT)) as {revisions: {revision: string}[]}
  return revisions[0]?.revision ?? ''
}

async function serving(): Promise<string | undefined> {
  const {releases} = (await world.must('releases', SHOP)) as {releases: {revision: string; percent: number}[]}
  return releases.find(({percent}) => percent === 100)?.revision
}

it('says of what is empty what the next step is', async () => {
  for (const [command, next] of [
    ['logs', `creo invoke ${SHOP}`],
    ['async list', `creo invoke ${SHOP} PATH --async`],
    ['cron list', 'creo.yaml']
  ] as const)
    expect(await world.run(...command.split(' '), SHOP)).toMatchObject({code: 0, stdout: '', stderr: expect.stringContaining(next)})
})

it('offers no way back after a deploy that changed nothing', async () => {
  const deployed = (): Promise<Record<string, unknown>> => world.must('deploy', join(world.folder, 'shop'), ...WAIT)
  expect(await deployed()).toMatchObject({revisions: [{revision: first}], rollback: null})
  await writeFile(join(world.folder, 'shop', 'web', 'file'), 'two')
  expect(await deployed()).toMatchObject({rollback: `creo rollback ${SHOP}`})
  await world.must('rollback', SHOP)
  await writeFile(join(world.folder, 'shop', 'web', 'file'), 'one')
})

it('changes a setting by a revision of the same image, says how to undo it, and does nothing twice', async () => {
  const scaled = await world.must('scale', SHOP, 'web', '--min', '1', '--max', '9', ...WAIT)
  expect(scaled).toMatchObject({app: SHOP, function: {function: 'web', from: first, status: 'changed'}, min: 1, max: 9})
  const {to, undo} = scaled.function as {to: string; undo: string}
  expect([undo, await serving()]).toEqual([`creo traffic ${SHOP} web --to ${first}`, to])
  expect(await world.must('scale', SHOP, 'web', '--max', '9', ...WAIT)).toMatchObject({
    function: {status: 'already_so', undo: null},
    min: 1
  })
  await world.must(...undo.split(' ').slice(1))
  expect(await serving()).toBe(first)
})

it.each([
  ['a minimum above the maximum', ['scale', SHOP, 'web', '--min', '5', '--max', '2'], 2, /At most 2 and always 5/],
  ['nothing', ['scale', SHOP, 'web'], 2, /Nothing is to be changed/],
  ['a function that is not there', ['scale', SHOP, 'wep', '--max', '2'], 4, /no function "wep"/],
  ['a variable without a value', ['env', 'set', SHOP, 'GREETING'], 2, /"GREETING" is no variable/],
  ['a name that is none', ['env', 'set', SHOP, '1ST=a'], 2, /"1ST=a" is no variable/]
])('refuses to change %s', async (_, args, code, message) => {
  expect(await world.json(...args)).toMatchObject({
    code,
    json: {error: {message: expect.stringMatching(message), hint: expect.any(String)}}
  })
})

it("takes the app of the folder where none is named, the word with a slash where one is, and a secret's app by --app as it was", async () => {
  const inFolder = async (...args: string[]) =>
    JSON.parse((await creo([...args, '--json'], {env: world.env, cwd: join(world.folder, 'shop')})).stdout)
  expect(await inFolder('scale', 'web', '--max', '4', ...WAIT)).toMatchObject({app: SHOP, max: 4})
  expect(await inFolder('traffic', 'web')).toMatchObject({app: SHOP, functions: [{function: 'web'}]})
  expect(await inFolder('traffic', SHOP, 'web')).toMatchObject({app: SHOP, functions: [{function: 'web'}]})
  expect(await inFolder('secrets', 'unset', 'KEY')).toMatchObject({app: SHOP, name: 'KEY'})
  expect(await world.must('secrets', 'unset', SHOP, 'KEY')).toMatchObject({app: SHOP, name: 'KEY'})
  expect(await world.must('secrets', 'unset', 'KEY', '--app', SHOP)).toMatchObject({app: SHOP, name: 'KEY'})
})

it.each([
  ['a secret without a name', ['secrets', 'set', SHOP], 'usage', 'creo secrets set --help'],
  ['an app without its org', ['scale', 'shop', 'web', '--max', '2'], 'invalid_input', 'Write ORG/APP, for example colibris/shop.'],
  ['no app outside of a folder with one', ['traffic'], 'not_found', 'Name it as ORG/APP, or go to its folder.']
])('refuses %s', async (_, args, code, hint) => {
  expect(await world.json(...args)).toMatchObject({json: {error: {code, hint}}})
})

it.each([
  ['a function whose logs are asked for', ['logs', SHOP, '--function', 'wep'], 4, 'Did you mean web?'],
  ['a function that is scaled', ['scale', SHOP, 'wbe', '--max', '2'], 4, 'Did you mean web?'],
  ['a network', ['apps', '-n', 'hom'], 4, 'Did you mean home?']
])('proposes what was meant by the name of %s', async (_, args, code, hint) => {
  expect(await world.json(...args)).toMatchObject({code, json: {error: {hint}}})
})

it('sets variables, lists and unsets them', async () => {
  expect(await world.must('env', 'list', SHOP)).toEqual({app: SHOP, variables: [{function: 'web', name: 'GREETING', value: 'hello'}]})
  await world.must('env', 'set', SHOP, 'LANG=fr', 'GREETING=a=b', ...WAIT)
  const {variables} = (await world.must('env', 'list', SHOP)) as {variables: {name: string; value: string}[]}
  expect(Object.fromEntries(variables.map(({name, value}) => [name, value]))).toEqual({GREETING: 'a=b', LANG: 'fr'})
  expect((await world.run('env', 'unset', SHOP, 'LAN', ...WAIT)).stderr).toContain('No function has LAN. Did you mean LANG?')
  await world.must('env', 'unset', SHOP, 'LANG', 'GREETING', ...WAIT)
  expect(await world.must('env', 'list', SHOP)).toMatchObject({variables: []})
  const said = await world.run('env', 'set', SHOP, 'LANG=fr', ...WAIT)
  expect(said.stdout).toContain('Everybody can read these values')
})

it('changes nothing while the requests are shared out', async () => {
  const now = await serving()
  await world.must('traffic', SHOP, '--to', `${now}=50`, '--to', `${first}=50`)
  expect(await world.json('scale', SHOP, 'web', '--max', '3')).toMatchObject({code: 3, json: {error: {code: 'conflict'}}})
  await world.must('traffic', SHOP, '--to', first)
})

it('changes nothing of an app in the name of another org that has one of the same name', async () => {
  await world.must('account', 'create', 'prod')
  const hint = 'Act as its org: --as colibris'
  for (const args of [
    ['destroy', SHOP, '--confirm=shop'],
    ['scale', SHOP, 'web', '--max', '2'],
    ['env', 'set', SHOP, 'LANG=fr'],
    ['env', 'unset', SHOP, 'LANG'],
    ['traffic', SHOP, '--to', first],
    ['rollback', SHOP],
    ['secrets', 'unset', SHOP, 'API_KEY'],
    ['deploy', join(world.folder, 'shop')]
  ])
    expect(await world.json(...args, '--as', 'prod')).toMatchObject({code: 2, json: {error: {code: 'usage', hint}}})
})

it('lists apps and opens one, until it is destroyed for good, which can be said twice', async () => {
  expect(await world.must('apps')).toMatchObject({apps: [{app: SHOP, functions: ['web'], addresses: [], deployedAt: expect.any(String)}]})
  expect(await world.json('open', SHOP)).toMatchObject({
    code: 5,
    json: {error: {code: 'unavailable', hint: expect.stringContaining('creo up')}}
  })
  for (const confirm of [[], ['--confirm', 'shap']]) {
    const hint = `creo destroy ${SHOP} --confirm=shop`
    expect(await world.json('destroy', SHOP, ...confirm)).toMatchObject({code: 2, json: {error: {code: 'usage', hint}}})
  }
  expect(await world.must('destroy', SHOP, '--confirm=shop')).toMatchObject({app: SHOP, status: 'destroyed', returning: []})
  expect(await world.must('destroy', SHOP, '--confirm', SHOP)).toMatchObject({status: 'already_destroyed'})
  expect(await world.must('apps')).toEqual({apps: []})
  for (const command of ['open', 'rollback', 'logs', 'traffic', 'async list', 'env list', 'env unset'])
    expect(await world.json(...command.split(' '), SHOP, ...(command === 'env unset' ? ['GREETING'] : []))).toMatchObject({
      code: 4,
      json: {error: {message: `${SHOP} was destroyed.`, hint: 'creo deploy'}}
    })
  expect((await world.must('releases', SHOP)).releases).not.toEqual([])
  const anew = await deploy()
  expect([await serving(), anew === first]).toEqual([anew, false])
  expect(await world.json('rollback', SHOP)).toMatchObject({code: 3})
  expect(await world.must('ledger', 'verify', '--data', join(world.folder, 'coordinator'))).toMatchObject({holds: true})
})
