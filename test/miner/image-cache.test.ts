import {mkdir, readdir, stat, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {buildImage} from '../../src/images/build-image.ts'
import {pushImage} from '../../src/images/registry-client.ts'
import {DataPlan} from '../../src/miner/data-plan.ts'
import {DiskRoom} from '../../src/miner/disk-room.ts'
import {ImageCache} from '../../src/miner/image-cache.ts'
import {createMemoryRuntime, type MemoryFunction} from '../../src/runtime/memory-runtime.ts'
import {startRegistry} from '../images/registry-world.ts'
import {revisionEntry, temporaryDirectory} from './worlds.ts'

/** Beside images, what the owner lends of the disk holds manifests. */
const DOCUMENTS_BYTES = 2 ** 20
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
    const image = await buildImage({
      platforms: [{architecture, base: 'scratch'}],
      folder,
      argv: ['/app/main'],
      env: {},
      layoutDirectory,
      signal
    })
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
  const terms = {diskBytes: 2 ** 30, dataBytesPerMonth: null as number | null}
  const plan = {dataDirectory: directory, terms: () => terms, now: () => Date.UTC(2026, 10, 22), timeZone: 'UTC'}
  const open = async (lent: Partial<typeof terms> = {}) => {
    Object.assign(terms, lent)
    const data = await DataPlan.open(plan)
    const disk = new DiskRoom(() => terms.diskBytes)
    const cache = await ImageCache.open({...options, disk, data, assertMayFetch: () => undefined})
    return {cache, data, disk, terms}
  }
  return {directory, registry, images, open}
}

test('many who need one image at once fetch it once, and later ones fetch nothing', async () => {
  const {images, open} = await world(['one'])
  const [image] = images
  if (image === undefined) return
  const {cache} = await open()
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
  await (await open()).cache.ensure(image, signal, signal)
  await registry.close()
  const {cache: later} = await open()
  expect(await later.ensure(image, signal, signal)).toBe(image.manifestDigest)
  expect(later.bytesFetched).toBe(0)
})

/** Bytes of all blobs, whole and in parts. */
async function bytesOnDisk(directory: string): Promise<number> {
  const names = await readdir(join(directory, 'cache', 'blobs'), {recursive: true, withFileTypes: true})
  const sizes = await Promise.all(names.filter((name) => name.isFile()).map((name) => stat(join(name.parentPath, name.name))))
  return sizes.reduce((sum, {size}) => sum + size, 0)
}

test('an image that the disk cap has no room for is refused before it is fetched, and the cap holds', async () => {
  const {directory, images, open} = await world(['one', 'two'])
  const [one, two] = images
  if (one === undefined || two === undefined) return
  const {cache, disk, terms} = await open()
  await cache.ensure(one, signal, signal)
  terms.diskBytes = disk.usedBytes + DOCUMENTS_BYTES + 900
  await expect(cache.ensure(two, signal, signal)).rejects.toMatchObject({
    code: 'overloaded',
    message: expect.stringContaining('of the disk')
  })
  expect([cache.isReady(one), cache.isReady(two)]).toEqual([true, false])
  expect(await bytesOnDisk(directory)).toBeLessThan(terms.diskBytes)
  expect(disk.usedBytes).toBeLessThanOrEqual(terms.diskBytes)
})

test('room is made for a leased image by dropping what no lease needs', async () => {
  const {directory, images, open} = await world(['one', 'two'])
  const [one, two] = images
  if (one === undefined || two === undefined) return
  const {cache, disk, terms} = await open()
  await cache.ensure(one, signal, signal)
  terms.diskBytes = disk.usedBytes + DOCUMENTS_BYTES + 900
  await expect(cache.ensure(two, signal, signal)).rejects.toMatchObject({code: 'overloaded'})
  await cache.evict(new Set([two.imageDigest]), signal)
  expect(await cache.ensure(two, signal, signal)).toBe(two.manifestDigest)
  expect([cache.isReady(one), cache.isReady(two)]).toEqual([false, true])
  expect(await readdir(join(directory, 'cache', 'layouts'))).toEqual([two.imageDigest.slice('sha256:'.length)])
  expect(await bytesOnDisk(directory)).toBeLessThan(terms.diskBytes)
})

test('when the owner lends less disk than the leases need, the last of them go without their image', async () => {
  const {images, open} = await world(['one', 'two'])
  const [one, two] = images
  if (one === undefined || two === undefined) return
  const {cache, disk, terms} = await open()
  await cache.ensure(one, signal, signal)
  const forOne = disk.usedBytes
  await cache.ensure(two, signal, signal)
  terms.diskBytes = forOne + DOCUMENTS_BYTES
  await cache.evict(new Set([one.imageDigest, two.imageDigest]), signal)
  expect([cache.isReady(one), cache.isReady(two)]).toEqual([true, false])
  expect(disk.usedBytes).toBeLessThanOrEqual(forOne)
})

test("what a later process finds unpacked counts against the owner's disk", async () => {
  const {images, open} = await world(['one'])
  const [one] = images
  if (one === undefined) return
  const first = await open()
  await first.cache.ensure(one, signal, signal)
  expect((await open()).disk.usedBytes).toBe(first.disk.usedBytes)
})

test('an image larger than what is left of the month is refused before its first layer, and what was pulled is counted for good', async () => {
  const {images, open} = await world(['one', 'two'])
  const [one, two] = images
  if (one === undefined || two === undefined) return
  const {cache, data, terms} = await open()
  await cache.ensure(one, signal, signal)
  expect(data.usedBytes).toBe(cache.bytesFetched)
  terms.dataBytesPerMonth = data.usedBytes + 1000
  await expect(cache.ensure(two, signal, signal)).rejects.toMatchObject({
    code: 'overloaded',
    message: expect.stringContaining('this month')
  })
  await data.save()
  expect((await open()).data.usedBytes).toBe(data.usedBytes)
})

test('a pull is cut in the middle when the month is used up meanwhile', async () => {
  const {images, open} = await world(['one'])
  const [one] = images
  if (one === undefined) return
  const {cache, data, terms} = await open()
  const pulled = cache.ensure(one, signal, signal)
  terms.dataBytesPerMonth = 0
  await expect(pulled).rejects.toMatchObject({message: expect.stringContaining('this month')})
  expect(data.hasRoom(0)).toBe(false)
})

test('an image that the registry does not have is said to be missing', async () => {
  const {open} = await world([])
  const {cache} = await open({diskBytes: 0})
  await expect(cache.ensure(revisionEntry(`sha256:${'0'.repeat(64)}`), signal, signal)).rejects.toMatchObject({code: 'image_missing'})
})
