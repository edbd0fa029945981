import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {expect, onTestFinished, test} from 'vitest'
import {openRegistry, type Registry} from '../../src/coordinator/registry/registry.ts'
import {digestOf} from '../../src/images/digest.ts'
import {MANIFEST_BYTES_MAX} from '../../src/images/oci.ts'
import {scratchDirectory} from './registry-world.ts'

const KILLS = process.env.CREO_TEST_TIER === 'long' ? 25 : 5
/** A push and a round of the collector take some milliseconds: at what instant in them it is killed, chance decides. */
const KILL_WITHIN_MS = 60
const PUSHES_MIN = 10
const CHILD = fileURLToPath(new URL('./push-forever.ts', import.meta.url))
const {signal} = new AbortController()

test('whenever a registry is killed while it takes images and deletes others, each image that is there is whole, and nothing else stays', async () => {
  const scratch = await scratchDirectory()
  onTestFinished(() => scratch.remove())
  let images = 0
  for (let kill = 0; kill < KILLS; kill += 1) {
    await killSometime(scratch.path)
    const registry = await openRegistry({directory: join(scratch.path, 'store'), nowMs: Date.now, liveImages: () => new Set()})
    images += await assertWhole(registry)
    await registry.collect({graceMs: 0, signal})
    const kept = await assertWhole(registry)
    if (kill < KILLS - 1) continue
    expect(kept).toBeGreaterThan(0)
    for await (const repository of registry.catalog.repositories()) {
      for (const tag of (await registry.catalog.tags(repository)) ?? []) await registry.catalog.untag(repository, tag)
    }
    await registry.collect({graceMs: -1, signal})
    expect(await filesIn(join(scratch.path, 'store'))).toEqual([])
  }
  expect(images).toBeGreaterThan(0)
})

/** At least so many pushes, and then some milliseconds. */
async function killSometime(directory: string): Promise<void> {
  const child = spawn(process.execPath, [CHILD, directory], {stdio: ['ignore', 'pipe', 'inherit']})
  const gone = once(child, 'exit')
  let pushes = 0
  for await (const _ of createInterface({input: child.stdout})) {
    pushes += 1
    if (pushes === PUSHES_MIN) setTimeout(() => child.kill('SIGKILL'), Math.random() * KILL_WITHIN_MS)
  }
  expect(await gone, 'it ended by itself').toEqual([null, 'SIGKILL'])
}

/** Every manifest that is linked, and all that it names, with its own bytes. @returns how many there are. */
async function assertWhole({catalog, store}: Registry): Promise<number> {
  let count = 0
  for await (const repository of catalog.repositories()) {
    for (const tag of (await catalog.tags(repository)) ?? []) {
      const digest = (await catalog.find(repository, tag))?.digest ?? ''
      expect(await catalog.find(repository, digest), `${repository}:${tag}`).toBeDefined()
    }
    for (const {link} of await catalog.manifests(repository)) {
      for (const digest of [link.digest, ...(link.blobs ?? [])]) expect(digestOf(await store.read(digest, MANIFEST_BYTES_MAX))).toBe(digest)
      count += 1
    }
  }
  return count
}

async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, {recursive: true, withFileTypes: true})
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
}
