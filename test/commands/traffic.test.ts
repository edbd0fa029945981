import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {CliWorld} from './cli-world.ts'

const SHOP = 'colibris/shop'

let world: CliWorld
beforeAll(async () => {
  world = await CliWorld.make()
  await world.startCoordinator()
  await world.must('network', 'join', world.coordinatorUrl, '--id', world.networkId)
  await world.must('account', 'create', 'colibris')
})
afterAll(() => world.close())

/** Deploys an app of one function whose image is one file on nothing; returns the function's revision. */
async function deploy(content: string, ...flags: readonly string[]): Promise<string> {
  const folder = await shop(content)
  const {revisions} = (await world.must('deploy', folder, '--wait', '0s', ...flags)) as {revisions: {revision: string}[]}
  return revisions[0]?.revision ?? ''
}

async function shop(content: string): Promise<string> {
  const folder = join(world.folder, 'shop')
  await mkdir(join(folder, 'web'), {recursive: true})
  await writeFile(join(folder, 'web', 'file'), content)
  const fn = '    base: scratch\n    command: [/app/file]\n    source: ./web\n'
  await writeFile(join(folder, 'creo.yaml'), `app: shop\norg: colibris\nroutes:\n  - {path: /, function: web}\nfunctions:\n  web:\n${fn}`)
  return folder
}

async function shares(): Promise<Record<string, number>> {
  const {releases} = (await world.must('releases', SHOP)) as {releases: {revision: string; percent: number}[]}
  return Object.fromEntries(releases.map(({revision, percent}) => [revision, percent]))
}

it('goes in steps from one revision to the next, and back', async () => {
  expect(await world.json('deploy', await shop('one'), '--no-traffic')).toMatchObject({code: 2, json: {error: {code: 'invalid_input'}}})
  const one = await deploy('one')
  const two = await deploy('two', '--no-traffic', '--tag', 'next')
  expect(await shares()).toEqual({[one]: 100, [two]: 0})
  expect(await world.must('traffic', SHOP)).toEqual({
    app: SHOP,
    functions: [{function: 'web', traffic: [{revision: one, percent: 100}], tags: [{tag: 'next', revision: two, address: null}]}],
    seq: null
  })

  const split = await world.must('traffic', SHOP, 'web', '--to', 'next=20', '--to', `${one}=80`, '--tag', `stable=${one}`)
  expect(split).toMatchObject({functions: [{traffic: expect.arrayContaining([{revision: two, percent: 20}])}], seq: expect.any(Number)})
  expect(await shares()).toEqual({[one]: 80, [two]: 20})
  await world.must('traffic', SHOP, '--to', two, '--untag', 'next', '--untag', 'stable')
  expect(await shares()).toEqual({[one]: 0, [two]: 100})

  const back = await world.must('rollback', SHOP)
  expect(back).toMatchObject({functions: [{function: 'web', from: [{revision: two, percent: 100}], to: one}]})
  expect(await shares()).toEqual({[one]: 100, [two]: 0})
  expect(await world.json('rollback', SHOP)).toMatchObject({code: 3, json: {error: {code: 'conflict', hint: `creo releases ${SHOP}`}}})
  // The newest revision is what these files are: it takes the traffic, and no other is made.
  expect(await deploy('two')).toBe(two)

  const three = await deploy('three', '--no-traffic')
  await world.must('traffic', SHOP, '--to', `${three}=5`, '--to', `${one}=95`)
  const stopped = await world.run('rollback', SHOP)
  expect(stopped.stdout).toContain(`all requests go to ${one} again, not to ${three}.`)
})

it.each([
  ['shares that make less than all', ['--to', 'rev_1=20'], 4, /no revision or tag "rev_1"/],
  ['a share above all', ['--to', 'rev_1=101'], 2, /not a share/],
  ['a tag without a revision', ['--tag', 'next'], 2, /not a tag/],
  ['a tag that nothing has', ['--untag', 'gone'], 4, /no tag "gone"/],
  ['a function that is not there', ['--to', 'rev_1', 'wep'], 4, /no function "wep"/]
])('refuses %s', async (_, flags, code, words) => {
  const said = await world.json('traffic', SHOP, ...flags)
  expect(said).toMatchObject({code, json: {error: {message: expect.stringMatching(words), hint: expect.any(String)}}})
})

it('refuses a tag that makes no address before it builds anything', async () => {
  const said = await world.json('deploy', await shop('three'), '--tag', 'Next')
  expect(said).toMatchObject({code: 2, json: {error: {code: 'invalid_input', message: expect.stringContaining('"Next" is not a tag')}}})
})
