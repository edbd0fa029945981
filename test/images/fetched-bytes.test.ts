import {randomBytes} from 'node:crypto'
import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {openBlobStore} from '../../src/images/blob-store.ts'
import {type BuiltImage, buildImage} from '../../src/images/build-image.ts'
import {digestFile} from '../../src/images/digest.ts'
import {type FetchedImage, fetchImage} from '../../src/images/fetch-image.ts'
import {layoutBlobPath} from '../../src/images/layout.ts'
import {pushImage} from '../../src/images/registry-client.ts'
import {type RegistryWorld, scratchDirectory, startCuttingLink, startRegistry} from './registry-world.ts'

const {signal} = new AbortController()
const repository = 'colibris/shop/api'
const isLong = (process.env.CREO_TEST_TIER ?? 'short') !== 'short'
/** More than any answer of the registry for the small image below, head and body. */
const ANSWER_BYTES_MAX = 1400
const STEP_BYTES = isLong ? 1 : 11
const AT_A_TIME = 24
let scratch: Awaited<ReturnType<typeof scratchDirectory>>
let registry: RegistryWorld
let image: BuiltImage

beforeEach(async () => {
  scratch = await scratchDirectory()
  registry = await startRegistry(join(scratch.path, 'registry'))
  const folder = join(scratch.path, 'app')
  await mkdir(folder)
  await writeFile(join(folder, 'run'), 'a few bytes')
  const layoutDirectory = join(scratch.path, 'built')
  image = await buildImage({
    platforms: [{architecture: 'amd64', base: 'scratch'}],
    folder,
    argv: ['/app/run'],
    env: {},
    layoutDirectory,
    signal
  })
  await pushImage({registryUrl: registry.url, repository, layoutDirectory, signal})
})

afterEach(async () => {
  await registry.close()
  await scratch.remove()
})

async function fetchFrom(registryUrl: string, name: string): Promise<FetchedImage> {
  const store = await openBlobStore(join(scratch.path, name, 'store'))
  const layoutDirectory = join(scratch.path, name, 'layout')
  return fetchImage({registryUrl, repository, digest: image.indexDigest, architecture: 'amd64', store, layoutDirectory, signal})
}

test('an image comes whole, and no blob twice, over a line that breaks after any byte', async () => {
  const {bytesFetched} = await fetchFrom(registry.url, 'unharmed')
  const offsets = Array.from({length: Math.ceil(ANSWER_BYTES_MAX / STEP_BYTES)}, (_, index) => index * STEP_BYTES)
  let cuts = 0
  const cutAt = async (afterBytes: number): Promise<void> => {
    const link = await startCuttingLink(registry.url, {afterBytes, cuts: 2})
    const fetched = await fetchFrom(link.url, `cut-${afterBytes}`)
    cuts += link.cuts
    await link.close()
    expect.soft(fetched.bytesFetched, `cut after ${afterBytes} bytes`).toBe(bytesFetched)
    const layer = layoutBlobPath(fetched.layoutDirectory, image.layers[0]!.digest)
    expect.soft(await digestFile(layer, signal)).toBe(image.layers[0]!.digest)
  }
  while (offsets.length > 0) await Promise.all(offsets.splice(0, AT_A_TIME).map(cutAt))
  expect(cuts).toBeGreaterThan(ANSWER_BYTES_MAX / STEP_BYTES)
})

test('a redeploy after a one-line change moves the changed layer alone, and its documents', async () => {
  const base = {layoutDirectory: join(scratch.path, 'base'), folder: join(scratch.path, 'base-files')}
  await mkdir(base.folder)
  await writeFile(join(base.folder, 'library'), randomBytes(2 ** 21))
  const common = {argv: ['/app/run'], env: {}, signal} as const
  const architecture = 'amd64'
  const {manifestDigest} = await buildImage({...common, ...base, platforms: [{architecture, base: 'scratch'}], workdir: '/lib'})
  const deploy = async (line: string) => {
    const folder = join(scratch.path, 'app')
    await writeFile(join(folder, 'run'), line)
    const layoutDirectory = join(scratch.path, `deploy-${line}`)
    image = await buildImage({...common, folder, layoutDirectory, platforms: [{architecture, base: {...base, manifestDigest}}]})
    return pushImage({registryUrl: registry.url, repository, layoutDirectory, signal})
  }
  expect((await deploy('first')).bytesSent).toBeGreaterThan(2 ** 21)
  expect((await fetchFrom(registry.url, 'miner')).bytesFetched).toBeGreaterThan(2 ** 21)
  expect(await deploy('second')).toMatchObject({blobsSent: 2, blobsPresent: 1, bytesSent: expect.toSatisfy((bytes) => bytes < 4096)})
  const again = await fetchFrom(registry.url, 'miner')
  expect(again.manifestDigest).toBe(image.manifestDigest)
  expect(again.bytesFetched).toBeLessThan(4096)
})
