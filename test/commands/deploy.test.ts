import {mkdir, readdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {readManifest} from '../../src/developer/read-manifest.ts'
import {CliWorld} from './cli-world.ts'

let world: CliWorld
beforeAll(async () => {
  world = await CliWorld.make()
  await world.startCoordinator()
  await world.must('network', 'join', world.coordinatorUrl, '--id', world.networkId)
  for (const name of ['colibris', 'ana']) await world.must('account', 'create', name)
  const issue = ['--supply', '1000', '--limit', '50', '--offer', 'Tea', '--offer-price', '2', '--offer-stock', '5']
  await world.must('incentive', 'issue', 'ROOT', '--as', 'ana', ...issue)
  await world.must('incentive', 'issue', 'ONLY', '--as', 'colibris', '--scope', 'broken/api', ...issue)
})
afterAll(() => world.close())

function rewardsIn(incentive: string): string {
  return `    rewards: [{incentive: ${incentive}, perMillion: {requests: 1}, dailyBudget: 1}]\n`
}

/** An app of one function whose image is one file on nothing: quick to build and to push. */
async function app(name: string, settings = '', content = 'one'): Promise<string> {
  const folder = join(world.folder, name)
  await mkdir(join(folder, 'web'), {recursive: true})
  await writeFile(join(folder, 'web', 'file'), content)
  const text = `app: ${name}\norg: colibris\nroutes:\n  - {path: /, function: web}\nfunctions:\n  web:\n    base: scratch\n    command: [/app/file]\n${settings}`
  await writeFile(join(folder, 'creo.yaml'), settings.includes('image:') ? text : `${text}    source: ./web\n`)
  return folder
}

it('deploys what changed and pushes only what is missing', async () => {
  const folder = await app('shop')
  const first = await world.must('deploy', folder, '--wait', '0s')
  expect(first).toMatchObject({org: 'colibris', app: 'shop', revisions: [{function: 'web', revision: expect.stringMatching(/^rev_\d+$/)}]})
  const [web] = first.revisions as [{imageDigest: string; bytesPushed: number; blobsPushed: number; revision: string}]
  expect(web.bytesPushed).toBeGreaterThan(0)

  const again = await world.must('deploy', folder, '--wait', '0s')
  expect(again.revisions).toMatchObject([{imageDigest: web.imageDigest, blobsPushed: 0}])

  await app('shop', '', 'two')
  const changed = await world.must('deploy', folder, '--wait', '0s')
  const [after] = changed.revisions as [typeof web]
  expect(after.imageDigest).not.toBe(web.imageDigest)
  expect(after.revision).not.toBe(web.revision)
  expect(await readdir(join(world.folder, 'data', 'builds'))).toEqual([])
})

it('builds the same digest that it deploys, as a layout that a manifest can name', async () => {
  const folder = await app('twice')
  const built = await world.must('build', folder, '--output', join(world.folder, 'images'))
  const [image] = built.images as [{imageDigest: string; layout: string}]
  expect((await world.must('deploy', folder, '--wait', '0s')).revisions).toMatchObject([{imageDigest: image.imageDigest}])
  const byLayout = await app('by-layout', `    image: ${image.layout}\n`)
  expect((await world.must('deploy', byLayout, '--wait', '0s')).revisions).toMatchObject([{imageDigest: image.imageDigest}])
  const byDigest = await app('twice', `    image: ${image.imageDigest}\n`)
  expect((await world.must('deploy', byDigest, '--wait', '0s')).revisions).toMatchObject([{imageDigest: image.imageDigest, bytesPushed: 0}])
})

it('says that a deploy which nobody can serve yet is done, and is still on its way', async () => {
  const said = await world.json('deploy', await app('lonely'), '--wait', '1s')
  expect(said).toMatchObject({code: 6, json: {error: {code: 'still_running', hint: expect.stringContaining('creo up')}}})
})

it.each([
  ['an unknown incentive', rewardsIn('colibris/GOLD'), [], 'not_found', 4],
  ['an incentive of another org', rewardsIn('ana/ROOT'), [], 'forbidden', 3],
  ['an incentive that is for another function', rewardsIn('colibris/ONLY'), [], 'forbidden', 3],
  ['an owner that is no account', '    owners: [nobody]\n', [], 'not_found', 4],
  ['a source that is no folder', '    source: ./nowhere\n    # ', [], 'build_failed', 1],
  ['an image that is nowhere', `    image: sha256:${'0'.repeat(64)}\n`, [], 'image_missing', 4],
  ['a layout that is none', '    image: ./web\n', [], 'image_missing', 4],
  ['an app of another org', '', ['--as', 'ana'], 'usage', 2],
  ['a misspelt key', '    memroy: 1GiB\n', [], 'invalid_manifest', 2]
])('refuses %s before anything changes', async (_, settings, flags, code, exit) => {
  const folder = await app('broken', settings)
  expect(await world.json('deploy', folder, '--wait', '0s', ...flags)).toMatchObject({
    code: exit,
    json: {error: {code, hint: expect.any(String)}}
  })
  expect(await world.json('invoke', 'colibris/broken')).toMatchObject({code: 4, json: {error: {code: 'not_found'}}})
})

it('reads the logs of an app as its org alone', async () => {
  await world.must('deploy', await app('talker'), '--wait', '0s')
  expect(await world.must('logs', 'colibris/talker')).toEqual({app: 'colibris/talker', lines: []})
  expect(await world.json('logs', 'colibris/talker', '--as', 'ana')).toMatchObject({code: 3})
})

it('writes a new app with a manifest that holds, and never over another one', async () => {
  const folder = join(world.folder, 'fresh')
  const made = await world.must('init', folder, '--org', 'colibris')
  expect(made).toMatchObject({app: 'fresh', org: 'colibris'})
  expect((await readManifest(folder)).manifest.functions).toMatchObject({web: {source: './web', base: 'node'}})
  expect(await world.json('init', folder, '--org', 'colibris')).toMatchObject({code: 3, json: {error: {code: 'conflict'}}})
  expect(await world.json('init', join(world.folder, 'Not A Name'), '--org', 'colibris')).toMatchObject({code: 2})
})

it('says that the coordinator is gone and how to start it', async () => {
  await world.stopCoordinator()
  const {code, stderr} = await world.run('incentive', 'list')
  expect({code, stderr}).toEqual({
    code: 5,
    stderr: ` ›   Error: No coordinator answers at ${world.coordinatorUrl}.\n ›   Code: unavailable\n ›   Try this: creo coordinator serve\n`
  })
})
