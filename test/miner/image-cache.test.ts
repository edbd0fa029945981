import {mkdir, readdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {buildImage} from '../../src/images/build-image.ts'
import {pushImage} from '../../src/images/registry-client.ts'
import {ImageCache} from '../../src/miner/image-cache.ts'
import {createMemoryRuntime, type MemoryFunction} from '../../src/runtime/memory-runtime.ts'
import {startRegistry} from '../images/registry-world.ts'
import {revisionEntry, temporaryDirectory} from './worlds.ts'

const {signal} = new AbortController()
const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'

async function world(names: readonly string[]) {
  const directory = await temporaryDirectory()
  const registry = await startRegistry(join(directory, 'registry'))
  onTestFinished(() => registry.close())
  const functions = new Map<string, MemoryFunction>()
  const images = []
  for (const name of names) {
    const folder = join(directory, name)
    await mkdir(folder)
    await writeFile(join(folder, 'main'), name)
    const layoutDirectory = join(directory, `${name}-layout`)
    const image = await buildImage({base: 'scratch', folder, argv: ['/app/main'], env: {}, architecture, layoutDirectory, signal})
    await pushImage({registryUrl: registry.url, repository: 'colibris/shop/site', layoutDirectory, signal})
    functions.set(image.manifestDigest, () => () => undefined)
    images.push({...revisionEntry(image.indexDigest), manifestDigest: image.manifestDigest})
  }
  const runtime = createMemoryRuntime({directory: join(directory, 'r'), images: functions})
  const options = {
    directory: join(directory, 'cache'),
    registryUrl: registry.url,
    authorize: async () => ({}),
    runtime,
    architecture
  } as const
  return {directory, registry, images, open: (bytesMax: number) => ImageCache.open({...options, bytesMax})}
}

test('many who need one image at once fetch it once, and later ones fetch nothing', async () => {
  const {images, open} = await world(['one'])
  const [image] = images
  if (image === undefined) return
  const cache = await open(2 ** 30)
  const digests = await Promise.all([1, 2, 3].map(() => cache.ensure(image, signal, signal)))
  expect(digests).toEqual([image.manifestDigest, image.manifestDigest, image.manifestDigest])
  const fetched = cache.bytesFetched
  expect(fetched).toBeGreaterThan(0)
  await cache.ensure(image, signal, signal)
  expect(cache.bytesFetched).toBe(fetched)
})

test('with the registry gone a later process starts from what is on disk', async () => {
  const {registry, images, open} = await world(['one'])
  const [image] = images
  if (image === undefined) return
  await (await open(2 ** 30)).ensure(image, signal, signal)
  await registry.close()
  const later = await open(2 ** 30)
  expect(await later.ensure(image, signal, signal)).toBe(image.manifestDigest)
  expect(later.bytesFetched).toBe(0)
})

test('what no lease needs is dropped beyond the limit, and what a lease needs never', async () => {
  const {directory, images, open} = await world(['one', 'two'])
  const [one, two] = images
  if (one === undefined || two === undefined) return
  const cache = await open(0)
  await cache.ensure(one, signal, signal)
  await cache.ensure(two, signal, signal)
  await cache.evict(new Set([two.imageDigest]), signal)
  expect([cache.isReady(one), cache.isReady(two)]).toEqual([false, true])
  expect(await readdir(join(directory, 'cache', 'layouts'))).toEqual([two.imageDigest.slice('sha256:'.length)])
  const blobs = await readdir(join(directory, 'cache', 'blobs', 'blobs', 'sha256'), {recursive: true})
  expect(blobs.filter((name) => name.length > 60).length).toBe(4)
})

test('an image that the registry does not have is said to be missing', async () => {
  const {open} = await world([])
  const cache = await open(0)
  await expect(cache.ensure(revisionEntry(`sha256:${'0'.repeat(64)}`), signal, signal)).rejects.toMatchObject({code: 'image_missing'})
})
