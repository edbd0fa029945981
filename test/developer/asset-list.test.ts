import {createHash} from 'node:crypto'
import {mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {gunzipSync} from 'node:zlib'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {parseManifest} from '../../src/core/manifest.ts'
import {ASSET_BYTES_MAX, assetListSchema} from '../../src/core/protocol/assets.ts'
import {listAssets} from '../../src/developer/asset-list.ts'
import {buildFunctions, type FunctionImage} from '../../src/developer/build.ts'
import type {FoundManifest} from '../../src/developer/read-manifest.ts'
import {layoutBlobPath} from '../../src/images/layout.ts'

const {signal} = new AbortController()
const assets = {folder: 'public', immutable: 'assets', headers: {}}
const FN = {source: './web', base: 'scratch', command: ['/app/server'], assets}
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'creo-assets-'))
  await write('server', '#!/bin/sh\n')
  await mkdir(join(folder, 'web/public'))
})

afterEach(() => rm(folder, {recursive: true, force: true}))

test('the list names just what is served, each by its bytes, and lies in the image', async () => {
  await write('public/index.html', '<p>')
  await write('public/assets/a-1.js', 'a()')
  await write('public/assets/a-1.js.br', 'packed')
  await write('public/draft.html', 'draft')
  await write('.creoignore', 'public/draft.html\n')
  const [image] = await build(FN)
  if (image?.in !== 'layout') throw new Error('It is built here.')
  const text = await listIn(image)
  expect(image.assets).toEqual(contentOf(text))
  expect(assetListSchema.parse(JSON.parse(text)).files).toEqual({
    '/assets/a-1.js': {...contentOf('a()'), type: 'text/javascript; charset=utf-8', immutable: true, brotli: contentOf('packed')},
    '/index.html': {...contentOf('<p>'), type: 'text/html; charset=utf-8'}
  })
  expect((await build(FN, 'again'))[0]?.digest).toBe(image.digest)
})

test('a list for a network tells the page which one it is, as one of the files', async () => {
  await write('public/index.html', '<p>')
  const networkId = 'ab'.repeat(32)
  const {ref, entries} = await listAssets(join(folder, 'web'), assets, {networkId, signal})
  const [network = '', list = ''] = entries.map((entry) =>
    entry.type === 'file' ? String([...(entry.content() as Iterable<Buffer>)][0]) : ''
  )
  expect(JSON.parse(network)).toEqual({id: networkId})
  expect(assetListSchema.parse(JSON.parse(list)).files['/creo-network.json']).toEqual({...contentOf(network), type: 'application/json'})
  expect(ref).toEqual(contentOf(list))
  const other = await listAssets(join(folder, 'web'), assets, {networkId: 'cd'.repeat(32), signal})
  expect(other.ref.digest).not.toBe(ref.digest)
})

test.each([
  ['there are none', async () => undefined, 'There are no files in "public"'],
  ['no address can name one', () => write('public/a b.html', ''), 'No address can name "public/a b.html"'],
  ['one has the name of the list', () => write('public/creo-assets.json', '{}'), 'has the name of a file that is made'],
  [
    'one has the name of what the page is told of its network',
    () => write('public/creo-network.json', '{}'),
    'name of a file that is made'
  ],
  ['one is a link', () => symlink('../server', join(folder, 'web/public/x')), '"public/x" is a link'],
  [
    'one is too large',
    async () => {
      await write('public/film.webm', '')
      await truncate(join(folder, 'web/public/film.webm'), ASSET_BYTES_MAX + 1)
    },
    'at most 8.0 MiB'
  ]
])('files are not listed where %s', async (_what, make, message) => {
  await make()
  await expect(listAssets(join(folder, 'web'), assets, {signal})).rejects.toMatchObject({
    code: 'build_failed',
    message: expect.stringContaining(message)
  })
})

test('an image that another tool built is no image of listed files', async () => {
  const found = foundWith(FN)
  const given = {...found.manifest.functions.web!, source: undefined, image: './image'}
  const manifest = {...found.manifest, functions: {web: given}}
  await expect(build(FN, 'given', {...found, manifest})).rejects.toMatchObject({
    code: 'build_failed',
    hint: expect.stringContaining('source')
  })
  for (const fn of [
    {...FN, source: undefined, image: 'x.example/y'},
    {...FN, containerfile: './Containerfile'},
    {...FN, calls: ['web']}
  ])
    expect(() => foundWith(fn)).toThrow(/needs source|must be empty/)
})

test.each(['../public', '/public', 'public/', 'a//b', '.', 'a/..'])('%s is no folder of files', (given) => {
  expect(() => foundWith({...FN, assets: {folder: given}})).toThrow('must be a folder such as public')
})

test.each([
  [{'content-security-policy': "default-src 'self'\r\nset-cookie: a=b"}, 'one line'],
  [{'set-cookie': 'a=b'}, '']
])('headers of a page are those that keep it apart, and nothing else: %j', (headers, message) => {
  expect(() => foundWith({...FN, assets: {...assets, headers}})).toThrow(message)
})

async function write(name: string, text: string): Promise<void> {
  const path = join(folder, 'web', name)
  await mkdir(dirname(path), {recursive: true})
  await writeFile(path, text)
}

function build(fn: Readonly<Record<string, unknown>>, output = 'one', found = foundWith(fn)): Promise<readonly FunctionImage[]> {
  const steps = {step: <T>(_: string, work: (note: () => void) => Promise<T>) => work(() => undefined)}
  return buildFunctions({found, outputDirectory: join(folder, output), dataDirectory: join(folder, 'data'), steps, signal})
}

function foundWith(fn: Readonly<Record<string, unknown>>): FoundManifest {
  const parsed = parseManifest({app: 'shop', org: 'colibris', routes: [{path: '/', function: 'web'}], functions: {web: fn}})
  if (!parsed.ok) throw new Error(parsed.problems[0].message)
  return {...({} as FoundManifest), manifest: parsed.manifest, path: join(folder, 'creo.yaml'), folder}
}

/** The text of the list, out of the image's layer. */
async function listIn({layoutDirectory, layers}: Extract<FunctionImage, {in: 'layout'}>): Promise<string> {
  const [layer] = layers
  if (layer === undefined) throw new Error('The image has a layer.')
  const tar = gunzipSync(await readFile(layoutBlobPath(layoutDirectory, layer.digest))).toString('latin1')
  return tar.slice(tar.indexOf('{"v":"creo-assets-v1"')).split('\0', 1)[0] ?? ''
}

function contentOf(text: string): {digest: string; bytes: number} {
  return {digest: `sha256:${createHash('sha256').update(text).digest('hex')}`, bytes: text.length}
}
