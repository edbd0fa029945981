import {readdir, stat, writeFile} from 'node:fs/promises'
import {request as ask} from 'node:http'
import {join} from 'node:path'
import {gzipSync} from 'node:zlib'
import {Header} from 'tar'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {GRANT_BYTES, StorageRoom} from '../../src/coordinator/registry/storage-room.ts'
import {type Session, UploadSessions} from '../../src/coordinator/registry/upload-sessions.ts'
import {openBlobStore} from '../../src/images/blob-store.ts'
import {writeImage} from '../../src/images/build-image.ts'
import {digestOf} from '../../src/images/digest.ts'
import {fetchImage} from '../../src/images/fetch-image.ts'
import {writeLayoutBlob} from '../../src/images/layout.ts'
import {MEDIA_TYPE} from '../../src/images/oci.ts'
import {pushImage} from '../../src/images/registry-client.ts'
import {RegistryAsks} from './registry-asks.ts'
import {scratchDirectory, startRegistry} from './registry-world.ts'

const {signal} = new AbortController()
let scratch: Awaited<ReturnType<typeof scratchDirectory>>

beforeEach(async () => {
  scratch = await scratchDirectory()
})

afterEach(async () => {
  await scratch.remove()
})

/** A body that is whole. */
function source(...chunks: readonly (string | Buffer)[]) {
  async function* bytes(): AsyncGenerator<Buffer> {
    for (const chunk of chunks) yield Buffer.from(chunk)
  }
  return {bytes: bytes(), cut: () => undefined, signal}
}

test('uploads under way are limited for each org, and those without a byte for long make room', async () => {
  let nowMs = 0
  const store = await openBlobStore(join(scratch.path, 'store'))
  const sessions = new UploadSessions(store, () => nowMs)
  const begun: Session[] = await Promise.all(Array.from({length: 8}, () => sessions.begin('a/b')))
  await expect(sessions.begin('a/c')).rejects.toMatchObject({code: 'overloaded'})
  await sessions.end((await sessions.begin('other/b')).upload.id)
  nowMs = 400_000
  await sessions.receive(begun[0] as Session, source('alive'))
  nowMs = 700_000
  const fresh = await sessions.begin('a/b')
  expect(await readdir(join(store.directory, 'uploads'))).toHaveLength(2)
  expect(sessions.get('a/b', begun[0]?.upload.id ?? '').upload.offset).toBe(5)
  expect(() => sessions.get('other/repository', fresh.upload.id)).toThrow('no such upload')
  await sessions.close()
  expect(await readdir(join(store.directory, 'uploads'))).toEqual([])
})

test('an upload that drips for ever is given up after six hours', async () => {
  let nowMs = 0
  const sessions = new UploadSessions(await openBlobStore(join(scratch.path, 'store')), () => nowMs)
  const dripping = await sessions.begin('a/b')
  for (; nowMs <= 6 * 3_600_000; nowMs += 540_000) {
    await sessions.receive(dripping, source('x'))
    await sessions.dropIdle()
    expect(sessions.get('a/b', dripping.upload.id)).toBe(dripping)
  }
  await sessions.dropIdle()
  expect(() => sessions.get('a/b', dripping.upload.id)).toThrow('no such upload')
})

test('when all places are taken, the slowest upload of who has most makes room for who has fewer, and for nobody else', async () => {
  let nowMs = 0
  const sessions = new UploadSessions(await openBlobStore(join(scratch.path, 'store')), () => nowMs)
  const begun: Session[] = []
  for (let index = 0; index < 256; index += 1) begun.push(await sessions.begin(`org-${index % 32}/b`))
  nowMs = 60_000
  const slow = begun[32] as Session
  for (const session of begun) await sessions.receive(session, source(session === slow ? 'x' : 'alive'))
  const fresh = await sessions.begin('newcomer/b')
  expect(sessions.get('newcomer/b', fresh.upload.id)).toBe(fresh)
  expect(() => sessions.get('org-0/b', slow.upload.id)).toThrow('no such upload')
  expect(sessions.get('org-0/b', begun[0]?.upload.id ?? '').upload.offset).toBe(5)
  await expect(sessions.begin('org-0/b')).rejects.toMatchObject({code: 'overloaded'})
  await sessions.close()
})

test('an org deletes one blob after the other, and no other org waits behind all of them', async () => {
  const {url, registry, close} = await startRegistry(scratch.path)
  const asks = new RegistryAsks(url)
  const blobs = await Promise.all(['one', 'two', 'three'].map((text, index) => asks.pushBlob(index === 2 ? 'b/b' : 'a/b', text)))
  const {promise: held, resolve: release} = Promise.withResolvers<void>()
  const holding = registry.deletions.take(() => held)
  const answers: number[] = []
  const remove = async (repository: string, index: number): Promise<void> => {
    answers.push((await asks.ask('DELETE', `${repository}/blobs/${blobs[index]}`)).status)
  }
  const removing = [remove('a/b', 0), remove('a/b', 1), remove('b/b', 2)]
  await expect.poll(() => answers).toEqual([429])
  release()
  await Promise.all([holding, ...removing])
  expect(answers).toEqual([429, 202, 202])
  await close()
})

test('of all that is asked of one upload at once one thing happens after the other, and none of it is a fault', async () => {
  const {url, registry, close} = await startRegistry(scratch.path)
  const asks = new RegistryAsks(url)
  const statuses = new Set<number>()
  for (let round = 0; round < 8; round += 1) {
    const digest = digestOf(`bytes ${round}`)
    const {headers} = await asks.ask('POST', 'a/b/blobs/uploads/')
    const upload = String(headers.location)
    await asks.ask('PATCH', upload, `bytes ${round}`)
    const ends = Array.from({length: 3}, () => asks.ask('PUT', `${upload}?digest=${digest}`))
    const others = [asks.ask('DELETE', upload), asks.ask('PATCH', upload), asks.ask('PUT', `${upload}?digest=${digest}`)]
    for (const {status} of await Promise.all([...ends, ...others])) statuses.add(status)
  }
  expect([...statuses].filter((status) => ![201, 202, 204, 404, 409].includes(status))).toEqual([])
  expect(await readdir(join(registry.store.directory, 'uploads'))).toEqual([])
  await close()
})

test('an upload that makes room while it takes its name has it, and what waits behind finds none', async () => {
  const store = await openBlobStore(join(scratch.path, 'store'))
  const sessions = new UploadSessions(store, () => 0)
  const session = await sessions.begin('a/b')
  await sessions.receive(session, source('whole'))
  const {promise: held, resolve: release} = Promise.withResolvers<void>()
  const {promise: begins, resolve: begin} = Promise.withResolvers<void>()
  const taking = store.exclusively(digestOf('whole'), () => held)
  const named = sessions.alone(session, () => {
    begin()
    return sessions.commit(session, digestOf('whole'))
  })
  await begins
  const behind = sessions.alone(session, () => sessions.leave(session))
  const ended = sessions.end(session.upload.id)
  release()
  await expect(behind).rejects.toMatchObject({oci: 'BLOB_UPLOAD_UNKNOWN'})
  await Promise.all([taking, named, ended])
  expect(await store.stat(digestOf('whole'))).toMatchObject({size: 5})
  await sessions.close()
})

test('of two that would go on with an upload the newer one does', async () => {
  const sessions = new UploadSessions(await openBlobStore(join(scratch.path, 'store')), () => 0)
  const session = await sessions.begin('a/b')
  const asked = ['older', 'new'].map((text) => sessions.alone(session, () => sessions.receive(session, source(text))))
  expect((await Promise.allSettled(asked)).map(({status}) => status)).toEqual(['rejected', 'fulfilled'])
  expect(session.upload.offset).toBe(3)
  await sessions.close()
})

test('the disk is looked at while bytes come, with what other uploads were promised', async () => {
  const store = await openBlobStore(join(scratch.path, 'store'))
  let freeBytes = 10 * GRANT_BYTES
  const room = new StorageRoom(store.directory, {diskFreeBytesMin: 8 * GRANT_BYTES, freeBytes: async () => freeBytes})
  const sessions = new UploadSessions(store, () => 0, room)
  const [first, second] = [await sessions.begin('a/b'), await sessions.begin('b/b')]
  const {promise: held, resolve: release} = Promise.withResolvers<void>()
  const {promise: waits, resolve: isWaiting} = Promise.withResolvers<void>()
  async function* slow(): AsyncGenerator<Buffer> {
    yield Buffer.from('one')
    isWaiting()
    await held
  }
  const receiving = sessions.receive(first, {...source(), bytes: slow()})
  await waits
  freeBytes = 9 * GRANT_BYTES + 100
  await expect(sessions.receive(second, source('two'))).rejects.toMatchObject({code: 'unavailable'})
  release()
  await receiving
  await sessions.receive(second, source('two'))
  const third = await sessions.begin('b/b')
  async function* filling(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(GRANT_BYTES)
    freeBytes -= GRANT_BYTES
    yield Buffer.from('more')
  }
  await expect(sessions.receive(third, {...source(), bytes: filling()})).rejects.toMatchObject({code: 'unavailable'})
  expect(third.upload.offset).toBe(GRANT_BYTES)
  await sessions.close()
})

test('an org has a share of the registry, counted over restarts, with its manifests, and not with what was there before', async () => {
  const store = await openBlobStore(join(scratch.path, 'store'))
  const open = (): UploadSessions => new UploadSessions(store, () => 0, new StorageRoom(store.directory, {orgBytesMax: 10}))
  const push = async (sessions: UploadSessions, repository: string, text: string): Promise<void> => {
    const session = await sessions.begin(repository)
    try {
      await sessions.receive(session, source(text))
      await sessions.commit(session, digestOf(text))
    } finally {
      await sessions.end(session.upload.id)
    }
  }
  await push(open(), 'a/b', '12345')
  await open().store('a', Buffer.from('6789'))
  await push(open(), 'other/b', '12345')
  await push(open(), 'a/b', 'A')
  await expect(push(open(), 'a/c', 'more')).rejects.toMatchObject({code: 'rejected'})
  await expect(open().store('a', Buffer.from('more'))).rejects.toMatchObject({code: 'rejected'})
  await push(open(), 'other/b', '54321')
})

test('a chunk cuts an older one that hangs, and goes on where that one stopped', async () => {
  const registry = await startRegistry(join(scratch.path, 'registry'))
  try {
    const begun = await fetch(`${registry.url}/v2/a/b/blobs/uploads/`, {method: 'POST'})
    const url = registry.url + String(begun.headers.get('location'))
    const hanging = ask(url, {method: 'PATCH', headers: {'content-type': 'application/octet-stream'}})
    const {promise: cut, resolve} = Promise.withResolvers<string>()
    hanging.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
    hanging.write('abc')
    while ((await fetch(url)).headers.get('range') !== '0-2');
    const next = await fetch(url, {method: 'PATCH', body: 'def', headers: {'content-range': '3-5'}})
    expect([next.status, next.headers.get('range')]).toEqual([202, '0-5'])
    expect(await cut).toBe('ECONNRESET')
    const digest = digestOf('abcdef')
    expect((await fetch(`${url}?digest=${digest}`, {method: 'PUT'})).status).toBe(201)
  } finally {
    await registry.close()
  }
})

test('an image with a device in it is fetched but never becomes a layout', async () => {
  const tar = Buffer.alloc(1536)
  new Header({path: 'dev/null', type: 'CharacterDevice', devmaj: 1, devmin: 3, mode: 0o666, size: 0}).encode(tar)
  const layoutDirectory = join(scratch.path, 'hostile')
  const layer = await writeLayoutBlob(layoutDirectory, MEDIA_TYPE.layerGzip, gzipSync(tar))
  const image = await writeImage({
    layoutDirectory,
    images: [{config: {architecture: 'amd64', os: 'linux', rootfs: {type: 'layers', diff_ids: [digestOf(tar)]}}, layers: [layer]}]
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
