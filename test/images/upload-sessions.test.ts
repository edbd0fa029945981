import {readdir, stat, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {gzipSync} from 'node:zlib'
import {Header} from 'tar'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {UploadSessions} from '../../src/coordinator/registry/upload-sessions.ts'
import {openBlobStore} from '../../src/images/blob-store.ts'
import {writeImage} from '../../src/images/build-image.ts'
import {digestOf} from '../../src/images/digest.ts'
import {fetchImage} from '../../src/images/fetch-image.ts'
import {writeLayoutBlob} from '../../src/images/layout.ts'
import {MEDIA_TYPE} from '../../src/images/oci.ts'
import {pushImage} from '../../src/images/registry-client.ts'
import {scratchDirectory, startRegistry} from './registry-world.ts'

const {signal} = new AbortController()
let scratch: Awaited<ReturnType<typeof scratchDirectory>>

beforeEach(async () => {
  scratch = await scratchDirectory()
})

afterEach(async () => {
  await scratch.remove()
})

test('uploads under way are limited in number, and those of an hour ago make room', async () => {
  let nowMs = 0
  const store = await openBlobStore(join(scratch.path, 'store'))
  const sessions = new UploadSessions(store, () => nowMs)
  for (let count = 0; count < 64; count += 1) await sessions.begin('a/b')
  await expect(sessions.begin('a/b')).rejects.toMatchObject({code: 'overloaded'})
  nowMs = 3_600_001
  const fresh = await sessions.begin('a/b')
  expect(await readdir(join(store.directory, 'uploads'))).toEqual([fresh.id])
  expect(() => sessions.get('other/repository', fresh.id)).toThrow('no such upload')
  await sessions.close()
  expect(await readdir(join(store.directory, 'uploads'))).toEqual([])
})

test('an image with a device in it is fetched but never becomes a layout', async () => {
  const tar = Buffer.alloc(1536)
  new Header({path: 'dev/null', type: 'a character device', devmaj: 1, devmin: 3, mode: 0o666, size: 0}).encode(tar)
  const layoutDirectory = join(scratch.path, 'hostile')
  const layer = await writeLayoutBlob(layoutDirectory, MEDIA_TYPE.layerGzip, gzipSync(tar))
  const image = await writeImage({
    layoutDirectory,
    config: {architecture: 'amd64', os: 'linux', rootfs: {type: 'layers', diff_ids: [digestOf(tar)]}},
    layers: [layer]
  })
  const registry = await startRegistry(join(scratch.path, 'registry'))
  try {
    const address = {registryUrl: registry.url, repository: 'evil/app/web', signal}
    await pushImage({...address, layoutDirectory})
    const store = await openBlobStore(join(scratch.path, 'store'))
    const target = join(scratch.path, 'layout')
    const fetching = fetchImage({...address, digest: image.indexDigest, architecture: 'amd64', store, layoutDirectory: target})
    await expect(fetching).rejects.toMatchObject({code: 'rejected', message: expect.stringContaining('a character device')})
    await expect(stat(join(target, 'index.json'))).rejects.toMatchObject({code: 'ENOENT'})
  } finally {
    await registry.close()
  }
})

test('a store that cannot be made says so', async () => {
  await writeFile(join(scratch.path, 'file'), '')
  await expect(openBlobStore(join(scratch.path, 'file/store'))).rejects.toMatchObject({code: 'data_dir_unwritable'})
})
