import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {followLiveImages} from '../../src/coordinator/registry/live-images.ts'
import {linkOf} from '../../src/coordinator/registry/manifest-parts.ts'
import {openRegistry} from '../../src/coordinator/registry/registry.ts'
import {REVISIONS_KEPT_MAX} from '../../src/core/exchange/limits.ts'
import type {Digest} from '../../src/images/digest.ts'
import {encodeJson, MEDIA_TYPE, parseManifest} from '../../src/images/oci.ts'
import {deployOf} from '../exchange/world.ts'
import {LedgerWorld} from '../ledger/ledger-world.ts'

const DEPLOYS = process.env.CREO_TEST_TIER === 'long' ? 1_000 : 40
/** The collector comes by again and again while the deploys go on. */
const PER_COLLECTION = 10
const HOUR_MS = 3_600_000
const repository = 'acme/shop/api'

test(`after ${DEPLOYS} deploys the registry holds what can be run or gone back to, and not a blob more; of a destroyed app nothing`, async () => {
  const world = await LedgerWorld.make()
  onTestFinished(() => world.remove())
  await world.settle()
  let aheadMs = 0
  const nowMs = (): number => Date.now() + aheadMs
  const liveImages = followLiveImages(world.ledger, nowMs)
  const registry = await openRegistry({directory: join(world.directory, 'registry'), nowMs, liveImages})

  const push = async (number: number): Promise<Digest> => {
    const config = await registry.store.write(encodeJson({number}))
    const layers = [await registry.store.write(Buffer.from('the base')), await registry.store.write(Buffer.from(`code ${number}`))]
    const described = layers.map((layer) => ({...layer, mediaType: MEDIA_TYPE.layerTar}))
    const manifest = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.manifest,
      config: {...config, mediaType: MEDIA_TYPE.config},
      layers: described
    }
    const bytes = encodeJson(manifest)
    await registry.store.write(bytes)
    const link = linkOf(parseManifest(bytes), bytes)
    await registry.catalog.put(repository, {link, nowMs: nowMs()})
    return link.digest
  }
  const collect = async (): Promise<void> => {
    aheadMs += 2 * HOUR_MS
    await registry.collect({graceMs: HOUR_MS, signal: world.signal})
  }

  const pushed: Digest[] = []
  for (let number = 0; number < DEPLOYS; number += 1) {
    const digest = await push(number)
    pushed.push(digest)
    const command = deployOf()
    await world.must('acme', {...command, revisions: command.revisions.map((revision) => ({...revision, imageDigest: digest}))})
    if (number % PER_COLLECTION === 0) await collect()
  }
  await collect()

  const kept = pushed.slice(-(REVISIONS_KEPT_MAX + 1))
  expect([...liveImages()].sort()).toEqual([...kept].sort())
  expect((await registry.catalog.manifests(repository)).map(({link}) => link.digest).sort()).toEqual([...kept].sort())
  const blobs = await readdir(join(registry.store.directory, 'blobs'), {recursive: true, withFileTypes: true})
  expect(blobs.filter((entry) => entry.isFile())).toHaveLength(kept.length * 3 + 1)

  await world.must('acme', {type: 'app.destroy', app: deployOf().app})
  await collect()
  expect([...liveImages()]).toEqual([])
  expect(await registry.catalog.manifests(repository)).toEqual([])
})
