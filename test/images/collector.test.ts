import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test, vi} from 'vitest'
import {openManifestCatalog} from '../../src/coordinator/registry/catalog.ts'
import {type Digest, digestOf} from '../../src/images/digest.ts'
import {MEDIA_TYPE} from '../../src/images/oci.ts'
import {RegistryAsks} from './registry-asks.ts'
import {type RegistryWorld, scratchDirectory, startRegistry} from './registry-world.ts'

const HOUR_MS = 3_600_000
const {signal} = new AbortController()
const repo = 'colibris/shop/api'
let scratch: Awaited<ReturnType<typeof scratchDirectory>>
let world: RegistryWorld
let asks: RegistryAsks
let live: Set<string>
let aheadMs: number

beforeEach(async () => {
  scratch = await scratchDirectory()
  live = new Set()
  aheadMs = 0
  const options = {liveImages: () => live, nowMs: () => Date.now() + aheadMs}
  world = await startRegistry(join(scratch.path, 'registry'), undefined, undefined, options)
  asks = new RegistryAsks(world.url)
})
afterEach(async () => {
  await world.close()
  await scratch.remove()
})

/** Lets so many hours pass, then collects what has not been counted on for one. */
async function collectAfter(hours: number): Promise<{manifests: number; blobs: number}> {
  aheadMs += hours * HOUR_MS
  return world.registry.collect({graceMs: HOUR_MS, signal})
}

async function isWhole(digest: Digest, repository = repo): Promise<boolean> {
  const {status, text} = await asks.ask('GET', `${repository}/manifests/${digest}`)
  if (status !== 200) return false
  const manifest = JSON.parse(text) as {config?: {digest: Digest}; layers?: {digest: Digest}[]; manifests?: {digest: Digest}[]}
  for (const child of manifest.manifests ?? []) if (!(await isWhole(child.digest, repository))) return false
  const blobs = [...(manifest.config ? [manifest.config] : []), ...(manifest.layers ?? [])]
  const found = await Promise.all(blobs.map(({digest: blob}) => asks.ask('GET', `${repository}/blobs/${blob}`)))
  return found.every((one) => one.status === 200)
}

async function filesLeft(): Promise<string[]> {
  const entries = await readdir(world.store.directory, {recursive: true, withFileTypes: true})
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
}

test('what nothing refers to goes after its grace with all that was counted of it, and nothing is left behind', async () => {
  const image = await asks.pushImage(repo, {layers: ['one', 'two']})
  await asks.pushBlob(repo, 'of a push that was given up')
  const cut = await asks.ask('POST', `${repo}/blobs/uploads/`)
  await asks.ask('PATCH', String(cut.headers.location), 'half')
  expect(await collectAfter(0.5)).toEqual({manifests: 0, blobs: 0})
  expect(await isWhole(image)).toBe(true)
  expect(await collectAfter(1)).toEqual({manifests: 1, blobs: 5})
  expect(await isWhole(image)).toBe(false)
  expect(await filesLeft()).toEqual([])
})

test('what a tag, a live revision, an index or a kept image keeps, stays whole', async () => {
  const tagged = await asks.pushImage(repo, {layers: ['tagged'], reference: 'v1'})
  const running = await asks.pushImage(repo, {layers: ['running']})
  const child = await asks.pushImage(repo, {layers: ['child']})
  const {text} = await asks.ask('GET', `${repo}/manifests/${child}`)
  const manifests = [{mediaType: MEDIA_TYPE.manifest, digest: child, size: text.length}]
  const index = await asks.pushManifest(repo, {schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests})
  const subject = {
    mediaType: MEDIA_TYPE.manifest,
    digest: running,
    size: (await asks.ask('GET', `${repo}/manifests/${running}`)).text.length
  }
  const signature = await asks.pushImage(repo, {layers: ['signature'], subject})
  for (const digest of [running, index]) live.add(digest)
  expect(await collectAfter(2)).toEqual({manifests: 0, blobs: 0})
  for (const digest of [tagged, running, index, signature]) expect([digest, await isWhole(digest)]).toEqual([digest, true])
  live.clear()
  expect((await collectAfter(2)).manifests).toBe(4)
  expect([await isWhole(tagged), await isWhole(index)]).toEqual([true, false])
})

test('a revision that falls out of those that can be gone back to lets its image go, and not the layers that others share', async () => {
  const first = await asks.pushImage(repo, {layers: ['base', 'first']})
  const second = await asks.pushImage(repo, {layers: ['base', 'second']})
  live = new Set([first, second])
  await collectAfter(2)
  live = new Set([second])
  expect(await collectAfter(2)).toEqual({manifests: 1, blobs: 2})
  expect([await isWhole(first), await isWhole(second)]).toEqual([false, true])
})

test('a push that found something here can count on it, however old it is', async () => {
  const image = await asks.pushImage(repo, {layers: ['base', 'app']})
  const layer = await asks.pushBlob(repo, 'lone')
  const mounted = await asks.pushBlob(repo, 'mounted')
  aheadMs += 5 * HOUR_MS
  expect((await asks.ask('HEAD', `${repo}/manifests/${image}`)).status).toBe(200)
  expect((await asks.ask('HEAD', `${repo}/blobs/${layer}`)).status).toBe(200)
  expect((await asks.ask('POST', `colibris/other/blobs/uploads/?mount=${mounted}&from=${repo}`)).status).toBe(201)
  expect(await collectAfter(0)).toEqual({manifests: 0, blobs: 0})
  expect(await isWhole(image)).toBe(true)
  expect((await collectAfter(2)).manifests).toBe(1)
})

test('an org has so many repositories, and a new one when another was emptied', async () => {
  const catalog = await openManifestCatalog(join(scratch.path, 'small'), {repositoriesPerOrgMax: 2})
  const link = {digest: digestOf('a manifest'), mediaType: MEDIA_TYPE.manifest, size: 10}
  const put = (name: string): Promise<void> => catalog.put(name, {link, nowMs: Date.now()})
  for (const name of ['colibris', 'colibris/shop/api', 'colibris/shop/api', 'other/a', 'other/b']) await put(name)
  await expect(put('colibris/third')).rejects.toMatchObject({oci: 'DENIED', message: expect.stringContaining('2 repositories')})
  await catalog.remove('colibris/shop/api', link.digest)
  await catalog.tidy('colibris/shop/api')
  await put('colibris/third')
})

test('pushes that run beside the collector never lose a part', async () => {
  const rounds = Array.from({length: 40}, (_, index) => index)
  const collecting = (async () => {
    for (const _ of rounds) await world.registry.collect({graceMs: 0, signal})
  })()
  const pushed: Digest[] = []
  for (const round of rounds) {
    const image = await asks.pushImage(repo, {layers: ['base', `layer ${round % 7}`], reference: `v${round % 3}`}).catch(refusedForAPart)
    if (image !== undefined) pushed.push(image)
  }
  await collecting
  expect(pushed.length).toBeGreaterThan(0)
  const {tags} = JSON.parse((await asks.ask('GET', `${repo}/tags/list`)).text) as {tags: string[]}
  for (const tag of tags) {
    const {headers} = await asks.ask('HEAD', `${repo}/manifests/${tag}`)
    expect(await isWhole(headers['docker-content-digest'] as Digest)).toBe(true)
  }
})

/** Without any grace a blob may go before its manifest comes: then the push is refused and can be repeated. */
function refusedForAPart(error: Error): undefined {
  expect(error.message).toContain('MANIFEST_BLOB_UNKNOWN')
}

test('an image that a slow disk takes longer to link than the grace is, is whole when it is there', async () => {
  const {catalog, turns} = world.registry
  const [counted, linking, collectorWaits] = [0, 1, 2].map(() => Promise.withResolvers<void>())
  const put = catalog.put.bind(catalog)
  vi.spyOn(catalog, 'put').mockImplementationOnce(async (...change) => {
    counted?.resolve()
    await linking?.promise
    return put(...change)
  })
  const pushing = asks.pushImage(repo, {layers: ['slow'], reference: 'v1'})
  await counted?.promise
  const take = turns.take.bind(turns)
  vi.spyOn(turns, 'take').mockImplementation((work) => {
    collectorWaits?.resolve()
    return take(work)
  })
  const collecting = collectAfter(2)
  await Promise.race([collecting, collectorWaits?.promise])
  linking?.resolve()
  await collecting
  expect(await isWhole(await pushing)).toBe(true)
})
